"""Restarts: what happens to a child that fails, and to its messages."""

from collections.abc import Awaitable, Callable
from random import Random

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from domain.errors import RestartIntensityExceeded, StoreNotReached
from supervision import Actor
from supervision.children import ChildSpec
from supervision.mailbox import Mailbox
from supervision.supervisor import Supervisor
from tests.unit.supervision.harness import (
    SETTINGS,
    SHUTDOWN,
    WALL_CLOCK_AT_ZERO,
    Log,
    ScriptedActor,
    child,
    environment,
    leaked_cancellation,
    run_for,
    supervisor,
)

Life = Callable[[], Awaitable[None]]


def lives(*ends: BaseException | None, started_at: list[float]) -> Life:
    """One end a life: an error, or None for a plain return; after those it serves for ever."""
    remaining = list(ends)

    async def live() -> None:
        started_at.append(round(trio.current_time(), 6))
        if not remaining:
            await trio.sleep_forever()
        end = remaining.pop(0)
        if end is not None:
            raise end

    return live


async def test_failing_actor_restarts_with_doubling_back_off(autojump_clock: MockClock) -> None:
    started_at: list[float] = []
    broken = lives(*[ValueError()] * 4, started_at=started_at)
    await run_for(30, supervisor(child("broken", broken)))
    assert [0, 0.1, 0.3, 0.7, 1.5] == started_at


async def test_back_off_has_a_longest_wait(autojump_clock: MockClock) -> None:
    started_at: list[float] = []
    settings = evolve(SETTINGS, backoff_seconds=4.0)
    broken = lives(*[ValueError()] * 3, started_at=started_at)
    await run_for(59, supervisor(child("broken", broken), settings=settings))
    assert [0, 4, 12, 22] == started_at


async def test_back_off_starts_small_again_after_a_quiet_window(autojump_clock: MockClock) -> None:
    started_at: list[float] = []

    async def life() -> None:
        started_at.append(round(trio.current_time(), 6))
        await trio.sleep(60)
        raise ValueError

    await run_for(200, supervisor(child("slow", life)))
    assert [0, 60.1, 120.2, 180.3] == started_at


async def test_jitter_takes_at_most_half_of_the_wait(autojump_clock: MockClock) -> None:
    waits = set()
    for seed in range(20):
        started_at: list[float] = []
        spec = child("broken", lives(ValueError(), started_at=started_at))
        await run_for(1, Supervisor([spec], SETTINGS, SHUTDOWN, environment(Log(), Random(seed))))
        waits.add(round(started_at[1] - started_at[0], 6))
    assert len(waits) > 10
    assert all(0.05 <= wait <= 0.1 for wait in waits)


async def test_only_the_failing_actor_restarts(autojump_clock: MockClock) -> None:
    broken_at: list[float] = []
    healthy_at: list[float] = []
    supervised = supervisor(
        child("broken", lives(ValueError(), started_at=broken_at)),
        child("healthy", lives(started_at=healthy_at)),
    )
    await run_for(10, supervised)
    assert ([0, 0.1], [0]) == (broken_at, healthy_at)


async def test_actor_is_built_afresh_at_every_start(autojump_clock: MockClock) -> None:
    started_at: list[float] = []
    life = lives(ValueError(), started_at=started_at)
    built: list[Actor] = []

    def build(_memory: None) -> Actor:
        built.append(child("broken", life).build_actor())
        return built[-1]

    spec = evolve(child("broken", life), build=build)
    await run_for(10, supervisor(spec))
    assert 2 == len({id(actor) for actor in built})


async def test_memory_of_a_child_outlives_its_restarts(autojump_clock: MockClock) -> None:
    memories: list[list[str]] = []

    def build(memory: list[str]) -> Actor:
        async def life() -> None:
            memory.append("started")
            memories.append(memory)
            if len(memory) < 3:
                raise ValueError
            await trio.sleep_forever()

        return ScriptedActor(life)

    spec = ChildSpec(name="actor", build=build, memory=[])
    await run_for(10, supervisor(spec))
    assert ["started"] * 3 == spec.memory
    assert all(memory is spec.memory for memory in memories)


