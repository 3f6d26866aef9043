"""What is wrong, in words: each rule on the snapshots of a whole service on twins."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import Factory, define, evolve
from trio.testing import MockClock

from actors.quarantine.book import QuarantineBook
from actors.sync.snapshots import GovernorSnapshot, StalenessSnapshot, SyncSnapshot
from buffer.entries import make_message_entry
from domain.messages import SystemIdled, TokenUpdated
from domain.operations import SERIES, SEVERITIES, Look, Problem
from domain.quarantine import ParkedUpdate
from domain.snapshots import replace_fields
from domain.token import Status
from feed.markdown import make_anchor
from feed.runbook import FILE
from store.checkpoints import CheckpointsSnapshot, CheckpointWatch
from store.ledger import Ledger
from store.memory_database import UNTROUBLED
from supervision.dump import ActorDump, Dump
from supervision.failures import Failure
from supervision.readiness import Readiness
from supervision.supervisor import Supervisor
from tests.unit.actors.service_world import ServiceWorld
from tests.unit.actors.world import Log, at, clock, mint
from wiring import problems
from wiring.facts import Facts
from wiring.looks import LookSources, LookTaker
from wiring.outage_words import OUTAGES

MINUTES = 60.0


def new_readiness() -> Readiness:
    return Readiness(["sync"], on_first_ready=lambda: None, clock=clock, log=Log().logger)


@define
class Taken:
    """A look taker over a service, whose snapshots a test changes on their way."""

    supervisor: Supervisor
    looks: LookTaker = Factory(lambda self: self.new_looks(), takes_self=True)
    readiness: Readiness = Factory(new_readiness)
    quarantine: QuarantineBook = Factory(QuarantineBook)
    watch: CheckpointWatch = Factory(lambda: CheckpointWatch(clock))
    change_dump: Callable[[Dump], Dump] = lambda dump: dump
    change_governor: dict[str, Any] = Factory(dict)
    has_started: bool = True

    def __attrs_post_init__(self) -> None:
        self.readiness.set("sync", None)

    def new_looks(self) -> LookTaker:
        return LookTaker(
            sources=LookSources(
                dump=lambda: self.change_dump(self.supervisor.take_dump()),
                governor=self.take_governor,
                ledger=Ledger(clock=clock).snapshot,
                checkpoints=self.take_checkpoints,
                quarantine=None,  # type: ignore[arg-type]  # below
                readiness=None,  # type: ignore[arg-type]
                has_started=lambda: self.has_started,
            ),
            clock=clock,
        )

    def take_checkpoints(self) -> CheckpointsSnapshot:
        return self.watch.snapshot()

    def take_governor(self) -> GovernorSnapshot:
        summaries = [actor.summary for actor in self.supervisor.take_dump().actors]
        [sync] = [each for each in summaries if isinstance(each, SyncSnapshot)]
        return replace_fields(sync.governor, **self.change_governor)

    def look(self) -> Look:
        sources = self.looks.sources
        self.looks.sources = evolve(sources, quarantine=self.quarantine, readiness=self.readiness)
        return self.looks.take_look()

    def find(self, severity: str, subject: str, kind: str) -> Problem:
        """The only problem there is: it must be this one."""
        [problem] = self.look().problems
        assert (severity, subject, kind) == (problem.severity, problem.subject, problem.kind)
        return problem

    def change_actor(self, name: str, **fields: Any) -> None:
        def change(dump: Dump) -> Dump:
            actors = tuple(
                replace_fields(actor, **_fields_for(actor, fields)) if actor.name == name else actor
                for actor in dump.actors
            )
            return replace_fields(dump, actors=actors)

        self.change_dump = change


def _fields_for(actor: ActorDump, fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of the actor as they are, `summary` as changes of its summary's."""
    changes = dict(fields)
    if "summary" in changes:
        assert actor.summary is not None
        changes["summary"] = replace_fields(actor.summary, **changes["summary"])
    return changes


class Served:
    """A service that has run for some seconds, as a context."""

    def __init__(self) -> None:
        self.world = ServiceWorld()

    async def __aenter__(self) -> Taken:
        self.serving = self.world.serving()
        supervisor = await self.serving.__aenter__()
        await trio.sleep(20)
        return Taken(supervisor)

    async def __aexit__(self, *error: Any) -> None:
        await self.serving.__aexit__(*error)


