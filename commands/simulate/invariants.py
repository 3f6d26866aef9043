"""What must hold at every moment of a simulation, whatever goes wrong.

    InvariantWatch -> violations, each with its number in the list of invariants

1 only ingest and sync call Postgres; 2 a birth is stored and shown within 250 ms while all is well;
3 nothing is shown that a crash of the process could lose; 4 in the end Postgres has what was shown
last, and no older value ever replaces a newer one; 5 a flush writes no more rows than tokens have
changed; 7 while idle nobody upstream is asked; 8 mailboxes are bounded and their accounts balance;
9 no actor fails but those that a fault crashes; 10 folded deltas are the board (clients.py); 11 a
drain ends in time; 13 what it says of itself (ready, away) is so. 12 is the trace's hash. Calls are
checked by call_watch.py (5, 6), what is shown by feed_watch.py, processes by service_watch.py.
"""

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any

import orjson
import trio
from attrs import define, field, frozen

from buffer.codec import decode_token, encode_values
from buffer.memory_data import Field, Fields
from commands.simulate.faults import DISTURBING_KINDS, LOSING_KINDS, Fault
from commands.simulate.outside import Universe
from domain.lifecycle import CURVE_FIELDS
from domain.messages import TokenCreated, TokensPublished, TokenUpdated
from domain.precision import floor_time, round_value
from domain.token import (
    FIELDS,
    GREATEST_WINS,
    STATUS_FIELDS,
    UPDATE_FIELDS,
    Group,
    Status,
    Token,
)
from domain.values import Mint, UnixSeconds, Value
from store.columns import convert_values
from supervision.mailbox import Mailbox

BIRTH_SECONDS = 0.25
BIRTH_PERCENTILE = 0.99
PUT_BACK_SECONDS = 20.0  # until the process has given Redis again what it lost
REGAINED_SECONDS = 900.0  # until Postgres has again what it lost, also where nobody looks
LATEST_BIRTH_SECONDS = 60.0
LATEST_IDLE_SECONDS = 330.0  # beyond the setting: until the next census tells who is there
SEVERAL = "several"  # of values that more than one origin has told: the later source time wins
UNCLEAR = GREATEST_WINS | frozenset(STATUS_FIELDS)  # fields of which the last told need not win
BEGUN_SECONDS = 5.0  # of a run of a job that the idle time interrupts
MOST_RETURNED = 1_000  # messages in hand, or put back by a crash, on top of a full mailbox
DRAINED_SECONDS = 10.0  # how long a drain may take
STARTED_SECONDS = 10.0  # of a process, until its actors run as usual
SETTLED_SECONDS = 60.0  # after a fault has ended: what it has upset is well again
# Of descriptions and links Postgres keeps as many as `sync.profile_rows_per_hour` allows.
KEPT_FIELDS = tuple(name for name in UPDATE_FIELDS if FIELDS[name].group is not Group.PROFILE)


@frozen
class Told:
    """What an actor has observed of one field of a token, on its way to sync."""

    value: Value
    origin: str
    at: float  # trio time


