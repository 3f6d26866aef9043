"""The desk: mail, timers and outcomes one at a time, and no call holds back the mail."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from supervision.desk import CallEnded, Caller, Desk, MailEnded, MailTaken, open_desk
from supervision.mailbox import Mailbox
from tests.unit.actors.world import Conditions, until


class Due:
    """A timer's note."""


class Away(Exception):
    """The store does not answer."""


@define
class Worker:
    """An actor that writes down each note with its second, and calls as it is told."""

    inbox: Mailbox[str] = field(factory=lambda: Mailbox("worker", capacity=100))
    conditions: Conditions = field(factory=Conditions)
    notes: list[tuple[float, object]] = field(factory=list)
    on_mail: Callable[["Worker", Desk, Caller], None] = lambda worker, desk, caller: None
    is_full: bool = False
    seconds_a_note: float = 0.0
    desk: Desk = field(init=False)
    caller: Caller = field(init=False)

    async def run(self) -> None:
        async with open_desk(self.inbox, 10) as self.desk:
            self.caller = Caller(
                desk=self.desk,
                name="redis",
                reporter="worker",
                conditions=self.conditions,
                expected=Away,
            )
            while True:
                note = await self.desk.take_note()
                if isinstance(note, MailEnded):
                    return
                await self.handle(note)
                self.desk.takes_mail = not self.is_full

    async def handle(self, note: object) -> None:
        match note:
            case MailTaken(messages=messages):
                self.write("mail", *messages)
                await trio.sleep(self.seconds_a_note)
                self.on_mail(self, self.desk, self.caller)
            case CallEnded():
                note.deliver()
            case Due():
                self.write("due")
                await trio.sleep(self.seconds_a_note)

    def write(self, *what: object) -> None:
        self.notes.append((trio.current_time(), what))

    def ask(self, seconds: float, result: object) -> None:
        """Call something that takes so long; an exception is raised instead of returned."""

        async def call() -> Any:
            await trio.sleep(seconds)
            if isinstance(result, Exception):
                raise result
            return result

        self.caller.ask(
            call, lambda got: self.write("then", got), lambda e: self.write("otherwise", str(e))
        )


async def test_slow_call_holds_back_no_mail(autojump_clock: MockClock) -> None:
    worker = Worker()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.run)
        await until(1.0)
        worker.ask(10.0, "slow")
        for second in (2.0, 3.0):
            await until(second)
            await worker.inbox.send(f"at {second:g}")
        await until(12.0)
        worker.inbox.close()
    assert worker.notes == [
        (2.0, ("mail", "at 2")),
        (3.0, ("mail", "at 3")),
        (11.0, ("then", "slow")),
    ]


async def test_calls_of_one_caller_come_one_after_the_other(autojump_clock: MockClock) -> None:
    worker = Worker()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.run)
        await until(0.0)
        worker.ask(2.0, "first")
        worker.ask(1.0, Away("gone"))
        worker.ask(1.0, "third")
        await until(3.0)
        assert {("redis", "worker"): "gone"} == worker.conditions.problems
        assert worker.caller.is_away
        await until(5.0)
        worker.inbox.close()
    assert worker.notes == [
        (2.0, ("then", "first")),
        (3.0, ("otherwise", "gone")),
        (4.0, ("then", "third")),
    ]
    assert ({}, False) == (worker.conditions.problems, worker.caller.is_away)


async def test_outcome_is_handled_before_the_next_call_begins(autojump_clock: MockClock) -> None:
    """Else a call could have its effect between another one's effect and its being noted."""
    worker = Worker()
    begun: list[float] = []
    worker.seconds_a_note = 5.0  # the actor is busy when the first outcome comes

    async def second() -> None:
        begun.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.run)
        await until(0.0)
        worker.ask(1.0, "first")
        worker.caller.ask(second, lambda _: None, lambda _: None)
        await worker.inbox.send("busy from 0 to 5")
        await until(6.0)
        worker.inbox.close()
    assert [5.0] == begun


async def test_unexpected_error_of_a_call_ends_the_actor(autojump_clock: MockClock) -> None:
    worker = Worker()
    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.run)
            await until(0.0)
            worker.ask(1.0, ZeroDivisionError("a bug"))


async def test_batch_is_in_hand_until_the_actor_comes_for_more(autojump_clock: MockClock) -> None:
    worker = Worker()

    def crash(*_: object) -> None:
        raise BrokenPipeError

    worker.on_mail = crash
    await worker.inbox.send("poison")
    with pytest.RaisesGroup(BrokenPipeError, flatten_subgroups=True):
        await worker.run()
    assert 1 == worker.inbox.statistics().in_hand
    assert [] == worker.inbox.offer_again(crashes_before_quarantine=2)


async def test_batch_counts_as_handled_when_it_is_and_not_when_a_note_before_it_is(
    autojump_clock: MockClock,
) -> None:
    worker = Worker(seconds_a_note=2.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.run)
        await until(0.0)
        worker.desk.post(Due())  # handled from 0 to 2, the batch from 2 to 4
        await worker.inbox.send("one")
        for second, handled in ((1.0, 0), (3.0, 0), (5.0, 1)):
            await until(second)
            assert handled == worker.inbox.statistics().handled
        worker.inbox.close()


async def test_full_actor_leaves_the_mail_in_the_mailbox(autojump_clock: MockClock) -> None:
    worker = Worker(is_full=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.run)
        for number in range(3):
            await worker.inbox.send(f"{number}")
            await until(1.0 + number)
        assert [(0.0, ("mail", "0"))] == worker.notes  # nothing more after the first batch
        worker.is_full = False
        worker.desk.post(Due())
        await until(5.0)
        worker.inbox.close()
    assert [("mail", "0"), ("due",), ("mail", "1", "2")] == [what for _, what in worker.notes]


async def test_timer_comes_once_and_the_later_setting_counts(autojump_clock: MockClock) -> None:
    worker = Worker()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.run)
        await until(0.0)
        worker.desk.set_timer(Due(), 10.0)
        await until(5.0)
        worker.desk.set_timer(Due(), 10.0)
        await until(100.0)
        assert [(15.0, ("due",))] == worker.notes
        worker.desk.set_timer(Due(), 10.0)
        worker.desk.stop_timer(Due)
        await until(200.0)
        worker.inbox.close()
    assert 1 == len(worker.notes)


async def test_what_comes_soon_after_a_batch_collects_for_a_rest(autojump_clock: MockClock) -> None:
    inbox: Mailbox[int] = Mailbox("worker", capacity=100)
    taken: list[tuple[float, list[int]]] = []

    async def take_mail() -> None:
        async with open_desk(inbox, 3, rest_seconds=0.5) as desk:
            while isinstance(note := await desk.take_note(), MailTaken):
                taken.append((trio.current_time(), list(note.messages)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_mail)
        for second, number in ((1.0, 1), (1.1, 2), (1.2, 3), (3.0, 4)):
            await until(second)
            await inbox.send(number)
        await trio.testing.wait_all_tasks_blocked()
        assert (4, 0) == (inbox.statistics().handled, inbox.depth)  # a crash offers none again
        await until(5.0)
        await inbox.send_all(range(5, 12))  # full batches follow one another
        await until(5.1)
        inbox.close()
    late = [(5.0, [5, 6, 7]), (5.0, [8, 9, 10]), (5.0, [11])]
    assert [(1.0, [1]), (1.5, [2, 3]), (3.0, [4]), *late] == taken
    assert 5.5 == trio.current_time()