async def test_nothing_is_wrong_with_a_service_that_is_well(autojump_clock: MockClock) -> None:
    async with Served() as taken:
        assert [] == list(taken.look().problems)


async def test_a_look_measures_only_series_that_there_are(autojump_clock: MockClock) -> None:
    async with Served() as taken:
        taken.watch.observe(UNTROUBLED, 0.0)
        taken.watch.observe(UNTROUBLED, 10.0)
        look = taken.look()
    measured = {*look.gauges, *look.counters, "loop_lag_seconds", "problems"}
    assert {*SERIES} == measured | ({"clients"} - measured)  # no gateway is among these
    kinds = {name: SERIES[name].kind for name in look.counters}
    assert {"rate", "count"} == set(kinds.values())
    assert {"gauge"} == {SERIES[name].kind for name in look.gauges}


@pytest.mark.parametrize("name", [*OUTAGES, "pumpportal", "images"])
async def test_what_is_away_is_told_with_its_reason_and_since_when(
    autojump_clock: MockClock, name: str
) -> None:
    async with Served() as taken:
        taken.readiness.report_outage(name, "sync", "connection refused")
        await trio.sleep(5)
        [problem] = taken.look().problems
        assert (name, "away", at(20)) == (problem.subject, problem.kind, problem.since)
        assert problem.what.endswith("(connection refused).")
        taken.readiness.report_outage(name, "sync", None)
        assert [] == list(taken.look().problems)


async def test_the_worst_stands_first(autojump_clock: MockClock) -> None:
    async with Served() as taken:
        for name in ("silent tokens", "pumpportal", "redis"):
            taken.readiness.report_outage(name, "sync", "why")
        severities = [problem.severity for problem in taken.look().problems]
    assert list(SEVERITIES) == severities


async def test_what_does_not_serve_is_critical_unless_it_starts(autojump_clock: MockClock) -> None:
    async with Served() as taken:
        taken.readiness.set("sync", "not yet")
        assert taken.find("critical", "sync", "not ready").what.endswith("sync says: not yet.")
        taken.has_started = False
        taken.find("notice", "sync", "not ready")


async def test_an_actor_that_waits_for_its_next_start_is_down(autojump_clock: MockClock) -> None:
    failure = Failure(type="ValueError", message="oh", origin="", frames=(), at=at(0))
    async with Served() as taken:
        taken.change_actor("trading", state="backing-off", last_error=failure)
        problem = taken.find("critical", "trading", "down")
    assert "trading does not run: ValueError: oh." == problem.what


async def test_a_restart_is_a_problem_for_ten_minutes(autojump_clock: MockClock) -> None:
    async with Served() as taken:
        taken.look()
        taken.change_actor("trading", restarts=1)
        what = taken.find("warning", "trading", "restarts").what
        assert "trading was restarted once in the last ten minutes." == what
        for _ in range(41):
            await trio.sleep(15)
            found = taken.look().problems
        assert [] == [problem for problem in found if problem.subject == "trading"]


async def test_changes_that_are_events_have_their_words(autojump_clock: MockClock) -> None:
    failure = Failure(type="ValueError", message="oh", origin="a.py:1", frames=(), at=at(0))
    async with Served() as taken:
        before = taken.look().marks
        assert ("", "") == (before["restarts trading"].words, before["epoch of redis"].words)
        taken.change_actor("trading", restarts=1, last_error=failure)
        mark = taken.look().marks["restarts trading"]
        assert ("restart", 1) == (mark.kind, mark.value)
        assert "trading was restarted: ValueError: oh (a.py:1)." == mark.words
        taken.change_governor = {"share": 0.3}
        assert "The governor allows 50% of the budget." == taken.look().marks["pace"].words


