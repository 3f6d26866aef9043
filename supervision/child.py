"""One child at run time: its lives, its state, and the ways to end it.

running --failed--> backing-off --> running ...
running --drain--> draining --returned--> drained,  or --cancelled--> stopped
"""

from collections import deque
from enum import Enum

import trio
from attrs import define, field

from domain.errors import ActorReturned
from supervision import Actor
from supervision.children import ChildSpec
from supervision.failures import Failure, unwrap_error


class State(Enum):
    """What a child is doing, as dumps say it."""

    RUNNING = "running"
    BACKING_OFF = "backing-off"  # it failed, and waits for its next start
    DRAINING = "draining"  # its inboxes are closed, it works off what is there
    DRAINED = "drained"  # returned with its inboxes empty
    STOPPED = "stopped"  # cancelled for good
    FAILED = "failed"  # given up


@define(eq=False)
class Child:
    """A child spec and what became of it."""

    spec: ChildSpec
    actor: Actor | None = None  # of the present or last life
    state: State = State.RUNNING
    started_at: float = 0.0  # on trio's clock; of the present life
    restarts: int = 0
    last_failure: Failure | None = None
    ended: trio.Event = field(init=False, factory=trio.Event)
    failed_at: deque[float] = field(init=False, factory=deque)  # within the restart window

    # How it is to end. A closing child may return; a stopping one is cancelled.
    closing: bool = field(init=False, default=False)
    stopping: bool = field(init=False, default=False)
    _scope: trio.CancelScope | None = field(init=False, default=None)

    async def run_actor(self) -> Exception | None:
        """Build the actor and run it once; the error that ended it, None if it returned.

        The nursery is a fence: a cancellation that leaks from elsewhere ends it silently and
        must not end the supervisor.
        """
        returned = False
        error: Exception | None = None

        async def serve() -> None:
            nonlocal returned
            self.actor = self.spec.build_actor()
            await self.actor.run()
            returned = True

        self.started_at = trio.current_time()
        self.state = State.DRAINING if self.closing else State.RUNNING
        try:
            async with trio.open_nursery() as nursery:
                self._scope = nursery.cancel_scope
                nursery.start_soon(serve, name=self.spec.name)
        except* Exception as group:
            error = unwrap_error(group)
        finally:
            self._scope = None
        if error is None and not (returned or self.stopping):
            return ActorReturned("A cancellation that leaked from elsewhere ended the actor.")
        return error

    @property
    def is_alive(self) -> bool:
        """True while its actor runs."""
        return self._scope is not None

    # Ending it.

    def begin_drain(self) -> None:
        """Close its inboxes: it is to handle what is in them, and return."""
        self.closing = True
        if self.state is State.RUNNING:
            self.state = State.DRAINING
        self._close_inboxes()

    def stop(self) -> None:
        """Cancel its actor; there is no next start."""
        self.stopping = True
        if self._scope is not None:
            self._scope.cancel()

    def end(self, state: State) -> None:
        """Record that there is no next start, and let nobody wait to send to it any more."""
        self.state = state
        self._close_inboxes()
        self.ended.set()

    def _close_inboxes(self) -> None:
        for mailbox in self.spec.inboxes:
            mailbox.close()

    # Its messages.

    def mark_messages_handled(self) -> None:
        """Its actor returned, so it has handled what it had in hand."""
        for mailbox in self.spec.inboxes:
            mailbox.mark_handled()

    def count_messages_left(self) -> dict[str, int]:
        """How many messages are in each of its inboxes that is not empty."""
        depths = {mailbox.name: mailbox.statistics().depth for mailbox in self.spec.inboxes}
        return {name: depth for name, depth in depths.items() if depth}

    def count_failure(self, window_seconds: float) -> int:
        """Record a failure now; how many there have been within the window."""
        now = trio.current_time()
        self.failed_at.append(now)
        while self.failed_at[0] <= now - window_seconds:
            self.failed_at.popleft()
        return len(self.failed_at)
