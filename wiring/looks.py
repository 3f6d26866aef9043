"""The process at one moment, as the history and the operators' page are told of it.

    dump, governor, ledger, checkpoints, readiness, quarantine  ->  LookTaker  ->  Look

What the old design would have written is modelled, not measured: one UPDATE in a transaction of its
own for each update that was news, whether or not a later one took its place before sync read it,
and one INSERT for each new token. `token-discovery storm` runs both designs on a real server.
"""

from collections import deque
from collections.abc import Callable, Iterator
from math import ceil
from typing import TypeVar

from attrs import define, field, frozen

from actors.gateway import GatewaySnapshot
from actors.ingest.snapshot import IngestSnapshot
from actors.quarantine.book import QuarantineBook
from actors.sync.snapshots import GovernorSnapshot, SyncSnapshot
from domain.operations import Look, Mark
from domain.snapshots import Snapshot
from domain.values import UnixSeconds
from sources.line import LineSnapshot
from store.checkpoints import CheckpointsSnapshot, ObservedCheckpoints
from store.ledger import NO_COMMITS, LedgerSnapshot
from supervision.dump import Dump, MailboxDump
from supervision.readiness import Readiness
from wiring.facts import RECENT_SECONDS, Facts
from wiring.problems import find_problems

SAMPLE_SECONDS = 15.0  # between two sets of counters that are remembered
PULSE_BORNE_SECONDS = 30.0  # three pulses: an older one says nothing of now
PACES = 4  # the governor's share is told in quarters
STORES = frozenset({"postgres", "redis"})
OWN = ("ingest", "sync")  # of the ledger's components; the others write through the view
Counters = dict[str, float]
Parts = dict[str, tuple[float, ...]]
Told = TypeVar("Told", bound=Snapshot)


@frozen(kw_only=True)
class LookSources:
    """Where a look comes from; each call is cheap, and answered from memory."""

    dump: Callable[[], Dump]
    governor: Callable[[], GovernorSnapshot]
    ledger: Callable[[], LedgerSnapshot]
    checkpoints: Callable[[], CheckpointsSnapshot]
    quarantine: QuarantineBook
    readiness: Readiness
    has_started: Callable[[], bool]


@define(kw_only=True)
class LookTaker:
    """Takes looks, and remembers the counters of ten minutes for what is wrong lately."""

    sources: LookSources
    clock: Callable[[], UnixSeconds]
    # Oldest first: the set that has left the ten minutes last, and those within them.
    samples: deque[tuple[UnixSeconds, Counters]] = field(factory=deque, init=False)
    away_at: UnixSeconds | None = field(default=None, init=False)  # a store, or the start
    admitted: float = field(default=0.0, init=False)
    admitted_at: UnixSeconds | None = field(default=None, init=False)

    def take_look(self) -> Look:
        """The process now."""
        sources, now = self.sources, self.clock()
        dump, governor, checkpoints = sources.dump(), sources.governor(), sources.checkpoints()
        counters = {**_count_events(dump), **_count_writes(sources.ledger(), checkpoints)}
        facts = Facts(
            now=now,
            has_started=sources.has_started(),
            is_draining=dump.process.is_draining,
            reasons=sources.readiness.reasons(),
            outages=sources.readiness.outages(),
            dump=dump,
            governor=governor,
            checkpoints=checkpoints,
            quarantine=sources.quarantine,
            recent=self._note_counters(now, _count_troubles(dump, sources.quarantine)),
            stores_well_seconds=self._measure_wellness(now),
            births_silent_seconds=self._measure_silence(now, counters),
        )
        return Look(
            at=now,
            problems=find_problems(facts),
            gauges=dict(_measure_gauges(dump, governor, checkpoints)),
            counters=counters,
            marks=_mark_states(dump, governor),
        )

    def _note_counters(self, now: UnixSeconds, counters: Counters) -> Counters:
        """How far each counter has come within ten minutes.

        One that was not there before has come that far: it begins with its actor. One that is
        lower than before began anew.
        """
        if not self.samples or now - self.samples[-1][0] >= SAMPLE_SECONDS:
            self.samples.append((now, counters))
        while len(self.samples) > 1 and self.samples[1][0] <= now - RECENT_SECONDS:
            self.samples.popleft()
        _, before = self.samples[0]
        grown: Counters = {}
        for name, count in counters.items():
            first = before.get(name, 0.0)
            if more := (count - first if count >= first else count):
                grown[name] = more
        return grown

    def _measure_wellness(self, now: UnixSeconds) -> float:
        """For how long no store has been away."""
        if self.away_at is None or STORES & self.sources.readiness.list_away():
            self.away_at = now
        return now - self.away_at

    def _measure_silence(self, now: UnixSeconds, counters: Parts) -> float:
        """For how long no new token was admitted."""
        admitted = sum(counters.get("new_tokens_per_second", ()))
        if self.admitted_at is None or admitted != self.admitted:
            self.admitted, self.admitted_at = admitted, now
        return now - self.admitted_at


# Counters: of troubles, and of series.


