"""Ingest: what is born goes to Postgres at once, in group commits; the rest goes on as updates.

    SourceEvent -> Ingest -> rows in the store (admission.py), TokensAdmitted, TokenUpdated -> sync
                          -> TradeSeen -> trading
    rows that Postgres refuses -> EntriesQuarantined -> quarantine, and back as BirthReplayed

What an event means stands in intake.py.

New tokens are the one write that does not wait for the flush: an update of a token that Postgres
does not have was the seeds' "Record to update not found". While Postgres is away they wait in
the buffer's spool (spool.py), durable and in order, and are on the feed meanwhile.

A birth waits for its commit beside the loop: other events go on, and what is said of an unborn
token is held until sync has the token.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from attrs import define, field

from actors.ingest.admission import Admission, AdmitDue
from actors.ingest.births import BirthMemory, BirthsDue
from actors.ingest.intake import NAME, Intake, name_origin
from actors.ingest.life import IngestLife, IngestStores
from actors.ingest.memory import IngestMemory
from actors.ingest.news import IngestOutboxes
from actors.ingest.sights import Sights
from actors.ingest.snapshot import IngestSnapshot
from actors.ingest.spool import Spool, SpoolDue, TokensTaken
from buffer.entries import make_birth_entry
from config.settings import IngestSettings
from domain.messages import IngestMessage, TokensAdmitted, TokenUpdated
from domain.outline import TokenOutline
from domain.quarantine import EntriesQuarantined, EntrySettled
from domain.token import Token
from domain.values import Mint
from supervision import Inbox
from supervision.desk import CallEnded, Desk, MailEnded, MailTaken, open_desk
from supervision.environment import Environment

SAME_SIGHT_SECONDS = 0.002  # Postgres keeps microseconds, a float a little less
UNADMITTED_TOKENS = 10_000  # that wait for a store; then no more events are taken


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
    follow_tokens: Callable[[Sequence[TokenOutline]], object] = lambda tokens: None  # older ones
    counts: Counter[str] = field(factory=Counter, init=False)
    sights: Sights = field(init=False)
    intake: Intake = field(init=False)
    admission: Admission = field(init=False)
    spool: Spool = field(init=False)
    births: BirthMemory = field(init=False)
    is_draining: bool = field(default=False, init=False)

    @sights.default
    def _no_sights(self) -> Sights:
        return Sights(self.settings.recent_mints)

    @intake.default
    def _new_intake(self) -> Intake:
        return Intake(
            outboxes=self.outboxes, memory=self.memory, sights=self.sights, counts=self.counts
        )

    async def run(self) -> None:
        """Serve until the sources are closed; what is in hand is admitted before the return."""
        async with open_desk(self.events, self.settings.commit_tokens) as desk:
            self._begin_life(desk)
            while not (self.is_draining and self._is_done()):
                await self._handle_note(await desk.take_note())
                self.admission.admit_next(is_last=self.is_draining)
                desk.takes_mail = len(self.memory.unadmitted) < UNADMITTED_TOKENS

    def _is_done(self) -> bool:
        return self.admission.is_done and self.births.is_done

    def _begin_life(self, desk: Desk) -> None:
        life = IngestLife(
            name=NAME,
            desk=desk,
            stores=self.stores,
            memory=self.memory,
            settings=self.settings,
            environment=self.environment,
            counts=self.counts,
        )
        self.births = BirthMemory(life=life)
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
            overtaken_trades=self.counts["overtaken_trades"],
            migrations=self.counts["migrations"],
            repeated_migrations=self.counts["repeated_migrations"],
            completions=self.counts["completions"],
            pools=self.counts["pools"],
            foreign_pools=self.counts["foreign_pools"],
            spooled=self.counts["spooled"],
            quarantined=self.counts["quarantined"],
            sol_usd=self.memory.sol_price.read(self.environment.clock()),
            **self.intake.tallies.tell(),
        )

    async def _handle_note(self, note: object) -> None:
        match note:
            case MailTaken(messages=events):
                await self.intake.take_events(events)
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
            case BirthsDue():
                self.births.try_again()

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
        self._tell_quarantine(taken)
        self.births.add_births(taken.stored)
        taken.then()

    def _tell_quarantine(self, taken: TokensTaken) -> None:
        """Hand over what Postgres has refused; of a birth that was replayed, tell how it ended."""
        for token, reason in taken.refused:
            self.environment.log.warning("new token quarantined", mint=token.mint, reason=reason)
            self.counts["quarantined"] += 1
            self.memory.replays.pop(token.mint, None)  # it is the same entry again
            refused_at = self.environment.clock()
            entry = make_birth_entry(token, reason=reason, refused_at=refused_at)
            self.outboxes.quarantine.send_nowait(EntriesQuarantined(entries=(entry,)))
        for token in taken.stored:
            if token.id is not None and token.mint in self.memory.replays:
                entry_id = self.memory.replays.pop(token.mint)
                self.outboxes.quarantine.send_nowait(EntrySettled(entry_id=entry_id))

    async def _tell_birth(self, token: Token) -> None:
        birth = self.memory.unadmitted.get(token.mint)
        if birth is not None and birth.values:  # else the token's row says it all
            await self.outboxes.sync.send(
                TokenUpdated(
                    mint=token.mint,
                    observed_at=birth.token.first_seen_at,
                    origin=name_origin(birth.source),
                    values=birth.values,
                )
            )

    async def _tell_held(self, mints: Mapping[Mint, object]) -> None:
        for mint in mints:
            for update in self.memory.held.get(mint, ()):
                await self.outboxes.sync.send(update)
            self.memory.held.pop(mint, None)
            self.memory.unadmitted.pop(mint, None)

    def _recall_tokens(self, newest_first: Sequence[TokenOutline]) -> None:
        """Take up what an earlier life knew: the newest tokens, and their trades."""
        self.sights.recall_tokens(reversed(newest_first))
        self.follow_tokens(newest_first)
