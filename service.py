"""The composition root: a whole service out of its settings, and one process's life.

settings -> doors, mailboxes, child specs (wiring/) -> Supervisor -> exit code
"""

import faulthandler
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import structlog
import trio
from attrs import define, field

from actors.sync.memory import SyncMemory
from actors.sync.snapshots import GovernorSnapshot
from config.loading import changed_names, reloaded
from config.logs import Threshold, configure_log
from config.redaction import find_secrets, register_secrets
from config.settings import Settings
from domain.errors import ExitingError, StoreNotReached
from feed import Operations
from feed.descriptors import OTHER_DESCRIPTORS, allow_descriptors
from feed.operations import render_dump, render_snapshot, render_writes
from sources.http import new_http_client
from store.ledger import Ledger
from supervision.clock import SteadyClock
from supervision.dump import Dump
from supervision.environment import Environment
from supervision.failures import find_first_error
from supervision.garbage_collection import freeze_startup_objects, suspend_collection
from supervision.heartbeat import Heartbeat
from supervision.loop_monitor import LoopMonitor, Question
from supervision.notify import Notifier
from supervision.readiness import Readiness
from supervision.signals import Signals
from supervision.supervisor import Supervisor
from supervision.task_tree import render_task_tree
from wiring.alerts import AlertsView
from wiring.children import Composition, governor_plan
from wiring.doors import RealDoors
from wiring.looks import LookSources, LookTaker
from wiring.mailboxes import Mailboxes
from wiring.metrics import MetricSources, build_exposition, take_health_snapshot
from wiring.overview import make_overview
from wiring.quarantine import QuarantineView

CONDITIONS = ("ingest", "sync", "gateway")
CLOSE_SECONDS = 1.0
STDERR = 2  # the file descriptor, whatever has become of sys.stderr
SWITCH_INTERVAL_SECONDS = 0.0005  # threads of the store clients must not hold up the event loop