@define(kw_only=True)
class InvariantWatch:
    """Sees everything that happens, and says what must not."""

    universe: Universe
    report: Callable[[str], object]
    troubled_until: float = field(default=0.0, init=False)  # trio time; of faults that matter
    shown: dict[Mint, Token] = field(factory=dict, init=False)  # as the gateway was last told
    born: dict[Mint, float] = field(factory=dict, init=False)  # when ingest was told, in calm
    latencies: list[float] = field(factory=list, init=False)  # births until they are shown
    newest: dict[Mint, float] = field(factory=dict, init=False)  # observed_at in Postgres
    told: dict[tuple[Mint, str], Told] = field(factory=dict, init=False)  # what sync was told last
    losing_until: float = field(default=0.0, init=False)  # trio time: Redis loses what it holds
    regained_until: float = field(default=-inf, init=False)  # trio time: Postgres lacks commits
    wall_read: float = field(default=0.0, init=False)  # the steady clock's last reading
    excused: set[Mint] = field(factory=set, init=False)  # what two faults have truly lost
    postgres_troubled_until: float = field(default=0.0, init=False)  # trio time
    disturbed_until: float = field(default=0.0, init=False)  # trio time; actors do not run as usual
    idle_since: float = field(default=inf, init=False)  # trio time
    active_since: float = field(default=inf, init=False)  # trio time
    idled_seconds: float = field(default=0.0, init=False)  # before the last activation
    empty_since: float = field(default=0.0, init=False)  # no client, and not idle; trio time

    @property
    def is_calm(self) -> bool:
        return trio.current_time() > self.troubled_until

    def note_fault(self, fault: Fault) -> None:
        """A fault begins, after which delays and gaps are to be expected for a while."""
        ends_at = trio.current_time() + fault.lasts_seconds
        self.troubled_until = max(self.troubled_until, ends_at + SETTLED_SECONDS)
        if fault.kind in LOSING_KINDS:
            self.losing_until = max(self.losing_until, ends_at + PUT_BACK_SECONDS)
        if fault.kind.value.startswith("postgres-"):
            self.postgres_troubled_until = max(self.postgres_troubled_until, ends_at)
        if fault.kind in DISTURBING_KINDS:
            self.disturbed_until = max(self.disturbed_until, ends_at + SETTLED_SECONDS)

    @property
    def is_postgres_troubled(self) -> bool:
        """True while a drain may find no store that takes what is left, or has lately."""
        return trio.current_time() <= self.postgres_troubled_until + DRAINED_SECONDS

    @property
    def is_disturbed(self) -> bool:
        """True while an actor or a process may just have begun, or been held up."""
        return trio.current_time() <= self.disturbed_until

    @property
    def is_losing(self) -> bool:
        """True while Redis may not hold what the process would put back."""
        return trio.current_time() <= self.losing_until

    def note_commits_lost(self) -> None:
        """Postgres is a replica that lagged: what it had may be older, until it has all again."""
        self.newest.clear()
        self.regained_until = trio.current_time() + REGAINED_SECONDS
        self.troubled_until = max(self.troubled_until, self.regained_until)

    # What ingest is told, and what the gateway is.

    def note_event(self, event: object) -> None:
        if isinstance(event, TokenCreated) and event.mint not in self.shown:
            self.born.setdefault(event.mint, trio.current_time())

    def note_update(self, message: object) -> None:
        if isinstance(message, TokenUpdated):
            now = trio.current_time()
            for name, value in message.values.items():
                known = self.told.get((message.mint, name))
                is_one_origin = known is None or known.origin == message.origin
                origin = message.origin if is_one_origin else SEVERAL
                self.told[message.mint, name] = Told(value, origin, now)

    def note_shown(self, message: object) -> None:
        if isinstance(message, TokensPublished):
            for token in message.tokens.values():
                self._note_token(token)

    def _note_token(self, token: Token) -> None:
        self._require_growth(token)
        self.excused.discard(token.mint)
        self._note_birth(token)
        if self.is_calm:
            self._require_durable(token)
        self.shown[token.mint] = token

    def _note_birth(self, token: Token) -> None:
        born_at = self.born.pop(token.mint, inf)
        if self.is_calm and self.troubled_until < born_at < inf:
            self.latencies.append(trio.current_time() - born_at)

    def _require_growth(self, token: Token) -> None:
        """What only grows never falls, unless two faults have truly lost it (invariant 4)."""
        before = self.shown.get(token.mint)
        for name in GREATEST_WINS if before and token.mint not in self.excused else ():
            if getattr(token, name) < getattr(before, name):
                self.report(f"4: {name} of {token.mint} has fallen to {getattr(token, name)!r}")

    def _require_durable(self, token: Token) -> None:
        """What is shown stands in Postgres, or waits in Redis (invariant 3)."""
        lost = self._find_lost(token)
        if lost is not None:
            self.report(f"3: {lost} of {token.mint} is shown, and stands nowhere")

    def _find_lost(self, token: Token) -> str | None:
        """The first value that no store has; None: all of them stand somewhere."""
        if token.mint in self.universe.refused:  # it may stand in quarantine (books.py)
            return None
        stored = self.universe.database.tokens.get(token.mint)
        data = self.universe.redis.data
        has_memory = trio.current_time() <= self.regained_until  # what Redis remembers counts
        row = data.spool.rows.get(token.mint) or (has_memory and data.births.get(token.mint))
        if stored is None and not row:
            return "the birth"
        spooled = decode_token(orjson.loads(row)) if row else None
        fields = data.tokens.get(token.mint, Fields())
        waiting = fields.by_name if has_memory else fields.unflushed()
        for name, value in list_values(token).items():
            held = waiting.get(name)
            if held is not None and _stands_in(held, name, token):
                continue
            if not _is_stored(stored or spooled, name, value):
                return f"{name}={value!r}"
        return None

    def note_activity(self, *, is_active: bool) -> None:
        now = trio.current_time()
        if is_active:
            self.idled_seconds = self.count_idle_seconds()
        self.idle_since, self.active_since = (inf, now) if is_active else (now, inf)

    def count_idle_seconds(self) -> float:
        """How long the system has been idle; 0 while it is active."""
        return max(0.0, trio.current_time() - self.idle_since)

    def count_active_seconds(self) -> float:
        """How long the system has been active; 0 while it is idle."""
        return max(0.0, trio.current_time() - self.active_since)

    def note_provider_call(self, provider: str) -> None:
        """While idle nobody upstream is asked, but for a request that was begun (invariant 7)."""
        idle_seconds = self.count_idle_seconds()
        if idle_seconds > BEGUN_SECONDS:
            self.report(f"7: {provider} was asked after {idle_seconds:.0f} idle seconds")

    # Now and then.

    def check_mailboxes(self, mailboxes: Iterable[Mailbox[Any]]) -> None:
        """Every mailbox is bounded, and its accounts balance (invariant 8)."""
        for box in mailboxes:
            if box.miscount:
                self.report(f"8: the accounts of mailbox {box.name} are off by {box.miscount}")
            if box.depth > box.capacity + MOST_RETURNED:
                self.report(f"8: {box.depth} messages in mailbox {box.name}")

    def note_start(self) -> None:
        """A process begins: it has a clock of its own, and counts its start as a sign of life.

        What the one before was told on its way to a store went with it, and so did its watchers.
        """
        self.wall_read, self.empty_since = 0.0, trio.current_time()
        self.idle_since = self.active_since = inf
        self.disturbed_until = max(self.disturbed_until, trio.current_time() + STARTED_SECONDS)
        self.told.clear()
        self.born.clear()

    def note_death(self) -> None:
        """The process dies: what Redis has lost and it had not put back yet is lost for good.

        Of a hash that is lost it learns by the next append or flush of its token.
        """
        for mint, token in self.shown.items():
            lost = self._find_lost(token)
            if lost is not None and (self.is_losing or self.universe.redis.lacks_hash(mint)):
                self.excused.add(mint)
            elif lost is not None:
                self.report(f"3: {lost} of {mint} stands nowhere when the process dies")

    def check_clock(self, now: float) -> None:
        """The clock of a process never goes back."""
        if now < self.wall_read:
            self.report(f"4: the clock went back by {self.wall_read - now:.3f} s")
        self.wall_read = now

    def check_births(self) -> None:
        """Every birth reaches a store within seconds while Redis answers (invariant 2)."""
        now = trio.current_time()
        for mint, born_at in list(self.born.items()):
            if now - max(born_at, self.losing_until) > LATEST_BIRTH_SECONDS:
                del self.born[mint]
                if not self._has_place(mint):
                    self.report(f"2: {mint} was told {now - born_at:.0f} s ago, and is not shown")

    def _has_place(self, mint: Mint) -> bool:
        return mint in self.universe.database.tokens or mint in self.universe.refused

    def check_idleness(self, clients: int, idle_after_seconds: float) -> None:
        """Without any client the system goes idle in time (invariant 7)."""
        now = trio.current_time()
        if clients or self.idle_since < inf:
            self.empty_since = now
        elif now - self.empty_since > idle_after_seconds + LATEST_IDLE_SECONDS:
            self.report("7: the system is not idle although everybody is gone")
            self.empty_since = now

    def check_database(self) -> None:
        """No older value replaces a newer one (invariant 4)."""
        for mint, token in self.universe.database.tokens.items():
            observed_at = token.last_updated_at or token.first_seen_at
            if observed_at < self.newest.get(mint, -inf):
                self.report(f"4: {mint} went back to what was observed at {observed_at}")
            self.newest[mint] = observed_at

    # In the end.

    def check_end(self) -> None:
        """Postgres has the last value of everything that was shown (invariants 2 and 4)."""
        for mint, token in self.shown.items():
            stored = self.universe.database.tokens.get(mint)
            if mint in self.excused or mint in self.universe.refused:
                continue
            if stored is None:
                self.report(f"4: {mint} was shown, and is not in Postgres")
                continue
            for name, value in list_values(token).items():
                if not _is_stored(stored, name, value):
                    self.report(
                        f"4: {name} of {mint} was {value!r} at the end, "
                        f"Postgres has {getattr(stored, name)!r}"
                    )
                    break
            self._require_told(token)
        self._check_latencies()

    def _require_told(self, token: Token) -> None:
        """What was told last is shown in the end, however often a store had not answered."""
        for name in KEPT_FIELDS:
            told = self.told.get((token.mint, name))
            is_clear = told is not None and told.origin is not SEVERAL and name not in UNCLEAR
            if is_clear and told is not None:
                expected, shown = round_value(name, told.value), getattr(token, name)
                if shown != expected and not (
                    token.status is Status.BONDED and name in CURVE_FIELDS
                ):
                    self.report(f"4: {name} of {token.mint} is {shown!r}, told was {expected!r}")
                    return

    def _check_latencies(self) -> None:
        late = sorted(self.latencies)
        if late and late[int(BIRTH_PERCENTILE * (len(late) - 1))] > BIRTH_SECONDS:
            self.report(f"2: births were shown after {late[-1]:.3f} s while all was well")


def list_values(token: Token) -> dict[str, Value]:
    """What is known of a token and is kept in Postgres."""
    values = {name: getattr(token, name) for name in KEPT_FIELDS}
    return {name: value for name, value in values.items() if value is not None}


def _stands_in(held: Field, name: str, token: Token) -> bool:
    """True where the buffer has the value, or a later one in its place.

    A token that is admitted while an append is under way is shown as of before that append.
    """
    is_later = token.last_updated_at is not None and held.observed_at >= token.last_updated_at
    return is_later or held.text == encode_values({name: getattr(token, name)})[0]


def _is_stored(stored: Token | None, name: str, value: Value) -> bool:
    if stored is None:
        return False
    kept = getattr(stored, name)
    if kept == value:
        return True
    return kept is not None and _round_as_stored(name, value) == _round_as_stored(name, kept)


def _round_as_stored(name: str, value: Value) -> Value:
    converted: Mapping[str, Value] = convert_values({name: value})
    kept = converted[name]
    return floor_time(UnixSeconds(float(kept))) if FIELDS[name].is_time else kept
