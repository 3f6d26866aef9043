"""Ingest: what is born goes to Postgres at once, in group commits; the rest goes on as updates.

    SourceEvent -> Ingest -> rows in the store, TokensAdmitted, TokenUpdated -> sync
                          -> TradeSeen -> hot-score

New tokens are the one write that does not wait for the flush: an update of a token that Postgres
does not have was the seeds' "Record to update not found". While Postgres is away they wait in
the buffer's spool, durable and in order, and are on the feed meanwhile.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence

import trio
from attrs import Factory, define, field, frozen

from actors.ingest.birth import (
    USUAL_SUPPLY,
    birth_values,
    born_token,
    migration_values,
    pool_values,
    trade_values,
)
from buffer import UpdateBuffer
from config.settings import IngestSettings
from domain.errors import BufferUnavailable, StoreNeedsRepair, StoreUnavailable
from domain.messages import (
    MigrationSeen,
    PoolCreated,
    Refused,
    SourceEvent,
    SyncMessage,
    TokenCreated,
    TokensAdmitted,
    TokenUpdated,
    TradeSeen,
)
from domain.token import IDENTITY_FIELDS, Status, Token
from domain.values import Mint, Value
from sources.venues import LAUNCHLAB
from store import TokenStore
from store.bisection import write_around_refusals
from supervision import Inbox, Outbox
from supervision.batches import receive_batches
from supervision.environment import Environment

ORIGIN = "ingest"
POOLS_ORIGIN = "ingest pools"  # their stream looks each one up first, and so runs behind
SAME_SIGHT_SECONDS = 0.002  # Postgres keeps microseconds, a float a little less
SPOOL_LOOK_SECONDS = 60.0
RETRY_SECONDS, RETRY_LONGEST_SECONDS = 0.25, 10.0
MOST_REFUSALS = 1000  # that wait for Redis


@frozen(kw_only=True)
class IngestOutboxes:
    sync: Outbox[SyncMessage]
    trades: Outbox[TradeSeen]


@frozen(kw_only=True)
class IngestDoors:
    """The two stores that ingest writes to, and whom it tells of older tokens at a start."""

    store: TokenStore
    buffer: UpdateBuffer
    follow_trades: Callable[[Sequence[Mint]], object] = lambda mints: None


@define
class Sight:
    """What ingest remembers of one mint."""

    is_admitted: bool = False  # else only its migration has been seen so far
    is_bonded: bool = False
    total_supply: str | None = None

    def is_on_curve(self, trade: TradeSeen) -> bool:
        """True when the trade's curve values are this token's: LaunchLab has curves of others."""
        has_usual_curve = trade.venue != LAUNCHLAB or self.total_supply == str(USUAL_SUPPLY)
        return has_usual_curve and not self.is_bonded


@define(kw_only=True)
class Ingest:
    """Admits new tokens and turns every other event into an update."""

    # Messages in.
    events: Inbox[SourceEvent]
    # Messages out.
    outboxes: IngestOutboxes
    # State.
    doors: IngestDoors
    settings: IngestSettings
    environment: Environment
    sights: OrderedDict[Mint, Sight] = Factory(OrderedDict)  # the newest mints seen
    is_store_open: bool = field(default=False, init=False)
    is_spooling: bool = field(default=False, init=False)  # Postgres is away, or not caught up
    spool_wanted: trio.Event = field(factory=trio.Event, init=False)
    refusals: list[Refused] = field(factory=list, init=False)  # on their way to quarantine
    counts: Counter[str] = field(factory=Counter, init=False)

    async def run(self) -> None:
        """Serve until the sources are closed; what is in hand is admitted before the return."""
        async with trio.open_nursery() as nursery:
            self.spool_wanted.set()  # an earlier life may have left tokens there
            nursery.start_soon(self.empty_spool_whenever_wanted)
            await self.serve()
            nursery.cancel_scope.cancel()

    def summary(self) -> Mapping[str, object]:
        return {
            "recent_mints": len(self.sights),
            "spooling": self.is_spooling,
            **self.counts,
        }

    async def serve(self) -> None:
        async for events in receive_batches(self.events, self.settings.commit_tokens):
            # The first birth of a burst is committed at once, those that follow share a commit.
            if await self.handle(events):
                await trio.sleep(self.settings.commit_delay_seconds)

    async def handle(self, events: Sequence[SourceEvent]) -> int:
        """Admit the births among `events`, send on the rest; the number of births."""
        births = self._births(events)
        fresh = await self.admit(
            [born_token(e, on_curve=not self._is_bonded(e.mint)) for e in births.values()]
        )
        for event in events:
            if isinstance(event, TokenCreated):
                if births.get(event.mint) is event and event.mint in fresh:
                    on_curve = not self._is_bonded(event.mint)
                    values = birth_values(event, on_curve=on_curve)
                    if values:  # else the token's row says it all
                        await self._update(event, values)
            else:
                await self._pass_on(event)
        return len(births)

    def _births(self, events: Sequence[SourceEvent]) -> dict[Mint, TokenCreated | PoolCreated]:
        births: dict[Mint, TokenCreated | PoolCreated] = {}
        for event in events:
            if not isinstance(event, TokenCreated | PoolCreated):
                continue
            sight = self.sights.get(event.mint)
            if not (sight and sight.is_admitted) and event.mint not in births:
                births[event.mint] = event
            elif isinstance(event, TokenCreated):
                self.counts["duplicate_creates"] += 1
        return births

    async def _pass_on(self, event: TradeSeen | MigrationSeen | PoolCreated) -> None:
        match event:
            case TradeSeen():
                sight = self.sights.get(event.mint) or Sight()
                values = trade_values(
                    event, on_curve=sight.is_on_curve(event), total_supply=sight.total_supply
                )
                await self._update(event, values)
                await self.outboxes.trades.send(event)
                self.counts["trades"] += 1
            case MigrationSeen():
                sight = self._sight(event.mint)
                if sight.is_bonded:  # told again, it would look as if it were later
                    self.counts["repeated_migrations"] += 1
                    return
                sight.is_bonded = True
                await self._update(event, migration_values(event))
                self.counts["migrations"] += 1
            case PoolCreated():
                self._sight(event.mint).is_bonded |= event.is_migration
                await self._update(event, pool_values(event))
                self.counts["pools"] += 1

    async def _update(self, event: SourceEvent, values: dict[str, Value]) -> None:
        update = TokenUpdated(
            mint=event.mint,
            observed_at=event.seen_at,
            origin=POOLS_ORIGIN if isinstance(event, PoolCreated) else ORIGIN,
            values=values,
        )
        await self.outboxes.sync.send(update)

    def _is_bonded(self, mint: Mint) -> bool:
        sight = self.sights.get(mint)
        return sight is not None and sight.is_bonded

    def _recall(self, token: Token) -> None:
        sight = self._sight(token.mint)
        sight.is_admitted = True
        sight.is_bonded |= token.status is Status.BONDED
        sight.total_supply = token.total_supply

    def _sight(self, mint: Mint) -> Sight:
        """What is remembered of the mint; the mints seen longest ago are forgotten."""
        sight = self.sights.setdefault(mint, Sight())
        self.sights.move_to_end(mint)
        if len(self.sights) > self.settings.recent_mints:
            self.sights.popitem(last=False)
        return sight

    # Writing new tokens.

    async def admit(self, tokens: Sequence[Token]) -> set[Mint]:
        """Make the tokens durable and announce them; the mints that had not been there before.

        Waits as long as neither store can be reached; the mailbox behind it is bounded.
        """
        if not tokens:
            return set()
        wait_seconds = RETRY_SECONDS
        while True:
            try:
                stored = await self._store_or_spool(tokens)
                break
            except (StoreUnavailable, BufferUnavailable) as error:
                self.environment.log.error("new tokens wait: no store at all", error=str(error))
                await trio.sleep(wait_seconds)
                wait_seconds = min(wait_seconds * 2, RETRY_LONGEST_SECONDS)
        await self.outboxes.sync.send(TokensAdmitted(tokens=tuple(stored)))
        for token in tokens:
            self._sight(token.mint).is_admitted = True
        for token in stored:
            self._recall(token)
        seen_at = {token.mint: token.first_seen_at for token in tokens}
        fresh = {
            t.mint for t in stored if abs(t.first_seen_at - seen_at[t.mint]) < SAME_SIGHT_SECONDS
        }
        self.counts["admitted"] += len(fresh)
        return fresh

    async def _store_or_spool(self, tokens: Sequence[Token]) -> Sequence[Token]:
        """In Postgres; behind those that wait for it in the spool, as long as Redis is there."""
        if not self.is_spooling:
            try:
                return await self._insert(tokens)
            except StoreUnavailable as error:
                self.environment.log.warning("new tokens go to the spool", error=str(error))
        try:
            await self.doors.buffer.spool(tokens)
        except BufferUnavailable:
            if not self.is_spooling:
                raise  # Postgres has just been tried
            return await self._insert(tokens)  # nothing orders tokens by when they were stored
        self.counts["spooled"] += len(tokens)
        self.is_spooling = True
        self.spool_wanted.set()
        return tokens

    async def _insert(self, tokens: Sequence[Token]) -> Sequence[Token]:
        """Insert what Postgres takes; what it refuses goes to quarantine."""
        with trio.move_on_after(self.settings.commit_timeout_seconds) as scope:
            parts, refused = await write_around_refusals(self._insert_rows, tokens)
        if scope.cancelled_caught:
            raise StoreUnavailable("a group commit of new tokens took too long")
        self.refusals += [self._refusal(token, why) for token, why in refused]
        self.counts["quarantined"] += len(refused)
        await self._quarantine()
        return [token for part in parts for token in part]

    async def _quarantine(self) -> None:
        """Hand over what was refused; while Redis is away it waits for the next insert, and no
        good token waits for it. What is more than can wait stands in the log alone."""
        if not self.refusals:
            return
        waiting, self.refusals = self.refusals, []
        try:
            await self.doors.buffer.quarantine(waiting)
        except BufferUnavailable as error:
            self.refusals = [*waiting, *self.refusals][-MOST_REFUSALS:]
            self.environment.log.warning("the quarantine waits", error=str(error))

    async def _insert_rows(self, tokens: Sequence[Token]) -> Sequence[Token]:
        if not self.is_store_open:
            await self._open_store()
        return await self.doors.store.insert(tokens)

    async def _open_store(self) -> None:
        """Open it, and take up what an earlier life knew: the newest tokens, and their trades."""
        await self.doors.store.open()
        now, most = self.environment.clock(), self.settings.recalled_tokens
        newest_first = await self.doors.store.load(now, most)
        for token in reversed(newest_first):
            self._recall(token)
        self.doors.follow_trades([token.mint for token in newest_first])
        self.is_store_open = True
        self.environment.readiness.set(ORIGIN, None)

    def _refusal(self, token: Token, reason: str) -> Refused:
        self.environment.log.warning("new token quarantined", mint=token.mint, reason=reason)
        identity = {name: getattr(token, name) for name in IDENTITY_FIELDS}
        return Refused(
            mint=token.mint,
            reason=reason,
            refused_at=self.environment.clock(),
            values={name: value for name, value in identity.items() if value is not None},
        )

    async def empty_spool_whenever_wanted(self) -> None:
        """Move spooled tokens to Postgres, for as long and as often as it takes."""
        wait_seconds, was_broken = RETRY_SECONDS, False
        while True:
            # Sync puts tokens back that Redis has lost, so it is worth a look now and then.
            with trio.move_on_after(SPOOL_LOOK_SECONDS):
                await self.spool_wanted.wait()
            self.spool_wanted = trio.Event()
            try:
                await self._empty_spool()
                wait_seconds = RETRY_SECONDS
                if was_broken:
                    was_broken = False
                    self.environment.readiness.set(ORIGIN, None)
            except (StoreUnavailable, BufferUnavailable) as error:
                self.environment.log.info("the spool waits", error=str(error))
                if isinstance(error, StoreNeedsRepair):
                    was_broken = True
                    self.environment.log.error("the store needs repair", error=str(error))
                    self.environment.readiness.set(ORIGIN, str(error))
                self.spool_wanted.set()
                await trio.sleep(wait_seconds)
                wait_seconds = min(wait_seconds * 2, RETRY_LONGEST_SECONDS)

    async def _empty_spool(self) -> None:
        if not self.is_store_open:  # at a start there may be no birth that opens it
            await self._open_store()
        while tokens := await self.doors.buffer.spooled(self.settings.commit_tokens):
            stored = await self._insert(tokens)
            await self.outboxes.sync.send(TokensAdmitted(tokens=tuple(stored)))
            await self.doors.buffer.unspool([token.mint for token in tokens])
            self.environment.log.info("spooled tokens stored", tokens=len(stored))
        self.is_spooling = False