async def test_child_without_memory_is_built_with_none(autojump_clock: MockClock) -> None:
    memories: list[object] = []

    def build(memory: object) -> Actor:
        memories.append(memory)
        return ScriptedActor(trio.sleep_forever)

    await run_for(1, supervisor(ChildSpec(name="actor", build=build)))
    assert [None] == memories


async def test_failing_build_is_a_failure_like_any_other(autojump_clock: MockClock) -> None:
    started_at: list[float] = []
    working = child("actor", lives(started_at=started_at))
    failures = [OSError("no such thing")]

    def build(_memory: None) -> Actor:
        if failures:
            raise failures.pop()
        return working.build_actor()

    log = Log()
    await run_for(10, supervisor(evolve(working, build=build), log=log))
    assert [0.1] == started_at
    assert ["no such thing"] == [entry["message"] for entry in log.entries("actor failed")]


async def test_actor_that_returns_unasked_has_failed(autojump_clock: MockClock) -> None:
    started_at: list[float] = []
    log = Log()
    await run_for(10, supervisor(child("quitter", lives(None, started_at=started_at)), log=log))
    assert [0, 0.1] == started_at
    assert ["ActorReturned"] == [entry["type"] for entry in log.entries("actor failed")]


async def test_leaked_foreign_cancellation_has_failed_the_actor_and_nobody_else(
    autojump_clock: MockClock,
) -> None:
    healthy_at: list[float] = []
    started_at: list[float] = []
    log = Log()
    supervised = supervisor(
        child("leaky", lives(await leaked_cancellation(), started_at=started_at)),
        child("healthy", lives(started_at=healthy_at)),
        log=log,
    )
    await run_for(10, supervised)
    assert ([0, 0.1], [0]) == (started_at, healthy_at)
    assert ["ActorReturned"] == [entry["type"] for entry in log.entries("actor failed")]


async def test_failure_is_logged_and_kept_with_its_origin_and_wall_time(
    autojump_clock: MockClock,
) -> None:
    async def life() -> None:
        await trio.sleep(5)
        raise ValueError("wss://user:pass@host/?api-key=abc refused")

    supervised = supervisor(child("broken", life))
    await run_for(6, supervised)
    failure = supervised.children[0].last_failure
    assert failure is not None
    assert "ValueError" == failure.type
    assert "wss://[hidden]@host/?api-key=[hidden] refused" == failure.message
    assert failure.origin.startswith("supervision/test_supervisor.py:")
    assert failure.origin.endswith(" life")
    assert WALL_CLOCK_AT_ZERO + 5 == failure.at


async def test_nested_error_groups_are_unwrapped(autojump_clock: MockClock) -> None:
    async def life() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)
            await trio.sleep_forever()

    async def fail() -> None:
        raise LookupError("deep")

    log = Log()
    await run_for(0.05, supervisor(child("broken", life), log=log))
    assert "LookupError" == log.entries("actor failed")[0]["type"]


# Intensity.


async def test_more_failures_than_the_intensity_drain_all_and_raise(
    autojump_clock: MockClock,
) -> None:
    started_at: list[float] = []
    received: list[int] = []
    numbers = Mailbox[int]("numbers", capacity=9)

    async def reader() -> None:
        async for number in numbers:
            await trio.sleep(1)
            received.append(number)

    for number in range(5):
        await numbers.send(number)
    supervised = supervisor(
        child("broken", lives(*[ValueError()] * 9, started_at=started_at)),
        child("reader", reader, inboxes=(numbers,)),
    )
    with pytest.raises(RestartIntensityExceeded, match=r"broken failed 6 times"):
        await supervised.run()
    assert [0, 0.1, 0.3, 0.7, 1.5, 3.1] == started_at
    assert [0, 1, 2, 3, 4] == received
    assert not supervised.is_sound


async def test_failures_outside_the_window_do_not_count(autojump_clock: MockClock) -> None:
    failures: list[float] = []

    async def life() -> None:
        await trio.sleep(15)  # five times in any 60 seconds, with the waits for the restarts
        failures.append(trio.current_time())
        raise ValueError

    await run_for(600, supervisor(child("flaky", life)))
    assert len(failures) > 30


