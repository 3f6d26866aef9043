"""One child at run time: its lives, its state, and the ways to end it.

held --released--> running --failed--> backing-off --> running ...
running --drain--> draining --returned--> drained,  or --cancelled--> stopped
"""

from collections import deque
from enum import Enum

import trio
from attrs import define, field

from domain.errors import ActorReturned
from supervision import Actor
from supervision.children import ChildSpec
from supervision.failures import Failure, root_cause


class State(Enum):
    """What a child is doing, as dumps say it."""

    HELD = "held"  # until an earlier child it is restarted with has restarted
    RUNNING = "running"
    BACKING_OFF = "backing-off"
    DRAINING = "draining"  # its inboxes are closed, it works off what is there
    DRAINED = "drained"  # returned with its inboxes empty
    STOPPED = "stopped"  # cancelled for good
    FAILED = "failed"  # given up


@define(eq=False)
class Child:
    """A child spec and what became of it."""

    spec: ChildSpec
    actor: Actor | None = None
    state: State = State.HELD
    started_at: float = 0.0  # on trio's clock; of the present life
    restarts: int = 0
    last_failure: Failure | None = None
    ended: trio.Event = field(init=False, factory=trio.Event)
    failed_at: deque[float] = field(init=False, factory=deque)  # within the restart window

    # How it is to end. Closing welcomes a return; stopping cancels; holding cancels for a while.
    closing: bool = field(init=False, default=False)
    stopping: bool = field(init=False, default=False)
    interrupted: bool = field(init=False, default=False)
    _holders: set[str] = field(init=False, factory=set)
    _held: trio.lowlevel.ParkingLot = field(init=False, factory=trio.lowlevel.ParkingLot)
    _scope: trio.CancelScope | None = field(init=False, default=None)

    async def live(self) -> Exception | None:
        """Run one life of the actor; the error that ended it, None if it returned or was stopped.

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

        self.interrupted = False
        self.started_at = trio.current_time()
        self.state = State.DRAINING if self.closing else State.RUNNING
        try:
            async with trio.open_nursery() as nursery:
                self._scope = nursery.cancel_scope
                nursery.start_soon(serve, name=self.spec.name)
        except* Exception as group:
            error = root_cause(group)
        finally:
            self._scope = None
        if error is None and not (returned or self.stopping or self.interrupted):
            return ActorReturned("A cancellation that leaked from elsewhere ended the actor.")
        return error

    @property
    def is_alive(self) -> bool:
        """True while its actor runs."""
        return self._scope is not None

    # Ending it.

    def close(self) -> None:
        """Close its inboxes: it is to work them off and return."""
        self.closing = True
        if self.state is State.RUNNING:
            self.state = State.DRAINING
        for mailbox in self.spec.inboxes:
            mailbox.close()

    def stop(self) -> None:
        """Cancel it for good."""
        self.stopping = True
        self._held.unpark_all()
        if self._scope is not None:
            self._scope.cancel()

    def end(self, state: State) -> None:
        """It is over; nobody will read its inboxes again, so nobody shall wait to send."""
        self.state = state
        for mailbox in self.spec.inboxes:
            mailbox.close()
        self.ended.set()

    # Restarting with an earlier child.

    def hold(self, holder: str) -> None:
        """Cancel this life; the next one waits until `holder` releases it."""
        self._holders.add(holder)
        self.interrupted = True
        if self._scope is not None:
            self._scope.cancel()

    def release(self, holder: str) -> None:
        """Let it start again, as far as `holder` is concerned."""
        self._holders.discard(holder)
        self._held.unpark_all()

    async def wait_released(self) -> None:
        """Until nobody holds it, or it is to stop."""
        while self._holders and not self.stopping:
            self.state = State.HELD
            await self._held.park()

    # Its messages.

    def finish_messages(self) -> bool:
        """It returned: what it had in hand is handled. True if its inboxes are empty, too."""
        for mailbox in self.spec.inboxes:
            mailbox.done()
        return not any(self.messages_left().values())

    def messages_left(self) -> dict[str, int]:
        """The depth of each of its inboxes."""
        return {mailbox.name: mailbox.statistics().depth for mailbox in self.spec.inboxes}

    def count_failure(self, window_seconds: float) -> int:
        """Note a failure now; how many there have been within the window."""
        now = trio.current_time()
        self.failed_at.append(now)
        while self.failed_at[0] <= now - window_seconds:
            self.failed_at.popleft()
        return len(self.failed_at)
