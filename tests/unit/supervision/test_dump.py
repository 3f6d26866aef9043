"""The dump: complete, bounded, JSON, and not to be broken by anything it shows."""

import os
import resource
import threading
import time
from collections.abc import Mapping
from typing import Any

import orjson
import trio
from attrs import frozen
from trio.testing import MockClock

from domain.snapshots import Snapshot, detail, gauge, snapshot_class
from feed.operations import render_dump
from supervision.children import ChildSpec
from supervision.mailbox import Mailbox
from supervision.policies import DROP_OLDEST
from tests.unit.supervision.harness import (
    WALL_CLOCK_AT_ZERO,
    ScriptedActor,
    child,
    run_for,
    supervisor,
)


@frozen
class Note:
    text: str


@snapshot_class
class Tokens(Snapshot):
    tokens: int = gauge("Tokens that are tracked.")
    last_problem: str = detail("What went wrong.")


@snapshot_class
class Providers(Snapshot):
    closed: Mapping[str, str] = detail("Those that refuse, and why.")
    newest: Tokens = detail("What came last.")
    addresses: tuple[str, ...] = detail("Where they are.")


class BrokenActor:
    async def run(self) -> None:
        await trio.sleep_forever()

    def snapshot(self) -> Snapshot:
        raise RuntimeError("no snapshot today: password=s3cret")


async def taken_after(seconds: float, *specs: ChildSpec) -> dict[str, Any]:
    """The dump after so long, as a reader of the JSON gets it (`feed.operations`)."""
    supervised = supervisor(*specs)
    document: dict[str, Any] = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_for, seconds + 1, supervised)
        await trio.sleep(seconds)
        document |= orjson.loads(orjson.dumps(render_dump(supervised.take_dump())))
    return document


async def test_dump_shows_state_uptime_restarts_last_error_and_summary_of_every_actor(
    autojump_clock: MockClock,
) -> None:
    state = Tokens(tokens=3, last_problem="no answer from redis://me:s3cret@host")

    async def life() -> None:
        if trio.current_time() < 10:
            await trio.sleep(10)
            raise ValueError("first life")
        await trio.sleep_forever()

    spec = ChildSpec(
        name="actor",
        build=lambda _memory: ScriptedActor(life, state),
        memory={"not for": "the dump"},
    )
    document = await taken_after(12, spec)
    [actor] = document["actors"]
    error = actor.pop("last_error")
    assert ("ValueError", "first life") == (error["type"], error["message"])
    assert WALL_CLOCK_AT_ZERO + 10 == error["at"]
    assert {
        "name": "actor",
        "state": "running",
        "uptime_seconds": 1.9,
        "restarts": 1,
        "inboxes": [],
        "summary": {"tokens": 3, "last_problem": "no answer from redis://[hidden]@host"},
    } == actor


async def test_dump_shows_the_counters_and_a_sample_of_every_mailbox(
    autojump_clock: MockClock,
) -> None:
    notes = Mailbox[Note]("notes", capacity=9, policy=DROP_OLDEST)

    async def busy() -> None:
        await anext(notes)
        await trio.sleep(20)
        async for _ in notes:
            pass

    for number in range(12):
        await notes.send(Note(f"number {number}"))
    document = await taken_after(2, child("reader", busy, inboxes=(notes,)))
    [mailbox] = document["mailboxes"]
    assert [{"Note": {"text": f"number {number}"}} for number in range(3, 8)] == mailbox["sample"]
    expected = {
        "name": "notes",
        "policy": "drop-oldest",
        "capacity": 9,
        "depth": 9,
        "in_hand": 1,
        "sent": 12,
        "handled": 0,
        "conflated": 0,
        "dropped": 3,
        "quarantined": 0,
        "oldest_age_seconds": 2.0,
        "senders_waiting": 0,
        "receivers_waiting": 0,
    }
    assert expected == {name: mailbox[name] for name in expected}


async def test_dump_shows_the_newest_messages_in_quarantine(autojump_clock: MockClock) -> None:
    notes = Mailbox[Note]("notes", capacity=9)

    async def choke() -> None:
        async for note in notes:
            raise ValueError(note.text)

    await notes.send(Note("password=s3cret"))
    document = await taken_after(20, child("reader", choke, inboxes=(notes,)))
    [mailbox] = document["mailboxes"]
    assert [{"Note": {"text": "password=[hidden]"}}] == mailbox["quarantine"]
    assert (1, 0) == (mailbox["quarantined"], mailbox["depth"])


async def test_dump_shows_the_process(autojump_clock: MockClock) -> None:
    document = await taken_after(3, child("actor", trio.sleep_forever))
    process = document["process"]
    assert (3.0, False) == (process["uptime_seconds"], process["is_draining"])
    assert WALL_CLOCK_AT_ZERO + 3 == process["taken_at"]
    assert (os.getpid(), trio.__version__) == (process["pid"], process["trio"])
    assert process["threads"] == threading.active_count()
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert 0.5 * kibibytes * 1024 <= process["peak_memory_bytes"] <= kibibytes * 1024
    assert 0 < process["memory_bytes"] <= 1.01 * process["peak_memory_bytes"]
    assert 0 < process["cpu_seconds"] <= time.process_time()
    assert process["tasks"] >= process["tasks_runnable"]


async def test_secrets_in_the_depth_of_a_snapshot_are_hidden(autojump_clock: MockClock) -> None:
    address = "redis://me:s3cret@host"
    state = Providers(
        closed={"one": f"401 from {address}"},
        newest=Tokens(tokens=1, last_problem=address),
        addresses=(address,),
    )
    spec = ChildSpec(
        name="actor", build=lambda _memory: ScriptedActor(trio.sleep_forever, state), memory=None
    )
    document = await taken_after(1, spec)
    assert "s3cret" not in str(document)
    assert 3 == str(document).count("redis://[hidden]@host")


async def test_broken_snapshot_does_not_break_the_dump(autojump_clock: MockClock) -> None:
    document = await taken_after(1, ChildSpec(name="broken", build=lambda _memory: BrokenActor()))
    [actor] = document["actors"]
    assert {"error": "RuntimeError: no snapshot today: password=[hidden]"} == actor["summary"]


async def test_dump_of_full_mailboxes_is_small() -> None:
    boxes = [Mailbox[list[Note]](f"box {number}", capacity=10_000) for number in range(10)]
    large_message = [Note("x" * 10_000)] * 1000
    for mailbox in boxes:
        for _ in range(mailbox.capacity):
            mailbox.send_nowait(large_message)
    supervised = supervisor(
        *(
            child(f"actor {number}", trio.sleep_forever, inboxes=(mailbox,))
            for number, mailbox in enumerate(boxes)
        )
    )
    assert len(orjson.dumps(render_dump(supervised.take_dump()))) < 2_000_000