async def test_exiting_error_of_an_actor_drains_and_ends_the_process_with_it(
    autojump_clock: MockClock,
) -> None:
    started_at: list[float] = []
    supervised = supervisor(child("store", lives(StoreNotReached(), started_at=started_at)))
    with pytest.raises(StoreNotReached):
        await supervised.run()
    assert [0] == started_at


async def test_exiting_error_beside_others_in_a_group_ends_the_process_too(
    autojump_clock: MockClock,
) -> None:
    group = ExceptionGroup(
        "two tasks", [ValueError("other"), ExceptionGroup("", [StoreNotReached()])]
    )
    started_at: list[float] = []
    with pytest.raises(StoreNotReached):
        await supervisor(child("store", lives(group, started_at=started_at))).run()
    assert [0] == started_at


async def test_senders_to_a_given_up_actor_are_not_left_waiting(autojump_clock: MockClock) -> None:
    orders, numbers = Mailbox[int]("orders", capacity=9), Mailbox[int]("numbers", capacity=1)

    async def sender() -> None:
        async for order in orders:
            await numbers.send(order)

    async def refuse() -> None:
        await trio.sleep(1)
        raise StoreNotReached

    for order in range(5):
        await orders.send(order)
    supervised = supervisor(
        child("sender", sender, inboxes=(orders,)), child("dead", refuse, inboxes=(numbers,))
    )
    with pytest.raises(StoreNotReached):
        await supervised.run()
    assert 1 == trio.current_time()
    assert 5 == orders.statistics().handled


# Messages.


async def test_message_in_hand_is_offered_again_after_a_crash(autojump_clock: MockClock) -> None:
    numbers = Mailbox[int]("numbers", capacity=9)
    received: list[int] = []

    async def reader() -> None:
        async for number in numbers:
            received.append(number)
            if received == [1, 2]:
                raise ValueError

    for number in (1, 2, 3):
        await numbers.send(number)
    await run_for(5, supervisor(child("reader", reader, inboxes=(numbers,))))
    assert [1, 2, 2, 3] == received


async def test_poison_message_is_quarantined_after_three_crashes_and_its_batch_handled(
    autojump_clock: MockClock,
) -> None:
    numbers = Mailbox[int]("numbers", capacity=9)
    handled: list[int] = []
    batches: list[tuple[float, list[int]]] = []

    async def reader() -> None:
        while True:
            batch = await numbers.receive_batch(9)
            batches.append((round(trio.current_time(), 6), batch))
            if 2 in batch:
                raise ValueError("poison")
            handled.extend(batch)

    for number in (1, 2, 3):
        await numbers.send(number)
    log = Log()
    supervised = supervisor(child("reader", reader, inboxes=(numbers,)), log=log)
    told: list[tuple[str, object, str]] = []
    supervised.on_quarantined = lambda mailbox, message, failure: told.append(
        (mailbox, message, f"{failure}")
    )
    with trio.move_on_after(5):
        await supervised.run()
    assert [(0, [1, 2, 3]), (0.1, [1]), (0.1, [2]), (0.3, [2]), (0.7, [3])] == batches
    assert ([1, 3], [2]) == (handled, list(numbers.quarantine))
    assert [2] == [entry["message"] for entry in log.entries("message quarantined")]
    [(mailbox, message, reason)] = told
    assert ("numbers", 2) == (mailbox, message)
    assert reason.startswith("ValueError: poison (")


# Wiring.


def test_two_children_of_one_name_or_one_mailbox_are_refused() -> None:
    async def life() -> None:
        await trio.sleep_forever()

    numbers = Mailbox[int]("numbers", capacity=1)
    with pytest.raises(ValueError, match="its own name"):
        supervisor(child("a", life), child("a", life))
    with pytest.raises(ValueError, match="one reader"):
        supervisor(child("a", life, inboxes=(numbers,)), child("b", life, inboxes=(numbers,)))
