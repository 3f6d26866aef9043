"""The supervisor: runs the children, restarts those that fail, drains them upstream first.

    ChildSpec ... in flow order  ->  Supervisor.run  ->  returns after a drain, or raises

Let it crash (Armstrong, "Making reliable distributed systems in the presence of software
errors", 2003, and OTP's supervisor behaviour): an actor that raises, or returns unasked, is
built anew; its mailboxes survive and offer again what it had in hand.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import trio
from attrs import asdict, define, field

from domain.errors import (
    ActorReturned,
    ExitingError,
    RestartIntensityExceeded,
    ValuesNotSaved,
)
from supervision.child import Child, State
from supervision.children import ChildSpec, Restart, SupervisionSettings
from supervision.dump import dump_document
from supervision.environment import Environment
from supervision.failures import failure_of
from supervision.redaction import described

DRAIN_RESERVE = 0.25  # share of the deadline kept back from early children for the later ones
LEAVING_SECONDS = 0.3  # kept back to leave inside the deadline, at most a twentieth of it
UNSTARTED_DRAIN_SECONDS = 1.0  # of a service that was never ready: nobody was promised anything


@define(eq=False)
class Supervisor:
    """Children in flow order, under one-for-one or rest-for-one supervision."""

    specs: Sequence[ChildSpec]
    settings: SupervisionSettings
    environment: Environment
    on_drain: Callable[[], object] = lambda: None  # told once, whatever began the drain
    leave_at_once: Callable[[int], object] = os._exit  # for an actor that cannot be ended
    has_started: Callable[[], bool] = lambda: True  # the service has been ready once
    # What would be lost if the process ended now, and how much of it; empty: nothing.
    unsaved: Callable[[], Mapping[str, int]] = dict
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
                await nursery.start(self._keep, child)
            await self._draining.wait()
            await self._drain_children()
        if self._fatal is not None:
            raise self._fatal

    def drain(self) -> None:
        """Begin to drain, inside the shutdown deadline; harmless when already begun."""
        if self.is_draining:
            return
        self._drain_seconds = self.settings.shutdown_deadline_seconds
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

    def inspect(self) -> dict[str, object]:
        """The dump: every actor, every mailbox and the process as bounded JSON values."""
        return dump_document(
            self.children,
            taken_at=self.environment.clock(),
            uptime_seconds=trio.current_time() - self._started_at,
            is_draining=self.is_draining,
        )

    # A child's lives.

    async def _keep(self, child: Child, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        while not child.ended.is_set():
            await child.wait_released()
            if child.stopping:
                child.end(State.STOPPED)
                break
            self._release_later(child)
            await self._settle(child, await child.live())
        self._release_later(child)

    async def _settle(self, child: Child, error: Exception | None) -> None:
        """A life has ended: decide what comes after it."""
        if error is not None:
            self._note_failure(child, error)
        if child.stopping and isinstance(error, ExitingError):
            self._give_up(child, error)
        elif child.stopping:
            child.end(State.STOPPED)
        elif child.interrupted:
            for mailbox in child.spec.inboxes:
                mailbox.put_back()
        elif error is None and child.closing and child.finish_messages():
            child.end(State.DRAINED)
        else:
            await self._recover(child, error)

    async def _recover(self, child: Child, error: Exception | None) -> None:
        if error is None:
            self._note_failure(child, ActorReturned())
        self._reoffer(child)
        failures = child.count_failure(self.settings.restart_window_seconds)
        if isinstance(error, ExitingError):
            self._give_up(child, error)
        elif failures > self.settings.restarts:
            message = f"{child.spec.name} failed {failures} times; last: {child.last_failure}"
            self._give_up(child, RestartIntensityExceeded(message))
        else:
            child.restarts += 1
            self._hold_later(child)
            await self._back_off(child, failures)

    async def _back_off(self, child: Child, failures: int) -> None:
        """Wait before the next start; not during a drain, which has no time to lose."""
        longest = self.settings.backoff_longest_seconds
        seconds = min(longest, self.settings.backoff_seconds * 2.0 ** min(failures - 1, 30))
        seconds *= self.environment.random.uniform(0.5, 1.0)
        child.state = State.BACKING_OFF
        if not self.is_draining:
            self._log.info("restarting actor", actor=child.spec.name, after_seconds=seconds)
        with trio.move_on_after(seconds):
            await self._draining.wait()

    def _give_up(self, child: Child, error: ExitingError) -> None:
        self._log.critical("giving up", actor=child.spec.name, error=str(error))
        self._fatal = self._fatal or error
        child.end(State.FAILED)
        self.drain()

    def _note_failure(self, child: Child, error: Exception) -> None:
        child.last_failure = failure_of(error, self.environment.clock())
        self._log.error("actor failed", actor=child.spec.name, **asdict(child.last_failure))

    def _reoffer(self, child: Child) -> None:
        limit = self.settings.crashes_before_quarantine
        for mailbox in child.spec.inboxes:
            for message in mailbox.reoffer(crashes_before_quarantine=limit):
                shown = described(message)
                self._log.error("message quarantined", mailbox=mailbox.name, message=shown)

    # Rest-for-one.

    def _hold_later(self, child: Child) -> None:
        if child.spec.restart is Restart.WITH_LATER:
            for later in self._later(child):
                later.hold(child.spec.name)

    def _release_later(self, child: Child) -> None:
        for later in self._later(child):
            later.release(child.spec.name)

    def _later(self, child: Child) -> list[Child]:
        return self.children[self.children.index(child) + 1 :]

    # The drain.

    async def _drain_children(self) -> None:
        reserve_seconds = DRAIN_RESERVE * self._drain_seconds / max(len(self.children), 1)
        for child in self.children:
            reserved = reserve_seconds * (len(self._later(child)) + 1)
            await self._drain_child(child, self._deadline - reserved, reserve_seconds)
        with trio.move_on_at(self._deadline - min(LEAVING_SECONDS, self._drain_seconds / 20)):
            for child in self.children:
                await child.ended.wait()
        self._report_drain()
        self._leave_if_stuck()

    async def _drain_child(self, child: Child, until: float, reserve_seconds: float) -> None:
        """Let a child finish until then, cancel it after that."""
        child.close()
        if child.spec.inboxes:
            with trio.move_on_at(until):
                await child.ended.wait()
                return
            self._log.warning(
                "actor did not finish in time", actor=child.spec.name, left=child.messages_left()
            )
        child.stop()  # a source holds nothing and needs no time
        # Half of its reserve: one that is stuck must not take the time of those after it.
        with trio.move_on_after(reserve_seconds / 2):
            await child.ended.wait()

    def _report_drain(self) -> None:
        """Say how the drain ended; what a promise to keep it is broken for ends it with 69."""
        left, unsaved = self._messages_left(), dict(self.unsaved())
        # Of a service that was never ready nobody was promised anything.
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

    def _messages_left(self) -> dict[str, int]:
        depths = chain.from_iterable(child.messages_left().items() for child in self.children)
        return {name: depth for name, depth in depths if depth}

    @property
    def _log(self) -> Any:
        return self.environment.log
