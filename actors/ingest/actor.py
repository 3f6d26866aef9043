"""Ingest: what is born goes to Postgres at once, in group commits; the rest goes on as updates.

    SourceEvent -> Ingest -> rows in the store (admission.py), TokensAdmitted, TokenUpdated -> sync
                          -> TradeSeen -> hot-score

New tokens are the one write that does not wait for the flush: an update of a token that Postgres
does not have was the seeds' "Record to update not found". While Postgres is away they wait in
the buffer's spool (spool.py), durable and in order, and are on the feed meanwhile.

A birth waits for its commit beside the loop: other events go on, and what is said of an unborn
token is held until sync has the token.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from attrs import define, field, frozen

from actors.ingest.admission import Admission, AdmitDue
from actors.ingest.birth import (
    birth_values,
    born_token,
    migration_values,
    pool_values,
    trade_values,
)
from actors.ingest.life import IngestLife, IngestStores
from actors.ingest.memory import Birth, IngestMemory
from actors.ingest.quarantine import Quarantine, QuarantineDue
from actors.ingest.sights import Sight, Sights
from actors.ingest.snapshot import IngestSnapshot
from actors.ingest.spool import Spool, SpoolDue, TokensTaken
from config.settings import IngestSettings
from domain.messages import (
    IngestMessage,
    MigrationSeen,
    PoolCreated,
    SourceEvent,
    SyncMessage,
    TokenCreated,
    TokensAdmitted,
    TokenUpdated,
    TradeSeen,
)
from domain.token import Token, with_birth_source
from domain.values import Mint, Value
from supervision import Inbox, Outbox
from supervision.desk import CallEnded, Desk, MailEnded, MailTaken, open_desk
from supervision.environment import Environment

ORIGIN = "ingest"
POOLS_ORIGIN = "ingest pools"  # their stream looks each one up first, and so runs behind
SAME_SIGHT_SECONDS = 0.002  # Postgres keeps microseconds, a float a little less
UNADMITTED_TOKENS = 10_000  # that wait for a store; then no more events are taken


@frozen(kw_only=True)
class IngestOutboxes:
    sync: Outbox[SyncMessage]
    trades: Outbox[TradeSeen]


@define(kw_only=True)
class Ingest:
    """Admits new tokens and turns every other event into an update."""

    # Messages in.
    events: Inbox[IngestMessage]
    # Messages out.
    outboxes: IngestOutboxes
    # State.
    stores: IngestStores
    memory: IngestMemory
    settings: IngestSettings
    environment: Environment
    follow_trades: Callable[[Sequence[Mint]], object] = lambda mints: None  # of older tokens
    sights: Sights = field(init=False)
    admission: Admission = field(init=False)
    spool: Spool = field(init=False)
    quarantine: Quarantine = field(init=False)
    is_draining: bool = field(default=False, init=False)
    counts: Counter[str] = field(factory=Counter, init=False)

    @sights.default
    def _no_sights(self) -> Sights:
        return Sights(self.settings.recent_mints)

    async def run(self) -> None:
        """Serve until the sources are closed; what is in hand is admitted before the return."""
        async with open_desk(self.events, self.settings.commit_tokens) as desk:
            self._begin_life(desk)
            while not (self.is_draining and self.admission.is_done and self.quarantine.is_done):
                await self._handle_note(await desk.take_note())
                self.admission.admit_next(is_last=self.is_draining)
                desk.takes_mail = len(self.memory.unadmitted) < UNADMITTED_TOKENS

    def _begin_life(self, desk: Desk) -> None:
        life = IngestLife(
            name=ORIGIN,
            desk=desk,
            stores=self.stores,
            memory=self.memory,
            settings=self.settings,
            environment=self.environment,
            counts=self.counts,
        )
        self.quarantine = Quarantine(life=life)
        self.spool = Spool(life=life, recall=self._recall_tokens)
        self.admission = Admission(life=life, spool=self.spool)
        self.spool.look_into()

    def snapshot(self) -> IngestSnapshot:
        return IngestSnapshot(
            recent_mints=len(self.sights.by_mint),
            spooling=self.memory.is_spooling,
            unadmitted=len(self.memory.unadmitted),
            admitted=self.counts["admitted"],
            duplicate_creates=self.counts["duplicate_creates"],
            trades=self.counts["trades"],
            migrations=self.counts["migrations"],
            repeated_migrations=self.counts["repeated_migrations"],
            pools=self.counts["pools"],
            spooled=self.counts["spooled"],
            quarantined=self.counts["quarantined"],
        )

    async def _handle_note(self, note: object) -> None:
        match note:
            case MailTaken(messages=events):
                for event in events:
                    await self._take_event(event)
            case TokensTaken():
                await self._announce_tokens(note)
            case CallEnded():
                note.deliver()
            case MailEnded():
                self.is_draining = True
            case AdmitDue():
                self.admission.try_again()
            case SpoolDue():
                self.spool.look_into()
            case QuarantineDue():
                self.quarantine.try_again()

    # Events.

    async def _take_event(self, event: IngestMessage) -> None:
        if isinstance(event, TokenCreated | PoolCreated):
            self._take_birth(event)
        match event:
            case TradeSeen():
                await self._take_trade(event)
            case MigrationSeen():
                await self._take_migration(event)
            case PoolCreated():
                self.sights.remember_mint(event.mint).is_bonded |= event.is_migration
                await self._send_update(event, pool_values(event))
                self.counts["pools"] += 1

    def _take_birth(self, event: TokenCreated | PoolCreated) -> None:
        """A mint that is neither stored nor on its way there is new."""
        sight = self.sights.find_sight(event.mint)
        if (sight is not None and sight.is_admitted) or event.mint in self.memory.unadmitted:
            self.counts["duplicate_creates"] += isinstance(event, TokenCreated)
            return
        on_curve = not self.sights.is_bonded(event.mint)
        token = born_token(event, on_curve=on_curve)
        token = with_birth_source(token, event.source, event.seen_at)
        values = birth_values(event, on_curve=on_curve) if isinstance(event, TokenCreated) else {}
        self.memory.unadmitted[event.mint] = Birth(token=token, values=values)
        self.sights.remember_mint(event.mint).total_supply = token.total_supply

    async def _take_trade(self, event: TradeSeen) -> None:
        sight = self.sights.find_sight(event.mint) or Sight()
        values = trade_values(
            event, on_curve=sight.is_on_curve(event), total_supply=sight.total_supply
        )
        await self._send_update(event, values)
        self.outboxes.trades.send_nowait(event)
        self.counts["trades"] += 1

    async def _take_migration(self, event: MigrationSeen) -> None:
        sight = self.sights.remember_mint(event.mint)
        if sight.is_bonded:  # told again, it would look as if it were later
            self.counts["repeated_migrations"] += 1
            return
        sight.is_bonded = True
        await self._send_update(event, migration_values(event))
        self.counts["migrations"] += 1

    async def _send_update(self, event: SourceEvent, values: Mapping[str, Value]) -> None:
        """Tell sync what an event says; where its token is unadmitted, once it is admitted."""
        origin = POOLS_ORIGIN if isinstance(event, PoolCreated) else ORIGIN
        update = TokenUpdated(
            mint=event.mint, observed_at=event.seen_at, origin=origin, values=values
        )
        if event.mint in self.memory.unadmitted:
            self.memory.hold_update(update)
        else:
            await self.outboxes.sync.send(update)

    # Births that a store has taken.

    async def _announce_tokens(self, taken: TokensTaken) -> None:
        """Tell sync of the tokens, and then what was held for them."""
        if taken.stored:
            await self.outboxes.sync.send(TokensAdmitted(tokens=tuple(taken.stored)))
        seen_at = {token.mint: token.first_seen_at for token in taken.offered}
        for mint in seen_at:
            self.sights.remember_mint(mint).is_admitted = True
        for token in taken.stored:
            self.sights.remember_token(token)
        for token in taken.stored if not taken.is_from_spool else ():
            # Another time of first sight is that of an earlier birth of the same mint.
            if abs(token.first_seen_at - seen_at[token.mint]) < SAME_SIGHT_SECONDS:
                self.counts["admitted"] += 1
                await self._tell_birth(token)
        await self._tell_held(seen_at)
        self.quarantine.add_refused(taken.refused)
        taken.then()

    async def _tell_birth(self, token: Token) -> None:
        birth = self.memory.unadmitted.get(token.mint)
        if birth is not None and birth.values:  # else the token's row says it all
            await self.outboxes.sync.send(
                TokenUpdated(
                    mint=token.mint,
                    observed_at=birth.token.first_seen_at,
                    origin=ORIGIN,
                    values=birth.values,
                )
            )

    async def _tell_held(self, mints: Mapping[Mint, object]) -> None:
        for mint in mints:
            for update in self.memory.held.get(mint, ()):
                await self.outboxes.sync.send(update)
            self.memory.held.pop(mint, None)
            self.memory.unadmitted.pop(mint, None)

    def _recall_tokens(self, newest_first: Sequence[Token]) -> None:
        """Take up what an earlier life knew: the newest tokens, and their trades."""
        for token in reversed(newest_first):
            self.sights.remember_token(token)
        self.follow_trades([token.mint for token in newest_first])
