"""Metrics: each counter and gauge of a snapshot becomes one series, a mapping's one a key."""

from collections.abc import Mapping

import trio
from attrs import frozen
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector
from trio.testing import MockClock

from domain.snapshots import Snapshot, counter, detail, gauge, snapshot_class
from supervision.children import ChildSpec
from supervision.dump import Dump
from supervision.mailbox import Mailbox
from supervision.metrics import MetricFamilies, add_dump
from tests.unit.supervision.harness import ScriptedActor, child, run_for, supervisor


@snapshot_class
class Worked(Snapshot):
    done: int = counter("Jobs done.")
    waiting: float = gauge("Jobs that wait.", metric="jobs_waiting")
    busy: bool = gauge("1 while it works.")
    price_usd: float | None = gauge("What it costs.")
    refused: Mapping[str, int] = counter("Jobs refused.", by="reason")
    boards: Mapping[str, int] = gauge("Jobs a board.", by="board")
    worries: tuple[str, ...] = gauge("What troubles it.")
    note: str = detail("For people.")


@snapshot_class
class Heard(Snapshot):
    told_as = "stream"
    frames: int = counter("Frames that came.")
    refused: Mapping[str, int] = counter("Frames refused.", by="reason")


WORKED = Worked(
    done=7,
    waiting=2.5,
    busy=True,
    price_usd=None,
    refused={"late": 1, "odd": 2},
    boards={"new": 4},
    worries=("rain", "wind"),
    note="100",
)


@frozen(eq=False)
class _Given(Collector):
    families: MetricFamilies

    def collect(self) -> MetricFamilies:
        return self.families


def exposed(families: MetricFamilies) -> list[str]:
    """The lines of Prometheus' text format, but for the types."""
    registry = CollectorRegistry()
    registry.register(_Given(families))
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if not line.startswith("# TYPE")]


def test_every_counter_and_gauge_is_told_with_its_help() -> None:
    families = MetricFamilies()
    families.add_snapshot("worker", WORKED)
    assert [
        "# HELP token_discovery_worker_done_total Jobs done.",
        "token_discovery_worker_done_total 7.0",
        "# HELP token_discovery_worker_jobs_waiting Jobs that wait.",
        "token_discovery_worker_jobs_waiting 2.5",
        "# HELP token_discovery_worker_busy 1 while it works.",
        "token_discovery_worker_busy 1.0",
        "# HELP token_discovery_worker_price_usd What it costs.",
        "# HELP token_discovery_worker_refused_total Jobs refused.",
        'token_discovery_worker_refused_total{reason="late"} 1.0',
        'token_discovery_worker_refused_total{reason="odd"} 2.0',
        "# HELP token_discovery_worker_boards Jobs a board.",
        'token_discovery_worker_boards{board="new"} 4.0',
        "# HELP token_discovery_worker_worries What troubles it.",
        "token_discovery_worker_worries 2.0",
    ] == exposed(families)


def test_snapshots_of_one_subject_are_told_apart_by_their_labels() -> None:
    families = MetricFamilies()
    for name, frames in (("one", 1), ("two", 2)):
        families.add_snapshot("stream", Heard(frames=frames, refused={"junk": 3}), {"stream": name})
    assert [
        "# HELP token_discovery_stream_frames_total Frames that came.",
        'token_discovery_stream_frames_total{stream="one"} 1.0',
        'token_discovery_stream_frames_total{stream="two"} 2.0',
        "# HELP token_discovery_stream_refused_total Frames refused.",
        'token_discovery_stream_refused_total{reason="junk",stream="one"} 3.0',
        'token_discovery_stream_refused_total{reason="junk",stream="two"} 3.0',
    ] == exposed(families)


async def dumped_after(seconds: float, *specs: ChildSpec) -> Dump:
    supervised = supervisor(*specs)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_for, seconds + 1, supervised)
        await trio.sleep(seconds)
        return supervised.take_dump()


async def test_actors_are_told_by_name_and_streams_by_label(autojump_clock: MockClock) -> None:
    heard = Heard(frames=9, refused={})
    dump = await dumped_after(
        5.0,
        ChildSpec(
            name="pump-portal", build=lambda _memory: ScriptedActor(trio.sleep_forever, heard)
        ),
        ChildSpec(
            name="hot-score", build=lambda _memory: ScriptedActor(trio.sleep_forever, WORKED)
        ),
    )
    families = MetricFamilies()
    add_dump(families, dump)
    told = exposed(families)
    assert 'token_discovery_stream_frames_total{stream="pump-portal"} 9.0' in told
    assert "token_discovery_hot_score_done_total 7.0" in told
    assert 'token_discovery_actor_restarts_total{actor="hot-score"} 0.0' in told
    assert 'token_discovery_actor_uptime_seconds{actor="hot-score"} 5.0' in told
    assert "token_discovery_process_uptime_seconds 5.0" in told
    assert "token_discovery_process_draining 0.0" in told


async def test_mailboxes_are_told_with_their_books(autojump_clock: MockClock) -> None:
    notes = Mailbox[str]("notes", capacity=9)

    async def read_one() -> None:
        await anext(notes)
        await trio.sleep_forever()

    for note in ("a", "b", "c"):
        notes.send_nowait(note)
    dump = await dumped_after(2.0, child("reader", read_one, inboxes=(notes,)))
    families = MetricFamilies()
    add_dump(families, dump)
    told = exposed(families)
    label = '{mailbox="notes"}'
    assert f"token_discovery_mailbox_messages_sent_total{label} 3.0" in told
    assert f"token_discovery_mailbox_depth{label} 3.0" in told
    assert f"token_discovery_mailbox_in_hand{label} 1.0" in told
    assert f"token_discovery_mailbox_oldest_age_seconds{label} 2.0" in told


async def test_broken_snapshot_costs_no_other_metric(autojump_clock: MockClock) -> None:
    class Broken(ScriptedActor):
        def snapshot(self) -> Snapshot:
            raise RuntimeError

    dump = await dumped_after(
        1.0, ChildSpec(name="broken", build=lambda _memory: Broken(trio.sleep_forever))
    )
    families = MetricFamilies()
    add_dump(families, dump)
    assert 'token_discovery_actor_uptime_seconds{actor="broken"} 1.0' in exposed(families)
