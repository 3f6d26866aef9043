"""Properties of mailboxes under any sequence of sends, receives, crashes and cancellations.

Every message carries the numbers of all messages conflated into it, so that what is handed
out can be held against what was sent.
"""

from collections import Counter
from typing import Any

import trio
from attrs import Factory, define, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from supervision.mailbox import Mailbox
from supervision.policies import BLOCK, DROP_OLDEST, Conflate, Policy

CAPACITY = 2
CRASHES_BEFORE_QUARANTINE = 3
LONGEST_BATCH = 5


Step = tuple[Any, ...]  # the name of a method of Machine, and its arguments


@frozen
class Note:
    key: int | None
    numbers: tuple[int, ...]


def key_of(note: Note) -> int | None:
    return note.key


def joined(older: Note, newer: Note) -> Note:
    return Note(older.key, older.numbers + newer.numbers)


POLICIES: list[Policy[Note]] = [
    BLOCK,
    DROP_OLDEST,
    Conflate(key=key_of, combine=joined),
    Conflate(key=key_of, combine=joined, when_full="drop-oldest"),
]

keys = st.none() | st.integers(0, 1)
send = st.tuples(st.just("send"), st.lists(keys, min_size=1, max_size=4))
receive = st.tuples(st.just("receive"), st.integers(1, LONGEST_BATCH))
crash = st.just(("crash",))
others = ("done", "cancel_send", "cancel_receive")  # every program ends with close
other = st.tuples(st.sampled_from(others))
# Mostly sends and receives: a mailbox that is never full has little to get wrong.
programs = st.lists(st.one_of(send, receive, crash, other), min_size=10, max_size=60)


@define
class Machine:
    """One mailbox, its senders as tasks of their own, and what a careful reader notes down."""

    mailbox: Mailbox[Note]
    nursery: trio.Nursery
    next_number: int = 0
    accepted: set[int] = Factory(set)  # their send returned, before the mailbox was closed
    handled: list[Note] = Factory(list)  # in order
    suspects: list[Note] = Factory(list)  # in hand at a crash
    waiting: dict[int, trio.CancelScope] = Factory(dict)
    closed: bool = False
    in_hand: list[Note] = field(factory=list)

    async def take(self, step: Step) -> None:
        name, *arguments = step
        await getattr(self, name)(*arguments)
        await wait_all_tasks_blocked()
        self.check()

    def check(self) -> None:
        now = self.mailbox.statistics()
        ended = now.handled + now.conflated + now.dropped + now.quarantined
        assert now.sent == ended + now.depth
        assert now.in_hand == len(self.in_hand)
        assert now.senders_waiting == len(self.waiting)
        # What a crash puts back may stand above the capacity: at most one batch.
        assert now.depth - now.in_hand <= CAPACITY + LONGEST_BATCH

    async def send(self, keys: list[int | None]) -> None:
        for key in keys:
            self.nursery.start_soon(self._send, Note(key, (self.next_number,)))
            self.next_number += 1
            await wait_all_tasks_blocked()  # so that the numbers are in the order of sending

    async def _send(self, note: Note) -> None:
        number = note.numbers[0]
        with trio.CancelScope() as scope:
            self.waiting[number] = scope
            await self.mailbox.send(note)
            if not self.closed:
                self.accepted.add(number)
        del self.waiting[number]

    async def cancel_send(self) -> None:
        for scope in list(self.waiting.values())[:1]:
            scope.cancel()

    async def receive(self, limit: int) -> None:
        self.acknowledge()
        with trio.move_on_after(1):  # mock seconds: an empty mailbox is given up at once
            try:
                self.in_hand = await self.mailbox.receive_batch(limit)
            except trio.EndOfChannel:
                assert self.closed
        assert len(self.in_hand) <= limit
        assert len(self.in_hand) == 1 or not any(note in self.suspects for note in self.in_hand)

    async def cancel_receive(self) -> None:
        self.acknowledge()
        with trio.CancelScope() as scope:
            scope.cancel()
            await anext(self.mailbox)

    def acknowledge(self) -> None:
        self.handled += self.in_hand
        self.in_hand = []

    async def done(self) -> None:
        self.mailbox.mark_handled()
        self.acknowledge()

    async def crash(self) -> None:
        self.mailbox.offer_again(crashes_before_quarantine=CRASHES_BEFORE_QUARANTINE)
        self.suspects += self.in_hand
        self.in_hand = []

    async def close(self) -> None:
        self.closed = True
        self.mailbox.close()

    async def finish(self) -> None:
        await self.take(("done",))
        await self.take(("close",))
        while self.mailbox.statistics().depth:
            await self.take(("receive", LONGEST_BATCH))
            await self.take(("done",))


@settings(max_examples=200)
@given(policy=st.sampled_from(POLICIES), program=programs)
def test_counters_balance_and_nothing_is_lost_twice_or_overtaken(
    policy: Policy[Note], program: list[Step]
) -> None:
    async def scenario() -> None:
        async with trio.open_nursery() as nursery:
            machine = Machine(Mailbox("notes", capacity=CAPACITY, policy=policy), nursery)
            for step in program:
                await machine.take(step)
            await machine.finish()
            hold_to_what_was_sent(machine)

    trio.run(scenario, clock=MockClock(autojump_threshold=0))


def hold_to_what_was_sent(machine: Machine) -> None:
    """Every accepted number was handled or quarantined once, in order within its key.

    Only a dropping mailbox may miss some.
    """
    ended = [*machine.handled, *machine.mailbox.quarantine]
    times = Counter(number for note in ended for number in note.numbers)
    assert all(count == 1 for count in times.values())
    assert times.keys() <= machine.accepted
    if machine.mailbox.policy.when_full != "drop-oldest":
        assert times.keys() == machine.accepted
    for key in {note.key for note in machine.handled}:
        numbers = [number for note in machine.handled if note.key == key for number in note.numbers]
        assert sorted(numbers) == numbers