async def test_a_full_mailbox_is_told_with_its_depth(autojump_clock: MockClock) -> None:
    world = ServiceWorld()
    taken = Taken(world.supervisor())  # none of its actors reads
    for number in range(50_000):
        update = TokenUpdated(
            mint=mint(number), origin="test", observed_at=at(0), values={"status": Status.NEW}
        )
        world.mailboxes.updates.send_nowait(update)
    taken.change_governor = {}
    [actor] = [child for child in taken.supervisor.children if child.spec.name == "sync"]
    actor.actor = actor.spec.build_actor()
    taken.supervisor.children[:] = [actor]
    problem = taken.find("warning", "mailbox sync", "near its bound")
    assert "The mailbox sync is full: 50,000 of 50,000 messages, the oldest 0 s old." == (
        problem.what
    )


async def test_a_mailbox_with_one_place_is_never_near_its_bound(autojump_clock: MockClock) -> None:
    async with Served() as taken:
        boxes = {box.name: box for child in taken.supervisor.children for box in child.spec.inboxes}
        boxes["metadata control"].send_nowait(SystemIdled())
        assert [] == list(taken.look().problems)


async def test_messages_that_are_dropped_are_told(autojump_clock: MockClock) -> None:
    def drop(dump: Dump) -> Dump:
        boxes = tuple(
            replace_fields(box, dropped=7) if box.name == "trading" else box
            for box in dump.mailboxes
        )
        return replace_fields(dump, mailboxes=boxes)

    async with Served() as taken:
        taken.look()
        taken.change_dump = drop
        problem = taken.find("warning", "mailbox trading", "dropped messages")
    assert "dropped 7 messages" in problem.what


async def test_stalls_of_the_event_loop_are_told(autojump_clock: MockClock) -> None:
    async with Served() as taken:
        taken.look()
        heartbeat = taken.supervisor.heartbeat
        heartbeat.stalls, heartbeat.longest_stall_seconds = 2, 3.25
        assert [] == list(taken.look().problems)
        heartbeat.stalls = 3
        problem = taken.find("warning", "event loop", "stalls")
    assert "stood still 3 times in the last ten minutes (the longest ever: 3.2 s)" in problem.what


async def test_no_new_token_for_long_is_told(autojump_clock: MockClock) -> None:
    async with Served() as taken:
        taken.look()
        await trio.sleep(16 * MINUTES)
        assert "No new token for 16 min" in taken.find("critical", "streams", "silence").what


async def test_entries_of_the_quarantine_are_told(autojump_clock: MockClock) -> None:
    entry = make_message_entry("sync", SystemIdled(), reason="oh", refused_at=at(0))
    async with Served() as taken:
        taken.quarantine.add_entry(entry)
        assert taken.find("warning", "quarantine", "not empty").what.startswith("1 entry waits")
        taken.quarantine.counts = Counter(dropped=3)
        full, _ = taken.look().problems
        assert ("critical", "full") == (full.severity, full.kind)


@pytest.mark.parametrize(
    ("changes", "severity", "subject", "kind"),
    [
        ({"share": 0.5, "reasons": ("own WAL",)}, "notice", "governor", "holds back"),
        ({"held_back": 40}, "notice", "governor", "holds back"),
        ({"own_wal_bytes_per_second": 1e9}, "warning", "flushes", "over budget"),
        (
            {
                "staleness": {
                    "market": StalenessSnapshot(seconds=999, bound_seconds=900, is_broken=True)
                }
            },
            "warning",
            "values of market",
            "too old",
        ),
    ],
)
async def test_the_governor_says_what_it_cannot_do(
    autojump_clock: MockClock, changes: dict[str, Any], severity: str, subject: str, kind: str
) -> None:
    async with Served() as taken:
        taken.change_governor = changes
        taken.find(severity, subject, kind)


@pytest.mark.parametrize(
    ("changes", "severity", "subject", "kind"),
    [
        ({"put_back": 1}, "warning", "redis values", "lost"),
        ({"lost": 2}, "warning", "redis values", "lost"),
    ],
)
async def test_what_sync_could_not_do_is_told(
    autojump_clock: MockClock, changes: dict[str, Any], severity: str, subject: str, kind: str
) -> None:
    async with Served() as taken:
        taken.look()
        taken.change_actor("sync", summary=changes)
        taken.find(severity, subject, kind)