@define(kw_only=True)
class Service:
    """One process's life: start, serve, drain."""

    settings: Settings
    reload: Callable[[], Settings]
    threshold: Threshold
    log: structlog.typing.FilteringBoundLogger
    notifier: Notifier = field(init=False)
    readiness: Readiness = field(init=False)
    clock: SteadyClock = field(init=False)
    ledger: Ledger = field(init=False)
    heartbeat: Heartbeat = field(init=False, factory=Heartbeat)
    supervisor: Supervisor = field(init=False)
    sync_memory: SyncMemory = field(init=False)
    quarantine: QuarantineView = field(init=False)
    composition: Composition = field(init=False)
    alerts: AlertsView = field(init=False)
    started: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.clock = SteadyClock(read_wall=time.time, read_monotonic=time.monotonic, log=self.log)
        self.ledger = Ledger(clock=self.clock)
        self.notifier = Notifier.from_environment(os.environ, self.log)
        self.readiness = Readiness(
            CONDITIONS, on_first_ready=self._say_ready, clock=self.clock, log=self.log
        )

    async def run(self) -> None:
        """Serve until a drain is finished; raise the `ExitingError` that ended it otherwise."""
        environment = Environment(
            clock=self.clock,
            raise_clock=self.clock.raise_to,
            loop_clock=trio.lowlevel.current_clock().current_time,
            random=Random(),
            log=self.log,
            readiness=self.readiness,
        )
        async with new_http_client() as client:
            mailboxes = Mailboxes(self.settings.tracking.tokens)
            real = RealDoors(
                settings=self.settings, environment=environment, client=client, ledger=self.ledger
            )
            doors = real.build(mailboxes.events)
            composition = Composition(self.settings, doors, environment, mailboxes)
            self.composition = composition
            self.sync_memory = composition.sync_memory
            self.quarantine = composition.view_quarantine()
            self.alerts = composition.view_alerts()
            looks = self._build_looks()
            specs = composition.child_specs(self._build_operations(looks), looks.take_look)
            self.supervisor = Supervisor(
                specs,
                self.settings.supervision,
                self.settings.shutdown,
                environment,
                on_drain=self._say_draining,
                has_started=lambda: self.started,
                unsaved=composition.count_unsaved,
                heartbeat=self.heartbeat,
                on_quarantined=composition.quarantine_message,
            )
            try:
                await self._serve_until_drained()
            finally:
                with trio.move_on_after(CLOSE_SECONDS, shield=True):
                    await doors.close()

    async def _serve_until_drained(self) -> None:
        signals = Signals(
            begin_drain=self.supervisor.begin_drain, reload=self._reload_settings, log=self.log
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(signals.serve)
            nursery.start_soon(self.heartbeat.keep_beating)
            nursery.start_soon(self.notifier.keep_watchdog, lambda: self.supervisor.is_sound)
            nursery.start_soon(self.notifier.keep_status, self._describe_status)
            nursery.start_soon(self._require_start)
            with self._build_monitor().running():
                await self.supervisor.run()
            nursery.cancel_scope.cancel()

    def _build_monitor(self) -> LoopMonitor:
        root = trio.lowlevel.current_root_task()
        dump = Question(
            event="dump",
            name="document",
            file_name="dump.json",
            take=lambda: render_dump(self.supervisor.take_dump()),
        )
        tasks = Question(
            event="tasks", name="tasks", file_name="tasks.txt", take=lambda: render_task_tree(root)
        )
        return LoopMonitor(
            heartbeat=self.heartbeat,
            questions={signal.SIGUSR1: dump, signal.SIGUSR2: tasks},
            dump_directory=Path(self.settings.logging.dump_directory or tempfile.gettempdir()),
            log=self.log,
            port=self.settings.gateway.operators_port,
            limit_seconds=self.settings.supervision.stall_limit_seconds,
        )

    def _take_dump(self) -> Dump:
        return self.supervisor.take_dump()

    def _snapshot_governor(self) -> GovernorSnapshot:
        return self.sync_memory.governor.snapshot(trio.current_time())

    def _build_looks(self) -> LookTaker:
        sources = LookSources(
            dump=self._take_dump,
            governor=self._snapshot_governor,
            ledger=self.ledger.snapshot,
            checkpoints=self.sync_memory.watch.snapshot,
            quarantine=self.composition.quarantine,
            readiness=self.readiness,
            has_started=lambda: self.started,
        )
        return LookTaker(sources=sources, clock=self.clock)

    def _describe_graph(self) -> dict[str, object]:
        return self.composition.describe_graph(self.supervisor.specs)

    def _build_operations(self, looks: LookTaker) -> Operations:
        # Of the supervisor that is built with these.
        dump, governor = self._take_dump, self._snapshot_governor
        ledger, checkpoints = self.ledger.snapshot, self.sync_memory.watch.snapshot
        sources = MetricSources(
            dump=dump,
            ledger=ledger,
            governor=governor,
            checkpoints=checkpoints,
            health=lambda: take_health_snapshot(self.readiness),
        )
        return Operations(
            health=self.readiness,
            actors=lambda: render_dump(dump()),
            writes=lambda: render_writes(ledger(), governor()),
            checkpoints=lambda: render_snapshot(checkpoints()),
            governor=lambda: render_snapshot(governor()),
            quarantine=self.quarantine.list_entries,
            quarantined=self.quarantine.show_entry,
            alerts=self.alerts.list_alerts,
            read_rule=self.alerts.read_rule,
            metrics=build_exposition(sources),
            overview=make_overview(self.composition.history, looks.take_look, self._describe_graph),
        )

    async def _require_start(self) -> None:
        """The service must be ready within the start deadline, or a store is out of reach."""
        await trio.sleep(self.settings.start.deadline_seconds)
        if not self.started:
            raise StoreNotReached("not ready in time: " + ", ".join(self.readiness.reasons()))

    def _describe_status(self) -> str:
        """For `systemctl status`: what it is doing, or waits for."""
        reasons = self.readiness.reasons()
        if "draining" in reasons:
            return "draining"
        if reasons:
            state = "not ready" if self.started else "starting"
            return f"{state}, waits for {', '.join(reasons)}"
        return "serving" if self.sync_memory.is_active else "idle"

    def _say_ready(self) -> None:
        self.started = True
        freeze_startup_objects()
        self.log.info("service ready")
        self.notifier.say_ready()

    def _say_draining(self) -> None:
        self.readiness.drain()
        self.notifier.say_stopping()

    def _reload_settings(self) -> None:
        """SIGHUP: take over what can change at run time, and say what cannot."""
        settings = self.reload()
        register_secrets(find_secrets(settings))
        reloadable, fixed = changed_names(self.settings, settings)
        self.settings = reloaded(self.settings, settings)
        self.threshold.level = self.settings.logging.level
        self.sync_memory.governor.set_configured_budget(
            governor_plan(self.settings).budget, trio.current_time()
        )
        self.log.info("settings reloaded", changed=reloadable, after_restart=fixed)
        words = f"Settings were reloaded; changed: {', '.join(reloadable) or 'nothing'}."
        self.composition.history.note_event(self.clock(), "settings", words)


def serve(settings: Settings, *, reload: Callable[[], Settings]) -> int:
    """Run the service until it is drained; the process's exit code, its reason in the log."""
    suspend_collection()
    threshold = configure_log(settings)
    log = structlog.get_logger()
    log.info("starting", settings=str(settings))
    faulthandler.enable(STDERR)  # all stacks, when a fatal signal ends the process
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    _allow_clients(settings.gateway.clients, log)
    service = Service(settings=settings, reload=reload, threshold=threshold, log=log)
    try:
        trio.run(service.run)
    except ExceptionGroup as group:
        # Not `except*`: what that raises is wrapped in a group again, before Python 3.11.4.
        error = find_first_error(group)
        if group.split(ExitingError)[1] is not None or not isinstance(error, ExitingError):
            raise
        if settings.logging.format == "console":
            raise error from None  # told as of any command: a plain line
        log.error("service failed", error=str(error), exit_code=error.exit_code)
        return error.exit_code
    return 0


def _allow_clients(clients: int, log: structlog.typing.FilteringBoundLogger) -> None:
    """Raise the limit of open files to what the clients need, and say where it is too low."""
    wanted = clients + OTHER_DESCRIPTORS
    limit = allow_descriptors(wanted)
    if limit < wanted:
        log.warning("fewer open files than gateway.clients needs", limit=limit, wanted=wanted)