def _count_troubles(dump: Dump, quarantine: QuarantineBook) -> Counters:
    counters: Counters = {
        "stalls": dump.event_loop.stalls,
        "lost entries": quarantine.counts["dropped"],
    }
    for box in dump.mailboxes:
        counters[f"dropped {box.name}"] = box.dropped
    for actor in dump.actors:
        counters[f"restarts {actor.name}"] = actor.restarts
        match actor.summary:
            case LineSnapshot():
                for fact in ("received", "refused"):
                    told = getattr(actor.summary, fact, {})
                    counters[f"{fact} {actor.name}"] = sum(told.values())
            case SyncSnapshot(failed_flushes=failed, lost=lost, put_back=put_back):
                counters |= {"failed flushes": failed, "lost values": lost + put_back}
            case GatewaySnapshot(connections_refused=refused):
                counters["refused clients"] = sum(refused.values())
    return counters


def _count_events(dump: Dump) -> Parts:
    boxes = {box.name: box for box in dump.mailboxes}
    parts: Parts = {
        "dropped_messages": tuple(box.dropped for box in dump.mailboxes),
        "cpu_share": (dump.process.cpu_seconds,),
    }
    if "ingest" in boxes:
        parts["events_per_second"] = (boxes["ingest"].sent,)
    ingest, sync = _find(dump, IngestSnapshot), _find(dump, SyncSnapshot)
    if ingest is not None:
        parts["new_tokens_per_second"] = (ingest.admitted,)
    if sync is not None:
        parts["updates_per_second"] = (sync.appended,)
    if ingest is not None and sync is not None:
        replaced = boxes["sync"].conflated if "sync" in boxes else 0
        parts["rows_before_per_second"] = (ingest.admitted, sync.appended, replaced)
    return parts


def _count_writes(ledger: LedgerSnapshot, checkpoints: CheckpointsSnapshot) -> Parts:
    own = [ledger.totals.get(component, NO_COMMITS) for component in OWN]
    parts: Parts = {
        "rows_per_second": tuple(account.rows for account in own),
        "own_wal_bytes_per_second": tuple(account.wal_bytes for account in own),
    }
    if isinstance(checkpoints, ObservedCheckpoints):
        parts["checkpoints_timed"] = (checkpoints.timed,)
        parts["checkpoints_requested"] = (checkpoints.requested,)
        parts["checkpoint_seconds"] = (checkpoints.checkpoint_seconds,)
    return parts


# Gauges, and what becomes an event when it changes.


def _measure_gauges(
    dump: Dump, governor: GovernorSnapshot, checkpoints: CheckpointsSnapshot
) -> Iterator[tuple[str, float]]:
    yield "fullest_mailbox_share", max((_share_of(box) for box in dump.mailboxes), default=0.0)
    yield "held_back_rows", governor.held_back
    ages = (each.seconds for each in governor.staleness.values())
    yield "oldest_unflushed_seconds", max(ages, default=0.0)
    if dump.process.memory_bytes is not None:
        yield "memory_bytes", dump.process.memory_bytes
    if (sync := _find(dump, SyncSnapshot)) is not None:
        yield "unflushed_tokens", sync.unflushed
    if (gateway := _find(dump, GatewaySnapshot)) is not None:
        yield "clients", gateway.clients
    if isinstance(checkpoints, ObservedCheckpoints):
        rate = checkpoints.wal_bytes_per_second
        is_new = dump.process.taken_at - checkpoints.at < PULSE_BORNE_SECONDS  # none while idle
        if rate is not None and is_new:
            yield "server_wal_bytes_per_second", rate


def _share_of(box: MailboxDump) -> float:
    """How full it is; one with a single place says nothing by being full."""
    # What is in hand counts as depth, so that it may be more than there is room for.
    return min(1.0, box.depth / box.capacity) if box.capacity > 1 else 0.0


def _mark_states(dump: Dump, governor: GovernorSnapshot) -> dict[str, Mark]:
    share = ceil(governor.share * PACES) / PACES
    is_draining = dump.process.is_draining
    marks = {
        "draining": Mark("service", is_draining, "The service is stopping: it drains."),
        "pace": Mark("pace", share, f"The governor allows {share:.0%} of the budget."),
        "budget": Mark("pace", repr(governor.budget), _describe_budget(governor)),
    }
    for actor in dump.actors:
        error = f": {actor.last_error}" if actor.last_error else ""
        words = f"{actor.name} was restarted{error}." if actor.restarts else ""
        marks[f"restarts {actor.name}"] = Mark("restart", actor.restarts, words)
    if (gateway := _find(dump, GatewaySnapshot)) is not None:
        words = "The boards began another numbering: clients get whole snapshots."
        marks["epoch of the boards"] = Mark("epoch", gateway.epoch, words)
    if (sync := _find(dump, SyncSnapshot)) is not None:
        put_back = sync.put_back
        words = "Redis had lost data, and was given back what is known." if put_back else ""
        marks["epoch of redis"] = Mark("epoch", put_back, words)
        words = "Postgres had lost commits, which are written again." if sync.lost_values else ""
        marks["epoch of postgres"] = Mark("epoch", sync.lost_values + sync.lost_births, words)
    return marks


def _describe_budget(governor: GovernorSnapshot) -> str:
    budget = governor.budget
    return (
        f"The governor's budget is {budget.wal_bytes_per_second:,.0f} WAL bytes a second and"
        f" {budget.rows_per_hour:,.0f} rows an hour now."
    )


def _find(dump: Dump, kind: type[Told]) -> Told | None:
    """What the actor tells that tells this kind of snapshot."""
    return next((a.summary for a in dump.actors if isinstance(a.summary, kind)), None)
