"""Bounded mailboxes: how actors talk, and what survives when one of them crashes.

    sender --send--> [returned | waiting] --receive--> in hand --next receive--> handled

One mailbox has any number of senders and ONE reader. What the reader was given stays in hand
until it comes back for more; when it crashes instead, its supervisor has the mailbox offer it
again. A crash in the middle of a batch does not tell which message caused it, so returned
messages are handed out one at a time, and each that crashes its reader too often is quarantined.

At any moment: sent == handled + conflated + dropped + quarantined + depth.

The hand-over from waiting senders follows trio's own memory channel (trio/_channel.py).
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, Self, TypeVar

import trio
from attrs import asdict, define, field
from outcome import capture

from supervision.description import describe_value
from supervision.mailbox_statistics import MailboxCounters, MailboxStatistics
from supervision.policies import BLOCK, Conflate, Policy

M = TypeVar("M")

QUARANTINE_KEPT = 100  # newest quarantined messages kept for a look; all are counted


@define(eq=False)
class _Entry(Generic[M]):
    message: M
    sent_at: float  # trio's clock; of the oldest message conflated into this one
    key: Hashable | None
    crashes: int = 0  # of readers that had it in hand
    tell: Callable[[bool], object] | None = None  # whether it was handled, or dropped


@define(eq=False)
class Mailbox(trio.abc.SendChannel[M], trio.abc.ReceiveChannel[M]):
    """A memory channel that counts its messages. Use `Outbox` and `Inbox` as types in actors.

    It is both ends of the channel. It differs from trio's own in three things: a policy says
    what happens when it is full, a received message stays in hand until the reader comes back,
    and sending to a closed mailbox counts the message as dropped instead of raising.

    `capacity` bounds what waits; in hand may be one batch more, which a crash puts back on top.
    """

    name: str
    capacity: int = field(kw_only=True)
    policy: Policy[M] = field(default=BLOCK, kw_only=True)
    quarantine: deque[M] = field(init=False, factory=lambda: deque(maxlen=QUARANTINE_KEPT))

    # Messages, oldest first: in hand, then returned by a crash, then waiting.
    _in_hand: deque[_Entry[M]] = field(init=False, factory=deque)
    _returned: deque[_Entry[M]] = field(init=False, factory=deque)
    _waiting: deque[_Entry[M]] = field(init=False, factory=deque)
    _waiting_by_key: dict[Hashable, _Entry[M]] = field(init=False, factory=dict)

    # Tasks.
    _senders: OrderedDict[trio.lowlevel.Task, tuple[M, Hashable | None]] = field(
        init=False, factory=OrderedDict
    )
    _reader: trio.lowlevel.ParkingLot = field(init=False, factory=trio.lowlevel.ParkingLot)
    _reading: bool = field(init=False, default=False)
    _closed: bool = field(init=False, default=False)

    _counters: MailboxCounters = field(init=False, factory=MailboxCounters)
    _untold: int = field(init=False, default=0)  # entries here of which somebody is to be told
    _key: Callable[[M], Hashable | None] | None = field(init=False)  # None: nothing is conflated

    def __attrs_post_init__(self) -> None:
        # Not an attrs validator: that would slow down every assignment to any attribute.
        if self.capacity < 1:
            raise ValueError(f"mailbox {self.name} needs room for at least one message")
        self._key = self.policy.key if isinstance(self.policy, Conflate) else None

    # Sending.

    async def send(self, message: M) -> None:
        """Put a message by the policy; only where that says "block" does it ever wait.

        A closed mailbox counts the message as dropped. A cancelled send has sent nothing.
        """
        await self.send_all((message,))

    async def send_all(self, messages: Iterable[M]) -> None:
        """Put each message as `send` does, with one checkpoint before the first is asked for.

        A checkpoint costs ten times what a message does, and the clock is read once. When
        cancelled in the middle, the messages before are sent.
        """
        await trio.lowlevel.checkpoint()
        now = trio.current_time()
        for message in messages:
            try:
                self._put(message, now)
            except trio.WouldBlock:
                await self._wait_for_room(message)
                now = trio.current_time()

    def send_nowait(self, message: M) -> None:
        """As `send`, in the same instant; `trio.WouldBlock` where that would wait."""
        self._put(message, trio.current_time())

    def close(self) -> None:
        """No more messages: the reader gets `trio.EndOfChannel` once it has had the rest.

        Senders that wait, and those that come later, count their message as dropped.
        """
        self._closed = True
        for task in self._senders:
            trio.lowlevel.reschedule(task)
        self._counters.sent += len(self._senders)
        self._counters.dropped += len(self._senders)
        self._senders.clear()
        self._reader.unpark()

    async def aclose(self) -> None:
        """As `close`, with a checkpoint."""
        self.close()
        await trio.lowlevel.checkpoint()

    # Receiving.

    async def receive(self) -> M:
        """Wait for a message and take it; the one before it counts as handled.

        `trio.EndOfChannel` once closed and empty. Cancelling it loses nothing.
        """
        await self._wait_for_message()
        return self._take_oldest()

    async def receive_batch(self, limit: int) -> list[M]:
        """Wait for a message, then take up to `limit` that are there.

        `trio.EndOfChannel` once closed and empty. Nothing is in hand before this returns, so
        that cancelling it loses nothing; afterwards, a crash of the reader offers it again.
        """
        if limit < 1:
            raise ValueError("a batch has at least one message")
        await self._wait_for_message()
        return self._take_batch(limit)

    def __aiter__(self) -> Self:
        """Every message until the mailbox is closed and empty."""
        return self

    # The same as in the base class, which would await one coroutine more for each message.
    async def __anext__(self) -> M:
        try:
            await self._wait_for_message()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
        return self._take_oldest()

    def mark_handled(self) -> None:
        """Count what is in hand as handled; a crash will not offer it again."""
        self._counters.handled += len(self._in_hand)
        if self._untold:
            for entry in self._in_hand:
                self._tell_of(entry, is_handled=True)
        self._in_hand.clear()

    # Surviving the reader.

    def offer_again(self, *, crashes_before_quarantine: int) -> list[M]:
        """The reader crashed: put what it had in hand back in front, to be received one by one.

        Returns the messages that have now been in hand at so many crashes: they go to
        quarantine instead, where the newest 100 are kept.
        """
        for entry in self._in_hand:
            entry.crashes += 1
        poison = [e.message for e in self._in_hand if e.crashes >= crashes_before_quarantine]
        self._untold -= sum(
            e.tell is not None and e.crashes >= crashes_before_quarantine for e in self._in_hand
        )
        innocent = [e for e in self._in_hand if e.crashes < crashes_before_quarantine]
        self._in_hand.clear()
        self._returned.extendleft(reversed(innocent))
        self._counters.quarantined += len(poison)
        self.quarantine.extend(poison)
        return poison

    def return_message(self, message: M, *, crashes: int, tell: Callable[[bool], object]) -> None:
        """Put a message back in front, to be received alone, that has crashed its reader so often.

        `tell` is called once: with True when it was handled, with False when it was dropped for
        want of room; not at all when it goes to quarantine again. `trio.WouldBlock` while the
        mailbox is full, or closed.
        """
        if self._closed or self._is_full():
            raise trio.WouldBlock
        self._returned.append(_Entry(message, trio.current_time(), None, crashes, tell))
        self._untold += 1
        self._counters.sent += 1
        if self._reader:
            self._reader.unpark()

    # Looking.

    @property
    def depth(self) -> int:
        """Messages that wait or are in hand."""
        return len(self._in_hand) + len(self._returned) + len(self._waiting)

    @property
    def miscount(self) -> int:
        """By how much the accounts are off: 0, unless this class has a mistake."""
        return self._counters.count_open() - self.depth

    def statistics(self, now: float | None = None) -> MailboxStatistics:
        """Counters and depths; whoever is outside of trio gives the time `now` on its clock."""
        oldest = [queue[0].sent_at for queue in self._all_queues() if queue]
        now = trio.current_time() if now is None else now
        return MailboxStatistics(
            name=self.name,
            policy=self.policy.name,
            capacity=self.capacity,
            depth=self.depth,
            in_hand=len(self._in_hand),
            **asdict(self._counters),
            oldest_age_seconds=now - min(oldest) if oldest else 0.0,
            senders_waiting=len(self._senders),
            receivers_waiting=len(self._reader),
        )

    def sample_messages(self, limit: int) -> list[object]:
        """The oldest `limit` messages as bounded JSON values without secrets."""
        entries = (entry for queue in self._all_queues() for entry in queue)
        return [
            describe_value(entry.message) for entry, _ in zip(entries, range(limit), strict=False)
        ]

    def _all_queues(self) -> tuple[deque[_Entry[M]], ...]:
        return self._in_hand, self._returned, self._waiting

    # Pure parts and hand-over.

    def _put(self, message: M, now: float) -> None:
        """Put one message, sent at `now`, by the policy; `trio.WouldBlock` where it would wait."""
        if self._closed:
            self._counters.sent += 1
            self._counters.dropped += 1
            return
        key = self._key(message) if self._key is not None else None
        if key is not None and self._can_conflate(key):
            self._conflate_into(self._waiting_by_key[key], message)
            return
        if self._is_full():
            self._make_room()
        self._add_entry(message, key, now)

    def _is_full(self) -> bool:
        return len(self._waiting) + len(self._returned) >= self.capacity

    def _can_conflate(self, key: Hashable) -> bool:
        # A sender that waits with the same key came earlier: it must not be overtaken.
        return key in self._waiting_by_key and not (
            self._senders and any(key == earlier for _, earlier in self._senders.values())
        )

    def _conflate_into(self, older: _Entry[M], message: M) -> None:
        combine = self.policy.combine if isinstance(self.policy, Conflate) else None
        older.message = message if combine is None else combine(older.message, message)
        self._counters.sent += 1
        self._counters.conflated += 1

    def _make_room(self) -> None:
        if self.policy.when_full == "block":
            raise trio.WouldBlock
        self._tell_of(self._pop_oldest(), is_handled=False)
        self._counters.dropped += 1

    def _tell_of(self, entry: _Entry[M], *, is_handled: bool) -> None:
        if entry.tell is not None:
            self._untold -= 1
            entry.tell(is_handled)

    def _add_entry(self, message: M, key: Hashable | None, now: float) -> None:
        entry = _Entry(message, now, key)
        self._waiting.append(entry)
        if key is not None:
            self._waiting_by_key[key] = entry
        self._counters.sent += 1
        if self._reader:
            self._reader.unpark()

    async def _wait_for_room(self, message: M) -> None:
        task = trio.lowlevel.current_task()
        self._senders[task] = message, self._key(message) if self._key is not None else None

        def abort(_: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
            del self._senders[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def _admit_senders(self) -> None:
        """Take over the messages of waiting senders, first come first served."""
        while self._senders:
            message, key = next(iter(self._senders.values()))
            older = self._waiting_by_key.get(key) if key is not None else None
            if older is None and self._is_full():
                return
            task, _ = self._senders.popitem(last=False)
            if older is None:
                self._add_entry(message, key, trio.current_time())
                trio.lowlevel.reschedule(task)
            else:
                # Should combining raise, that is the sender's error and not the reader's.
                trio.lowlevel.reschedule(task, capture(self._conflate_into, older, message))

    async def _wait_for_message(self) -> None:
        """A checkpoint; afterwards a message is there. What was in hand counts as handled."""
        if self._reading:
            raise trio.BusyResourceError(f"the one reader of {self.name} is already waiting")
        self.mark_handled()
        self._reading = True
        try:
            if self._waiting or self._returned or self._closed:
                # A drop-oldest send may meanwhile replace messages; nothing empties the mailbox.
                await trio.lowlevel.checkpoint()
            else:
                await self._reader.park()
        finally:
            self._reading = False
        if not (self._waiting or self._returned):
            raise trio.EndOfChannel

    def _take_batch(self, limit: int) -> list[M]:
        """What waits, up to `limit`; of what a crash has returned one at a time."""
        if self._returned:
            return [self._take_oldest()]
        waiting = self._waiting
        taken = [waiting.popleft() for _ in range(min(limit, len(waiting)))]
        if self._waiting_by_key:
            for entry in taken:
                if entry.key is not None:
                    del self._waiting_by_key[entry.key]
        self._in_hand.extend(taken)
        if self._senders:
            self._admit_senders()
        return [entry.message for entry in taken]

    def _take_oldest(self) -> M:
        entry = self._pop_oldest()
        self._in_hand.append(entry)
        if self._senders:
            self._admit_senders()
        return entry.message

    def _pop_oldest(self) -> _Entry[M]:
        if self._returned:
            return self._returned.popleft()
        entry = self._waiting.popleft()
        if entry.key is not None:
            del self._waiting_by_key[entry.key]
        return entry
