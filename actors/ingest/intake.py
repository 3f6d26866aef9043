"""The intake: what each event of the streams means, and whether it is news.

    SourceEvent, SolPriceTold, BirthReplayed -> Intake -> births in IngestMemory.unadmitted
                                                -> TokenUpdated, TradeSeen -> News

Any set of streams runs at once, and most of what one tells another has told before. A birth, a
migration and a pool are known by their mint, a trade by its key (repeats.py). Of what is told
again only the fields count that were lacking, or known from a lesser source (accounts.py).

Trades and completed curves of mints that are not tracked are dropped here: a firehose tells of
every mint there is, and held for a birth that never comes they would be parked for nothing. No
birth misses them. Its own account says how far its curve is, and that a curve is complete is
remembered. A migration is kept for its token, tracked or not.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache

from attrs import define, field

from actors.ingest.accounts import list_place, rank_source
from actors.ingest.birth import (
    birth_market,
    birth_profile,
    birth_values,
    born_token,
    completion_values,
    migration_values,
    pool_values,
    trade_values,
)
from actors.ingest.memory import Birth, IngestMemory
from actors.ingest.news import IngestOutboxes, News
from actors.ingest.prices import price_trade
from actors.ingest.repeats import find_key
from actors.ingest.sights import FIREHOSES, Sight, Sights
from actors.ingest.tallies import StreamTally, Tallies
from actors.ingest.times import find_time
from domain.messages import (
    BirthReplayed,
    CurveCompleted,
    IngestMessage,
    MigrationSeen,
    PoolCreated,
    SolPriceTold,
    SourceEvent,
    TokenCreated,
    TokenUpdated,
    TradeSeen,
)
from domain.outline import outline_token
from domain.token import with_birth_source
from domain.values import UnixSeconds, Value
from sources.venues import CURVE_VENUES

NAME = "ingest"


@define(kw_only=True)
class Intake:
    """Takes the events of one batch after the other, and passes on what they say together."""

    outboxes: IngestOutboxes
    memory: IngestMemory
    sights: Sights
    counts: Counter[str]
    tallies: Tallies = field(factory=Tallies)
    news: News = field(factory=News, init=False)

    async def take_events(self, events: Iterable[IngestMessage]) -> None:
        """Do what the events call for; waits only where sync's mailbox is full."""
        for event in events:
            self._take_event(event)
        await self.news.pass_on(self.outboxes, self.memory)

    def _take_event(self, event: IngestMessage) -> None:
        if isinstance(event, SolPriceTold):
            self.memory.sol_price.note_price(event)
            return
        if isinstance(event, BirthReplayed):
            self._take_replay(event)
            return
        tally = self.tallies.find_tally(event.source)
        at = tally.note_event(event)
        match event:
            case TradeSeen():
                self._take_trade(event, tally, at)
            case TokenCreated():
                self._take_birth(event, tally)
            case CurveCompleted():
                self._take_completion(event, tally)
            case MigrationSeen():
                self._take_migration(event, tally)
            case PoolCreated():
                self._take_pool(event, tally)

    # Trades.

    def _take_trade(self, event: TradeSeen, tally: StreamTally, at: UnixSeconds | None) -> None:
        sight = self.sights.find_sight(event.mint)
        if event.source in FIREHOSES and not self._is_tracked(event, sight):
            tally.untracked += 1
            return
        keys, key = self.memory.trade_keys, find_key(event)
        if self._is_counted(key):
            tally.repeated += 1
            return
        if keys.may_be_forgotten(at):
            tally.too_late += 1
            return
        happened_at = find_time(event)
        trade = self._tell_trade(event, sight or Sight(), happened_at)
        # Counted once it is passed on: after a crash before that it is offered again.
        self.news.add_trade(trade, key, None if at is None else happened_at)
        tally.note_first(event)
        self.counts["trades"] += 1

    def _is_counted(self, key: int) -> bool:
        """True where the trade is passed on, or about to be."""
        return key in self.news.keys or self.memory.trade_keys.has_key(key)

    def _tell_trade(self, event: TradeSeen, sight: Sight, happened_at: UnixSeconds) -> TradeSeen:
        """Tell sync what is news; the trade with both of its sizes."""
        sol_usd = self.memory.sol_price.read(event.seen_at)
        trade = price_trade(event, sight.quote_mint, sol_usd)
        if sight.is_overtaken(trade, happened_at):
            self.counts["overtaken_trades"] += 1
            return trade
        values = trade_values(
            trade,
            on_curve=sight.is_on_curve(trade),
            total_supply=sight.total_supply,
            sol_usd=sol_usd,
            tells_cap=sight.tells_cap(trade),
        )
        if trade.quote_mint not in (None, sight.quote_mint) and trade.venue in CURVE_VENUES:
            values |= sight.take_better({"quote_mint": trade.quote_mint}, trade.source)
        sight.has_market = True
        self._add_update(trade, values, sight)
        return trade

    def _is_tracked(self, event: SourceEvent, sight: Sight | None) -> bool:
        return (sight is not None and sight.is_admitted) or event.mint in self.memory.unadmitted

    # Births.

    def _take_birth(self, event: TokenCreated, tally: StreamTally) -> None:
        """A mint that is neither stored nor on its way there is new; else it is told again."""
        sight = self.sights.remember_mint(event.mint)
        if not self._is_tracked(event, sight):
            self._begin_birth(event, sight)
            tally.note_first(event)
            return
        self.counts["duplicate_creates"] += 1
        tally.repeated += 1
        birth = self.memory.unadmitted.get(event.mint)
        if birth is not None and sight.ranks == 0:  # an earlier life of ingest was told of it
            sight.note_earlier(outline_token(birth.token), rank_source(birth.source))
        sol_usd = self.memory.sol_price.read(event.seen_at)
        better = sight.take_better(birth_profile(event, sol_usd), event.source)
        if not sight.has_market:
            market = birth_market(event, on_curve=not sight.is_bonded, sol_usd=sol_usd)
            status = birth_values(event, on_curve=not sight.is_bonded)
            better |= market | status
            sight.has_market = bool(market)
        if not sight.is_bonded and sight.pool_address is None:  # it is where it was born
            better |= sight.take_better(list_place(event.venue, None), event.source)
        if better:
            self._add_update(event, better, sight)

    def _take_replay(self, event: BirthReplayed) -> None:
        """A birth that Postgres had refused is on its way there again; it is told of as any."""
        mint = event.token.mint
        self.memory.replays[mint] = event.entry_id
        birth = Birth(token=event.token, values={}, source="quarantine")
        self.memory.unadmitted.setdefault(mint, birth)

    def _begin_birth(self, event: TokenCreated | PoolCreated, sight: Sight) -> None:
        sol_usd = self.memory.sol_price.read(event.seen_at)
        on_curve = not sight.is_bonded
        token = born_token(event, on_curve=on_curve, sol_usd=sol_usd)
        token = with_birth_source(token, event.source, event.seen_at)
        values: dict[str, Value] = {}
        if isinstance(event, TokenCreated):
            told = birth_profile(event, sol_usd)
            if on_curve:
                told |= list_place(event.venue, None)
            sight.take_better(told, event.source)
            sight.has_market = event.curve_tokens is not None or token.market_cap_sol is not None
            values = birth_values(event, on_curve=on_curve)
            if on_curve and sight.is_complete:
                values = self._complete_early(event)
        elif event.decimals is not None:
            sight.take_better({"decimals": event.decimals}, event.source)
        self._stamp_status(event, values, sight)
        self.memory.unadmitted[event.mint] = Birth(token=token, values=values, source=event.source)

    def _complete_early(self, event: TokenCreated) -> dict[str, Value]:
        """Its curve was heard to be complete before its birth was."""
        completion = CurveCompleted(
            mint=event.mint, seen_at=event.seen_at, signature=event.signature, at=event.at
        )
        return completion_values(completion)

    # The end of a curve.

    def _take_completion(self, event: CurveCompleted, tally: StreamTally) -> None:
        sight = self.sights.remember_mint(event.mint)
        was_complete, sight.is_complete = sight.is_complete, True
        if was_complete:
            tally.repeated += 1
        elif not self._is_tracked(event, sight):
            tally.untracked += 1
        else:
            tally.note_first(event)
            self.counts["completions"] += 1
            self._add_update(event, completion_values(event), sight)

    def _take_migration(self, event: MigrationSeen, tally: StreamTally) -> None:
        sight = self.sights.remember_mint(event.mint)
        place = list_place(event.venue, event.pool_address)
        if self._bond(event, sight, place, migration_values(event)):
            tally.note_first(event)
            self.counts["migrations"] += 1
        else:
            tally.repeated += 1
            self.counts["repeated_migrations"] += 1

    def _take_pool(self, event: PoolCreated, tally: StreamTally) -> None:
        """A pool makes a token of a mint that is new, or tells where a known one trades."""
        sight = self.sights.remember_mint(event.mint)
        is_new = not self._is_tracked(event, sight)
        if is_new:
            self._begin_birth(event, sight)
        place, values = list_place(event.venue, event.pool_address), pool_values(event)
        if event.is_migration:
            is_news = self._bond(event, sight, place, values)
        elif sight.pool_address == event.pool_address:
            is_news = False
        elif is_new or sight.takes_pool(event):
            is_news = True
            for name in place:
                sight.forget_rank(name)
            sight.take_better(place, event.source)
            self._add_update(event, values, sight)
        else:
            self.counts["foreign_pools"] += 1
            return
        if is_news:
            tally.note_first(event)
            self.counts["pools"] += 1
        else:
            tally.repeated += 1

    def _bond(
        self,
        event: MigrationSeen | PoolCreated,
        sight: Sight,
        place: Mapping[str, Value],
        values: dict[str, Value],
    ) -> bool:
        """Tell of a migration; of one that is known only what was not, and no later time."""
        if sight.is_bonded:
            better = sight.take_better(place, event.source)
            if better:
                self._add_update(event, better, sight)
            return False
        sight.note_bonded(place, event.source)
        self._add_update(event, values, sight)
        return True

    # Updates.

    def _add_update(self, event: SourceEvent, values: dict[str, Value], sight: Sight) -> None:
        """Tell sync what an event says; where its token is unadmitted, once it is admitted."""
        self._stamp_status(event, values, sight)
        update = TokenUpdated(
            mint=event.mint,
            observed_at=event.seen_at,
            origin=name_origin(event.source),
            values=values,
        )
        self.news.add_update(update)

    def _stamp_status(self, event: SourceEvent, values: dict[str, Value], sight: Sight) -> None:
        """A status that grows says when that happened, which may be long before it was heard."""
        status = values.get("status")
        if status is not None and int(status) > sight.status:
            sight.status = int(status)
            values["status_changed_at"] = find_time(event)


@lru_cache(maxsize=64)
def name_origin(source: str) -> str:
    """Who observed it: ingest, and the stream. Each stream tells in order."""
    return f"{NAME} {source}"