async def test_flushes_that_fail_are_told_unless_a_store_was_away(
    autojump_clock: MockClock,
) -> None:
    async with Served() as taken:
        for failed in range(45):  # eleven minutes
            taken.look()
            taken.change_actor("sync", summary={"failed_flushes": failed})
            await trio.sleep(15)
        assert "flushes failed" in taken.find("warning", "flushes", "failing").what
        taken.readiness.report_outage("redis", "sync", "why")
        taken.find("critical", "redis", "away")
        taken.readiness.report_outage("redis", "sync", None)
        assert [] == list(taken.look().problems)


async def test_updates_that_wait_long_for_their_token_are_told(autojump_clock: MockClock) -> None:
    parked = ParkedUpdate(mint=mint(1), since=at(20), fields=("status",))
    async with Served() as taken:
        taken.change_actor("sync", summary={"parked": 3, "oldest_parked": (parked,)})
        assert [] == list(taken.look().problems)
        await trio.sleep(61)
        what = taken.find("notice", "parked updates", "waiting").what
    assert "Updates of 3 tokens wait until Postgres has the token, the oldest for 61 s." == what


async def test_streams_that_lag_are_told(autojump_clock: MockClock) -> None:
    async with Served() as taken:
        taken.change_actor("ingest", summary={"median_lag_seconds": {"chain": 20.0, "x": 1.0}})
        assert "came 20 s or more late" in taken.find("warning", "chain", "lag").what


async def test_one_checkpoint_on_demand_is_nothing_and_two_are_told(
    autojump_clock: MockClock,
) -> None:
    async with Served() as taken:
        for requested in (0, 1):
            taken.watch.observe(evolve(UNTROUBLED, checkpoints_requested=requested), requested)
        assert [] == list(taken.look().problems)
        taken.watch.observe(evolve(UNTROUBLED, checkpoints_requested=2), 2.0)
        taken.find("warning", "postgres checkpoints", "requested")
        await trio.sleep(11 * MINUTES)
        assert [] == list(taken.look().problems)


async def test_a_server_that_hides_its_wal_makes_estimates_of_figures(
    autojump_clock: MockClock,
) -> None:
    async with Served() as taken:
        hidden = evolve(UNTROUBLED, wal_position=None, wal_bytes=None)
        taken.watch.observe(hidden, 0.0)
        taken.watch.observe(hidden, 10.0)
        assert "an estimate" in taken.find("notice", "postgres wal", "not told").what


async def test_a_rule_that_fails_is_a_problem_itself_and_costs_the_others_nothing(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nonsense(_facts: Facts) -> Iterator[Problem]:
        raise ZeroDivisionError("password=s3cret")
        yield

    monkeypatch.setattr(problems, "RULES", (find_nonsense, *problems.RULES))
    async with Served() as taken:
        taken.readiness.report_outage("redis", "sync", "why")
        away, broken = taken.look().problems
    assert ("redis", "operations") == (away.subject, broken.subject)
    assert "find_nonsense failed: ZeroDivisionError: password=[hidden]" in broken.what


async def test_what_the_old_design_would_have_written_is_births_news_and_what_was_replaced(
    autojump_clock: MockClock,
) -> None:
    def change(dump: Dump) -> Dump:
        boxes = tuple(
            replace_fields(box, conflated=4) if box.name == "sync" else box
            for box in dump.mailboxes
        )
        actors = tuple(
            replace_fields(actor, summary=replace_fields(actor.summary, **figures[actor.name]))
            if actor.summary is not None and actor.name in figures
            else actor
            for actor in dump.actors
        )
        return replace_fields(dump, mailboxes=boxes, actors=actors)

    figures = {"sync": {"appended": 10}, "ingest": {"admitted": 3}}
    async with Served() as taken:
        taken.change_dump = change
        assert (3, 10, 4) == taken.look().counters["rows_before_per_second"]


# What the rules say.


def test_every_problem_leads_to_a_section_of_the_runbook() -> None:
    titles = re.findall(r"^#+ (.+)$", FILE.read_text(encoding="utf-8"), re.M)
    anchors = {make_anchor(title) for title in titles}
    text = Path(problems.__file__).read_text(encoding="utf-8")
    sections = set(re.findall(r'section="([^"]+)"', text))
    sections |= {words.section for words in OUTAGES.values()}
    assert set() == sections - anchors
    assert len(sections) > 12
