"""An actor's desk: its mail, its timers and the outcomes of its calls, one note at a time.

    inbox, timers, Caller  ->  Desk  ->  the actor handles one note after the other

An actor that awaited a store in its loop would hold back everything behind that call. So the call
is made beside the loop, by a `Caller`, and its outcome comes back as a note like any other. The
actor's state is touched by nothing but the handling of a note, and handling never waits for a
store: no two changes of the state can interleave, and no slow call holds back the mail.

Every kind of note is bounded: one batch of mail, one a timer, one a call that was asked for.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import trio
from attrs import define, field, frozen

from domain.backoff import Backoff
from supervision import Inbox
from supervision.batches import receive_batches
from supervision.environment import Conditions

Message = TypeVar("Message")
Result = TypeVar("Result")


@frozen
class MailTaken(Generic[Message]):
    """A batch from the inbox. It counts as handled when the actor is done with this note."""

    messages: Sequence[Message]


@frozen
class MailEnded:
    """The inbox is closed and empty: a drain."""


@frozen
class CallEnded:
    """A call has ended in one of the ways that its caller expects."""

    deliver: Callable[[], None]  # give the outcome to whoever asked for the call


@define(eq=False)
class Desk:
    """The notes of one actor, in the order in which they came; made by `open_desk`."""

    nursery: trio.Nursery  # of the actor: timers and calls end with it
    takes_mail: bool = field(init=False, default=True)  # False: the inbox keeps what comes
    _is_mail_in_hand: bool = field(init=False, default=False)
    _in: trio.MemorySendChannel[Any] = field(init=False)
    _out: trio.MemoryReceiveChannel[Any] = field(init=False)
    _timers: dict[type, trio.CancelScope] = field(init=False, factory=dict)
    _mail_wanted: trio.Event = field(init=False, factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self._in, self._out = trio.open_memory_channel(math.inf)  # bounded as said above

    def post(self, note: object) -> None:
        """Put a note behind those that are there."""
        self._in.send_nowait(note)

    async def take_note(self) -> Any:
        """Wait for the next note. Coming for it tells that the one before is handled."""
        if self._is_mail_in_hand and self.takes_mail:
            self._is_mail_in_hand = False
            self._mail_wanted.set()
        note = await self._out.receive()
        if isinstance(note, MailTaken):
            self._is_mail_in_hand = True
        return note

    # Mail.

    async def bring_mail(
        self, inbox: Inbox[Any], batch_messages: int, rest_seconds: float = 0.0
    ) -> None:
        """Post a batch, wait until it is handled and more is wanted, post the next.

        What comes after a quiet time is posted at once; what comes within the rest after that
        collects in the inbox, where messages may take each other's place, and is one batch.
        """
        async for messages in receive_batches(inbox, batch_messages):
            self._mail_wanted = trio.Event()
            self.post(MailTaken(messages))
            await self._mail_wanted.wait()
            if rest_seconds and len(messages) < batch_messages:
                inbox.mark_handled()
                await trio.sleep(rest_seconds)
        self.post(MailEnded())

    # Timers.

    def set_timer(self, note: object, after_seconds: float) -> None:
        """Post the note after so long; it replaces the timer of the same kind of note."""
        self.stop_timer(type(note))
        scope = self._timers[type(note)] = trio.CancelScope()
        self.nursery.start_soon(self._post_later, note, after_seconds, scope)

    def stop_timer(self, kind: type) -> None:
        """Let no note of this kind come any more, but for one that is posted already."""
        if (scope := self._timers.pop(kind, None)) is not None:
            scope.cancel()

    async def _post_later(
        self, note: object, after_seconds: float, scope: trio.CancelScope
    ) -> None:
        with scope:
            await trio.sleep(after_seconds)
            self.post(note)


@asynccontextmanager
async def open_desk(
    inbox: Inbox[Any], batch_messages: int, *, rest_seconds: float = 0.0
) -> AsyncIterator[Desk]:
    """A desk for one life of an actor; what is still under way at its end is cancelled."""
    async with trio.open_nursery() as nursery:
        desk = Desk(nursery)
        nursery.start_soon(desk.bring_mail, inbox, batch_messages, rest_seconds)
        yield desk
        nursery.cancel_scope.cancel()


@define(eq=False, kw_only=True)
class Retry:
    """The waits after the failures of one conversation with a store; a note ends each."""

    desk: Desk
    due: object  # the note
    backoff: Backoff
    is_waiting: bool = field(default=False, init=False)

    def begin_wait(self) -> None:
        """An attempt has failed: the next one is after the note, which calls `end_wait`."""
        self.is_waiting = True
        self.desk.set_timer(self.due, self.backoff.next_wait_seconds())

    def end_wait(self) -> None:
        """It is time for the next attempt."""
        self.is_waiting = False

    def note_success(self) -> None:
        """An attempt has succeeded: the next wait is a first one again."""
        self.backoff.reset()


@define(eq=False, kw_only=True)
class Caller:
    """Calls one store beside the actor's loop, one call at a time, in the order asked for.

    The outcome of a call is handled before the next call begins. Every outcome is reported under
    the store's name, so that its absence is told once, whoever meets it.
    """

    desk: Desk
    name: str  # of the store, as outages name it
    reporter: str  # the actor
    conditions: Conditions
    expected: type[Exception]  # the store does not answer; any other error ends the actor
    last_asked_at: float = field(init=False, default=-math.inf)  # trio's clock
    is_away: bool = field(init=False, default=False)  # as its last call has found
    _in: trio.MemorySendChannel[Any] = field(init=False)
    _out: trio.MemoryReceiveChannel[Any] = field(init=False)

    def __attrs_post_init__(self) -> None:
        # It holds one call a conversation: each waits for the outcome before it asks again.
        self._in, self._out = trio.open_memory_channel(math.inf)
        self.desk.nursery.start_soon(self._make_calls)

    def ask(
        self,
        call: Callable[[], Awaitable[Result]],
        then: Callable[[Result], None],
        otherwise: Callable[[Any], None],
    ) -> None:
        """Make the call after those before it; hand its result or expected error to the actor."""
        self.last_asked_at = trio.current_time()
        self._in.send_nowait((call, then, otherwise))

    async def _make_calls(self) -> None:
        async for call, then, otherwise in self._out:
            try:
                outcome = await call()
            except self.expected as error:
                await self._report(otherwise, error, str(error))
            else:
                await self._report(then, outcome, None)

    async def _report(
        self, deliver: Callable[[Any], None], outcome: Any, problem: str | None
    ) -> None:
        handled = trio.Event()

        def deliver_outcome() -> None:
            self.is_away = problem is not None
            self.conditions.report_outage(self.name, self.reporter, problem)
            handled.set()
            deliver(outcome)

        self.desk.post(CallEnded(deliver_outcome))
        await handled.wait()
