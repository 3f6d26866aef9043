"""The supervisor: runs the children, restarts those that fail, drains them upstream first.

    ChildSpec ... in flow order  ->  Supervisor.run  ->  returns after a drain, or raises

Let it crash (Armstrong, "Making reliable distributed systems in the presence of software
errors", 2003, and OTP's supervisor behaviour): an actor that raises, or returns unasked, is
built anew, alone; its mailboxes survive and offer again what it had in hand.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import trio
from attrs import asdict, define, field

from config.settings import ShutdownSettings, SupervisionSettings
from domain.backoff import Backoff
from domain.errors import ActorReturned, ExitingError, RestartIntensityExceeded, ValuesNotSaved
from supervision.child import Child, State
from supervision.children import ChildSpec
from supervision.description import describe_value
from supervision.dump import Dump, Moment, dump_children
from supervision.environment import Environment
from supervision.failures import Failure, describe_failure
from supervision.heartbeat import Heartbeat

# Parts of the shutdown deadline. The first children to be drained leave a quarter of it to the
# later ones; the process needs the last 0.3 s, or a twentieth if that is less, to end.
DRAIN_RESERVE_SHARE = 0.25
LEAVING_SECONDS = 0.3
LEAVING_SHARE = 0.05
UNSTARTED_DRAIN_SECONDS = 1.0  # for a service that was never ready: it has nothing to finish


@define(eq=False)
class Supervisor:
    """Children in flow order, each restarted alone when it fails."""

    specs: Sequence[ChildSpec]
    settings: SupervisionSettings
    shutdown: ShutdownSettings
    environment: Environment
    on_drain: Callable[[], object] = lambda: None  # called once, whatever began the drain
    leave_at_once: Callable[[int], object] = os._exit  # for an actor that cannot be ended
    has_started: Callable[[], bool] = lambda: True  # the service has been ready once
    # Told of each quarantined message: its mailbox, itself, and how it crashed its reader.
    on_quarantined: Callable[[str, Any, Failure | None], object] = lambda *_: None
    # What would be lost if the process ended now, and how much of it; empty: nothing.
    unsaved: Callable[[], Mapping[str, int]] = dict
    heartbeat: Heartbeat = field(factory=Heartbeat)  # of the loop that all this runs in
    children: list[Child] = field(init=False)
    _draining: trio.Event = field(init=False, factory=trio.Event)
    _drain_seconds: float = field(init=False, default=0.0)
    _deadline: float = field(init=False, default=0.0)  # of the drain, on trio's clock
    _fatal: ExitingError | None = field(init=False, default=None)
    _started_at: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        names = [spec.name for spec in self.specs]
        inboxes = [id(mailbox) for spec in self.specs for mailbox in spec.inboxes]
        if len(set(names)) < len(names) or len(set(inboxes)) < len(inboxes):
            raise ValueError("every child has its own name, and every mailbox one reader")
        self.children = [Child(spec) for spec in self.specs]

    async def run(self) -> None:
        """Serve until a drain is finished; raise the `ExitingError` that made it necessary."""
        self._started_at = trio.current_time()
        async with trio.open_nursery() as nursery:
            for child in self.children:
                await nursery.start(self._keep_running, child)
            await self._draining.wait()
            await self._drain_children()
        if self._fatal is not None:
            raise self._fatal

    def begin_drain(self) -> None:
        """Begin to drain, inside the shutdown deadline; harmless when already begun."""
        if self.is_draining:
            return
        self._drain_seconds = self.shutdown.deadline_seconds
        if not self.has_started():
            self._drain_seconds = min(self._drain_seconds, UNSTARTED_DRAIN_SECONDS)
        self._deadline = trio.current_time() + self._drain_seconds
        self._draining.set()
        self._log.info("draining", deadline_seconds=self._drain_seconds)
        self.on_drain()

    @property
    def is_draining(self) -> bool:
        return self._draining.is_set()

    @property
    def is_sound(self) -> bool:
        """True until a child has been given up."""
        return self._fatal is None

    def take_dump(self) -> Dump:
        """Every actor, every mailbox and the process, at this moment.

        Another thread may take it while the event loop is blocked: it reads, and calls nothing of
        the loop's.
        """
        now = self.environment.loop_clock()
        moment = Moment(
            taken_at=self.environment.clock(), now=now, uptime_seconds=now - self._started_at
        )
        event_loop = self.heartbeat.describe_loop()
        return dump_children(self.children, moment, event_loop, is_draining=self.is_draining)

    # A child's lives.

    async def _keep_running(self, child: Child, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        while not child.ended.is_set():
            if child.stopping:
                child.end(State.STOPPED)
            else:
                await self._follow_end(child, await child.run_actor())

    async def _follow_end(self, child: Child, error: Exception | None) -> None:
        """The actor has ended: end the child, or wait for its next start."""
        if error is None and not child.stopping:
            if child.closing:
                child.mark_messages_handled()
                if not child.count_messages_left():
                    child.end(State.DRAINED)
                    return
            error = ActorReturned()  # unasked, or with messages in one of its inboxes
        if error is not None:
            self._note_failure(child, error)
        if isinstance(error, ExitingError):
            self._give_up(child, error)
        elif child.stopping:
            child.end(State.STOPPED)
        else:
            await self._prepare_restart(child)

    async def _prepare_restart(self, child: Child) -> None:
        """Put back what the child had in hand and wait; or give it up if it fails too often."""
        self._offer_again(child)
        failures = child.count_failure(self.settings.restart_window_seconds)
        if failures > self.settings.restarts:
            message = f"{child.spec.name} failed {failures} times; last: {child.last_failure}"
            self._give_up(child, RestartIntensityExceeded(message))
        else:
            child.restarts += 1
            await self._back_off(child, failures)

    async def _back_off(self, child: Child, failures: int) -> None:
        """Wait before the next start; not during a drain, which has no time to lose."""
        backoff = Backoff(
            first_seconds=self.settings.backoff_seconds,
            longest_seconds=self.settings.backoff_longest_seconds,
            random=self.environment.random,
        )
        backoff.attempts = failures - 1  # only those within the window make the wait longer
        wait_seconds = backoff.next_wait_seconds()
        child.state = State.BACKING_OFF
        if not self.is_draining:
            self._log.info("restarting actor", actor=child.spec.name, after_seconds=wait_seconds)
        with trio.move_on_after(wait_seconds):
            await self._draining.wait()

    def _give_up(self, child: Child, error: ExitingError) -> None:
        self._log.critical("giving up", actor=child.spec.name, error=str(error))
        self._fatal = self._fatal or error
        child.end(State.FAILED)
        self.begin_drain()

    def _note_failure(self, child: Child, error: Exception) -> None:
        child.last_failure = describe_failure(error, self.environment.clock())
        self._log.error("actor failed", actor=child.spec.name, **asdict(child.last_failure))

    def _offer_again(self, child: Child) -> None:
        limit = self.settings.crashes_before_quarantine
        for mailbox in child.spec.inboxes:
            for message in mailbox.offer_again(crashes_before_quarantine=limit):
                shown = describe_value(message)
                self._log.error("message quarantined", mailbox=mailbox.name, message=shown)
                self.on_quarantined(mailbox.name, message, child.last_failure)

    # The drain.

    async def _drain_children(self) -> None:
        """Drain the children one after another, upstream first, and say how it ended."""
        count = len(self.children)
        reserve_seconds = DRAIN_RESERVE_SHARE * self._drain_seconds / max(count, 1)
        for number, child in enumerate(self.children):
            reserved_seconds = reserve_seconds * (count - number)  # for it and those after it
            await self._drain_child(child, self._deadline - reserved_seconds, reserve_seconds)
        leaving_seconds = min(LEAVING_SECONDS, LEAVING_SHARE * self._drain_seconds)
        with trio.move_on_at(self._deadline - leaving_seconds):
            for child in self.children:
                await child.ended.wait()
        self._report_drain()
        self._leave_if_stuck()

    async def _drain_child(self, child: Child, until: float, reserve_seconds: float) -> None:
        """Let a child finish until then, cancel it after that."""
        child.begin_drain()
        if child.spec.inboxes:
            with trio.move_on_at(until):
                await child.ended.wait()
                return
            left = child.count_messages_left()
            self._log.warning("actor did not finish in time", actor=child.spec.name, left=left)
        child.stop()  # a source holds nothing and needs no time
        # Half of its reserve: one that is stuck must not take the time of those after it.
        with trio.move_on_after(reserve_seconds / 2):
            await child.ended.wait()

    def _report_drain(self) -> None:
        """Log how the drain ended; if anything is unsaved, the process is to end with 69."""
        left: dict[str, int] = {}
        for child in self.children:
            left |= child.count_messages_left()
        unsaved = dict(self.unsaved())
        # A service that was never ready has promised to keep nothing.
        if not unsaved or not self.has_started():
            self._log.info("drained", left=left)
            return
        self._log.error("drain incomplete", unsaved=unsaved, left=left)
        self._fatal = self._fatal or ValuesNotSaved(unsaved)

    def _leave_if_stuck(self) -> None:
        """End the process at once if an actor did not end: nothing else would end it in time."""
        stuck = [child.spec.name for child in self.children if not child.ended.is_set()]
        if not stuck:
            return
        # What ignores a cancellation is a thread that waits for a store which does not answer.
        exit_code = self._fatal.exit_code if self._fatal is not None else 0
        self._log.critical(
            "leaving with actors that ignore their cancellation", actors=stuck, exit_code=exit_code
        )
        self.leave_at_once(exit_code)

    @property
    def _log(self) -> Any:
        return self.environment.log
