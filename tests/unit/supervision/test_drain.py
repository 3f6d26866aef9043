"""Drains: upstream first, everything worked off, always inside the deadline."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from domain.errors import RestartIntensityExceeded, StoreNotReached, ValuesNotSaved
from supervision.child import State
from supervision.mailbox import Mailbox
from supervision.supervisor import LEAVING_SECONDS, UNSTARTED_DRAIN_SECONDS
from tests.unit.supervision.harness import (
    SETTINGS,
    SHUTDOWN,
    Log,
    child,
    leaked_cancellation,
    run_for,
    supervisor,
)

Life = Callable[[], Awaitable[None]]


def box(name: str, *, full_of: int = 0) -> Mailbox[int]:
    mailbox = Mailbox[int](name, capacity=100)
    for number in range(full_of):
        mailbox.send_nowait(number)
    return mailbox


def forwarder(
    inbox: Mailbox[int], outbox: Mailbox[int] | None, *, seconds: float, ended_at: list[float]
) -> Life:
    """Handles a message in so many seconds, sends it on, and notes when it returned."""

    async def live() -> None:
        async for number in inbox:
            await trio.sleep(seconds)
            if outbox is not None:
                await outbox.send(number)
        ended_at.append(round(trio.current_time(), 6))

    return live


async def test_drain_works_off_every_mailbox_upstream_first(autojump_clock: MockClock) -> None:
    first, second = box("first", full_of=3), box("second")
    first_ended_at: list[float] = []
    second_ended_at: list[float] = []
    ended_at: dict[str, list[float]] = {"first": first_ended_at, "second": second_ended_at}
    supervised = supervisor(
        child(
            "first", forwarder(first, second, seconds=1, ended_at=first_ended_at), inboxes=(first,)
        ),
        child(
            "second",
            forwarder(second, None, seconds=1, ended_at=second_ended_at),
            inboxes=(second,),
        ),
    )
    await run_for(0.5, supervised)
    assert {"first": [3], "second": [4]} == ended_at
    assert (3, 3) == (first.statistics().handled, second.statistics().handled)
    assert [State.DRAINED] * 2 == [each.state for each in supervised.children]
    assert 4 == trio.current_time()


async def test_source_is_cancelled_before_anything_else_is_closed(
    autojump_clock: MockClock,
) -> None:
    numbers = box("numbers")
    closed_when_cancelled: list[int] = []

    async def source() -> None:
        try:
            while True:
                await numbers.send(1)
                await trio.sleep(1)
        finally:
            closed_when_cancelled.append(numbers.statistics().dropped)

    received: list[float] = []
    supervised = supervisor(
        child("source", source),
        child("reader", forwarder(numbers, None, seconds=0, ended_at=received), inboxes=(numbers,)),
    )
    await run_for(2.5, supervised)
    assert [0] == closed_when_cancelled
    assert (3, 0) == (numbers.statistics().handled, numbers.statistics().dropped)
    assert [State.STOPPED, State.DRAINED] == [each.state for each in supervised.children]


async def test_slow_child_is_cancelled_in_time_for_the_later_ones(
    autojump_clock: MockClock,
) -> None:
    slow, quick = box("slow", full_of=9), box("quick", full_of=1)
    ended_at: list[float] = []
    log = Log()
    supervised = supervisor(
        child("slow", forwarder(slow, None, seconds=2.5, ended_at=[]), inboxes=(slow,)),
        child("quick", forwarder(quick, None, seconds=0, ended_at=ended_at), inboxes=(quick,)),
        log=log,
    )
    await run_for(0, supervised)
    # A quarter of the 8 s is kept back, a second for each of the two.
    assert 6 == trio.current_time()
    assert [6] == ended_at
    late = log.entries("actor did not finish in time")
    assert [("slow", {"slow": 7})] == [(entry["actor"], entry["left"]) for entry in late]
    assert [{"slow": 7}] == [entry["left"] for entry in log.entries("drained")]
    assert [State.STOPPED, State.DRAINED] == [each.state for each in supervised.children]


async def test_last_child_has_what_the_others_left_of_the_deadline(
    autojump_clock: MockClock,
) -> None:
    inbox = box("inbox", full_of=7)
    ended_at: list[float] = []

    async def source() -> None:
        await trio.sleep_forever()

    supervised = supervisor(
        child("source", source),
        child("slow", forwarder(inbox, None, seconds=0.99, ended_at=ended_at), inboxes=(inbox,)),
    )
    await run_for(0, supervised)
    assert [6.93] == ended_at


async def test_child_that_crashes_while_draining_restarts_at_once_and_empties_its_mailbox(
    autojump_clock: MockClock,
) -> None:
    inbox = box("inbox", full_of=3)
    received: list[tuple[float, int]] = []

    async def life() -> None:
        await trio.sleep(1)
        async for number in inbox:
            received.append((trio.current_time(), number))
            if len(received) == 2:
                raise ValueError

    supervised = supervisor(child("reader", life, inboxes=(inbox,)))
    await run_for(0.5, supervised)
    assert [(1, 0), (1, 1), (2, 1), (2, 2)] == received
    assert 0 == inbox.statistics().depth


async def test_crash_loop_while_draining_is_bounded_by_the_intensity(
    autojump_clock: MockClock,
) -> None:
    inbox = box("inbox", full_of=100)
    attempts: list[float] = []

    async def life() -> None:
        if trio.current_time() < 1:
            await trio.sleep_until(1)
        attempts.append(trio.current_time())
        raise ValueError

    supervised = supervisor(child("broken", life, inboxes=(inbox,)))
    with pytest.raises(ExceptionGroup) as raised:
        await run_for(0.5, supervised)
    assert raised.group_contains(RestartIntensityExceeded)
    assert [1] * 6 == attempts


async def test_drain_that_was_asked_for_tells_once(autojump_clock: MockClock) -> None:
    told_at: list[float] = []
    supervised = supervisor(child("actor", trio.sleep_forever))
    supervised.on_drain = lambda: told_at.append(trio.current_time())
    await run_for(3, supervised)
    supervised.begin_drain()
    assert [3] == told_at


async def test_drain_that_a_failure_began_tells_too(autojump_clock: MockClock) -> None:
    told_at: list[float] = []

    async def broken() -> None:
        await trio.sleep(2)
        raise StoreNotReached

    supervised = supervisor(child("actor", broken))
    supervised.on_drain = lambda: told_at.append(trio.current_time())
    with pytest.raises(StoreNotReached):
        await supervised.run()
    assert [2] == told_at


async def test_back_off_ends_when_the_drain_begins(autojump_clock: MockClock) -> None:
    inbox = box("inbox", full_of=1)
    received: list[tuple[float, int]] = []

    async def life() -> None:
        if not trio.current_time():
            raise ValueError
        async for number in inbox:
            received.append((trio.current_time(), number))

    settings = evolve(SETTINGS, backoff_seconds=10.0)
    await run_for(1, supervisor(child("reader", life, inboxes=(inbox,)), settings=settings))
    assert [(1, 0)] == received


async def test_child_that_returns_with_messages_left_is_started_again(
    autojump_clock: MockClock,
) -> None:
    one, other = box("one", full_of=1), box("other", full_of=1)

    async def life() -> None:
        for inbox in (one, other):
            if inbox.statistics().depth:
                async for _ in inbox:
                    await trio.sleep(1)
                return
        await trio.sleep_forever()

    supervised = supervisor(child("forgetful", life, inboxes=(one, other)))
    await run_for(0.5, supervised)
    assert (1, 1) == (one.statistics().handled, other.statistics().handled)
    assert [1] == [each.restarts for each in supervised.children]


async def test_cancellation_that_leaks_while_draining_loses_no_message(
    autojump_clock: MockClock,
) -> None:
    inbox = box("inbox", full_of=2)
    leaks = [await leaked_cancellation()]
    handled: list[int] = []

    async def life() -> None:
        async for number in inbox:
            await trio.sleep(1)
            if number == 1 and leaks:
                raise leaks.pop()
            handled.append(number)

    await run_for(0.5, supervisor(child("leaky", life, inboxes=(inbox,))))
    assert [0, 1] == handled
    assert 2 == inbox.statistics().handled


# What is not saved.


async def test_cancelled_actor_that_left_messages_unsaved_ends_the_process_with_69(
    autojump_clock: MockClock,
) -> None:
    slow = box("slow", full_of=9)
    log = Log()
    supervised = supervisor(
        child("slow", forwarder(slow, None, seconds=2.5, ended_at=[]), inboxes=(slow,)), log=log
    )
    supervised.unsaved = lambda: {"messages": slow.statistics().depth}
    with pytest.raises(ExceptionGroup) as raised:
        await run_for(0, supervised)
    [error] = raised.value.exceptions
    assert isinstance(error, ValuesNotSaved)
    assert (69, {"messages": 7}) == (error.exit_code, error.unsaved)
    assert str(error).endswith("Lost: messages (7)")
    assert [("error", {"messages": 7}, {"slow": 7})] == [
        (entry["log_level"], entry["unsaved"], entry["left"])
        for entry in log.entries("drain incomplete")
    ]
    assert [] == log.entries("drained")
    assert trio.current_time() < SHUTDOWN.deadline_seconds


async def test_unsaved_is_asked_for_when_every_child_has_ended(autojump_clock: MockClock) -> None:
    inbox = box("inbox", full_of=2)
    asked_at: list[tuple[float, int]] = []

    def note_unsaved() -> dict[str, int]:
        asked_at.append((trio.current_time(), inbox.statistics().depth))
        return {}

    log = Log()
    supervised = supervisor(
        child("reader", forwarder(inbox, None, seconds=1, ended_at=[]), inboxes=(inbox,)), log=log
    )
    supervised.unsaved = note_unsaved
    await run_for(0, supervised)
    assert [(2, 0)] == asked_at
    assert [{}] == [entry["left"] for entry in log.entries("drained")]
    assert [] == log.entries("drain incomplete")


async def test_service_that_was_never_ready_has_promised_nothing(
    autojump_clock: MockClock,
) -> None:
    log = Log()
    supervised = supervisor(child("actor", trio.sleep_forever), log=log)
    supervised.has_started = lambda: False
    supervised.unsaved = lambda: {"values": 3}
    await run_for(1, supervised)
    assert 1 == len(log.entries("drained"))
    assert [] == log.entries("drain incomplete")


async def test_drain_after_a_failure_keeps_its_exit_code_and_tells_what_is_unsaved(
    autojump_clock: MockClock,
) -> None:
    async def broken() -> None:
        raise ValueError

    log = Log()
    supervised = supervisor(child("broken", broken), log=log)
    supervised.unsaved = lambda: {"values": 3}
    with pytest.raises(RestartIntensityExceeded):
        await supervised.run()
    assert [{"values": 3}] == [entry["unsaved"] for entry in log.entries("drain incomplete")]


@pytest.mark.parametrize("seconds_before_failing", [0.5, 100.0], ids=["in time", "when cancelled"])
async def test_exiting_error_of_a_drain_ends_the_process_after_the_other_children_had_their_turn(
    seconds_before_failing: float, autojump_clock: MockClock
) -> None:
    inbox, other = box("inbox", full_of=1), box("other", full_of=1)
    ended_at: list[float] = []

    async def unable() -> None:
        async for _ in inbox:
            try:
                await trio.sleep(seconds_before_failing)
            finally:
                raise ValuesNotSaved({"values": 5})

    supervised = supervisor(
        child("unable", unable, inboxes=(inbox,)),
        child("other", forwarder(other, None, seconds=1, ended_at=ended_at), inboxes=(other,)),
    )
    with pytest.raises(ExceptionGroup) as raised:
        await run_for(0, supervised)
    [error] = raised.value.exceptions
    assert isinstance(error, ValuesNotSaved)
    assert {"values": 5} == error.unsaved
    assert 1 == len(ended_at)
    assert [State.FAILED, State.DRAINED] == [each.state for each in supervised.children]
    assert trio.current_time() < SHUTDOWN.deadline_seconds


# Stuck actors.


async def left_with_a_stuck_actor(
    *, unsaved: int = 0, has_started: bool = True
) -> list[tuple[float, int]]:
    """When, and with which code, a process leaves whose drain at second 1 meets a stuck actor."""
    left: list[tuple[float, int]] = []
    end_of_shield = trio.Event()

    async def stubborn() -> None:
        with trio.CancelScope(shield=True):
            await end_of_shield.wait()

    def leave(exit_code: int) -> None:
        left.append((round(trio.current_time(), 6), exit_code))
        end_of_shield.set()  # a real one would not come back

    log = Log()
    supervised = supervisor(child("stubborn", stubborn), log=log)
    supervised.leave_at_once = leave
    supervised.unsaved = lambda: {"values": unsaved} if unsaved else {}
    supervised.has_started = lambda: has_started
    try:
        await run_for(1, supervised)
    except* ValuesNotSaved:
        assert unsaved
    [critical] = log.entries("leaving with actors that ignore their cancellation")
    assert ["stubborn"] == critical["actors"]
    assert (unsaved > 0) == bool(log.entries("drain incomplete"))
    return left


async def test_stuck_actor_cannot_hold_the_process_up_to_the_deadline(
    autojump_clock: MockClock,
) -> None:
    left = await left_with_a_stuck_actor()
    assert [(9 - LEAVING_SECONDS, 0)] == left


async def test_leaving_with_a_stuck_actor_says_69_when_something_is_unsaved(
    autojump_clock: MockClock,
) -> None:
    left = await left_with_a_stuck_actor(unsaved=4)
    assert [(9 - LEAVING_SECONDS, ValuesNotSaved.exit_code)] == left


async def test_those_after_a_stuck_actor_have_time_to_finish(autojump_clock: MockClock) -> None:
    inbox = box("inbox", full_of=1)
    ended_at: list[float] = []
    stuck = box("stuck", full_of=1)
    end_of_shield = trio.Event()

    async def stubborn() -> None:
        with trio.CancelScope(shield=True):
            await end_of_shield.wait()

    supervised = supervisor(
        child("stubborn", stubborn, inboxes=(stuck,)),
        child("later", forwarder(inbox, None, seconds=0.4, ended_at=ended_at), inboxes=(inbox,)),
    )
    supervised.leave_at_once = lambda _code: end_of_shield.set()
    await run_for(0, supervised)
    # Of the two seconds kept back, one for each, the stuck one takes half of its own.
    assert [6.5] == ended_at
    assert State.DRAINED is supervised.children[1].state


async def test_drain_of_a_service_that_was_never_ready_ends_soon_and_with_0(
    autojump_clock: MockClock,
) -> None:
    left = await left_with_a_stuck_actor(has_started=False)
    [(left_at, exit_code)] = left
    assert 0 == exit_code
    assert 1 < left_at < 1 + UNSTARTED_DRAIN_SECONDS


async def test_second_drain_changes_nothing(autojump_clock: MockClock) -> None:
    inbox = box("inbox", full_of=1)
    supervised = supervisor(
        child("reader", forwarder(inbox, None, seconds=5, ended_at=[]), inboxes=(inbox,))
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervised.run)
        await trio.sleep(1)
        supervised.begin_drain()
        await trio.sleep(2)
        supervised.begin_drain()
    assert 5 == trio.current_time()


async def test_supervisor_cancelled_from_outside_ends_every_child(
    autojump_clock: MockClock,
) -> None:
    ended: list[str] = []

    def life(name: str) -> Life:
        async def live() -> None:
            try:
                await trio.sleep_forever()
            finally:
                ended.append(name)

        return live

    with trio.move_on_after(1) as scope:
        await supervisor(child("a", life("a")), child("b", life("b"))).run()
    assert scope.cancelled_caught
    assert ["a", "b"] == sorted(ended)
