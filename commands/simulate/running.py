"""One seed: hours of the service's life in seconds, every fault of its plan, every check.

    SimulationPlan -> run_seed -> SimulationOutcome (violations, what happened, trace hash)

The mock clock jumps to the next moment at which anything happens. Trio chooses among tasks that
are ready by the seed (its own switch for tests), so that the same seed is the same run. Sources:
FoundationDB's simulation (Zhou et al., SIGMOD 2021, section 4), TigerBeetle's VOPR.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from random import Random
from typing import Any

import structlog
import trio
import trio.testing
from attrs import define, evolve, field
from structlog.typing import EventDict

from commands.simulate.clients import SimulatedClient
from commands.simulate.faults import Fault
from commands.simulate.injecting import Injector
from commands.simulate.invariants import InvariantWatch
from commands.simulate.life import Life
from commands.simulate.links import Link
from commands.simulate.outside import Universe
from config.loading import load_settings
from config.settings import Settings
from domain.errors import BufferUnavailable, ExitingError, StoreUnavailable, ValuesNotSaved
from supervision.failures import find_first_error

CLIENTS = 3
BOARD_TOKENS = 20
CLIENT_QUEUE_BYTES = 30_000  # so that slow clients fall behind within a minute
RESTART_SECONDS = 2.0  # of the process, by whoever supervises it
DRAIN_GRACE_SECONDS = 0.5  # past the deadline, until a drain counts as stuck
LOOKS_BETWEEN_CHECKS = 20  # turns of the event loop
MOST_VIOLATIONS = 10


@define(kw_only=True)
class SimulationPlan:
    """What is simulated."""

    seed: int
    hours: float
    rate: float
    faults: Sequence[Fault]


@define(kw_only=True)
class SimulationOutcome:
    """What came of it."""

    plan: SimulationPlan
    violations: list[str] = field(factory=list)
    happened: Counter[str] = field(factory=Counter)  # by fault, by recovery, by log line
    trace: str = ""
    wall_seconds: float = 0.0

    @property
    def has_failed(self) -> bool:
        return bool(self.violations)


def run_seed(plan: SimulationPlan) -> SimulationOutcome:
    """Simulate one plan in this thread."""
    simulation = Simulation(plan=plan)
    began_at = time.perf_counter()
    clock = trio.testing.MockClock(autojump_threshold=0)
    try:
        with scheduling_by_seed(plan.seed):
            trio.run(simulation.run, clock, clock=clock, instruments=[StepCheck(simulation)])
    except Exception as error:
        simulation.report(f"the simulation ended with {find_first_error(error)!r}")
    outcome = simulation.outcome
    outcome.trace = simulation.trace.hexdigest()
    outcome.wall_seconds = time.perf_counter() - began_at
    return outcome


@contextmanager
def scheduling_by_seed(seed: int) -> Iterator[None]:
    """Within the block Trio chooses among the tasks that are ready by the seed.

    These are Trio's own switches for its tests and for Hypothesis: it has no public ones.
    """
    switches: Any = trio._core._run
    switches._ALLOW_DETERMINISTIC_SCHEDULING = True
    switches._r.seed(seed)
    try:
        yield
    finally:
        switches._ALLOW_DETERMINISTIC_SCHEDULING = False


class StepCheck(trio.abc.Instrument):
    """Checks what is cheap to check, again and again."""

    def __init__(self, simulation: "Simulation") -> None:
        self.simulation = simulation
        self.looks = 0

    def before_io_wait(self, timeout: float) -> None:
        self.looks += 1
        if self.looks % LOOKS_BETWEEN_CHECKS == 0:
            self.simulation.check_step()


@define(kw_only=True, eq=False)
class Simulation:
    """One run."""

    plan: SimulationPlan
    outcome: SimulationOutcome = field(init=False)
    universe: Universe = field(init=False)
    watch: InvariantWatch = field(init=False)
    postgres: Link = field(init=False)
    redis: Link = field(init=False)
    settings: Settings = field(init=False)
    random: Random = field(init=False)
    clients: list[SimulatedClient] = field(factory=list, init=False)
    life: Life | None = field(default=None, init=False)
    life_scope: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    is_ending: bool = field(default=False, init=False)
    trace: Any = field(factory=lambda: blake2b(digest_size=8), init=False)
    log: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        seed = self.plan.seed
        self.outcome = SimulationOutcome(plan=self.plan)
        self.universe = Universe(seed=seed, rate=self.plan.rate)
        self.watch = InvariantWatch(universe=self.universe, report=self.report)
        for provider in (self.universe.quotes, self.universe.holders):
            provider.on_call = self._note_provider_call
        self.random = Random(seed * 1_000 + 999)
        self.postgres = self._new_link("postgres", StoreUnavailable, 11)
        self.redis = self._new_link("redis", BufferUnavailable, 12)
        self.log = structlog.wrap_logger(None, processors=[self._take_log_line])
        self.settings = _make_settings()
        for number in range(CLIENTS):
            self.clients.append(
                SimulatedClient(
                    number=number,
                    find_hub=lambda: self.life.find_hub() if self.life else None,
                    report=self.report,
                    random=Random(seed * 1_000 + 100 + number),
                )
            )

    def _new_link(self, name: str, error: type[Exception], number: int) -> Link:
        chance = Random(self.plan.seed * 1_000 + number)
        return Link(name=name, error=error, random=chance, on_call=self._note_call)

    async def run(self, clock: trio.testing.MockClock) -> None:
        """Simulate the plan to its end."""
        injector = Injector(simulation=self, clock=clock, random=self.random)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.universe.trade)
            for client in self.clients:
                nursery.start_soon(client.run)
            for fault in self.plan.faults:
                nursery.start_soon(injector.inject_fault, fault)
            nursery.start_soon(self._check_now_and_then)
            with trio.move_on_at(self.plan.hours * 3600.0):
                while True:
                    await self._live_once()
                    await trio.sleep(RESTART_SECONDS)
            nursery.cancel_scope.cancel()
        self.watch.check_end()

    def report(self, violation: str) -> None:
        """Something that must not be."""
        if len(self.outcome.violations) < MOST_VIOLATIONS:
            try:
                at = f"{trio.current_time():.3f} s: "
            except RuntimeError:
                at = ""
            self.outcome.violations.append(at + violation)

    def check_step(self) -> None:
        if self.life is not None:
            self.watch.check_mailboxes(self.life.all_mailboxes)
            self.watch.check_clock(self.life.clock())

    # Lives.

    async def _live_once(self) -> None:
        """One process, until it is killed, drained, or the simulation is over."""
        life = self.life = Life(
            universe=self.universe,
            settings=self.settings,
            watch=self.watch,
            postgres=self.postgres,
            redis=self.redis,
            log=self.log,
            random=self.random,
            leave_at_once=self._leave_at_once,
        )
        self.outcome.happened["processes"] += 1
        self.life_scope = trio.CancelScope()
        self.watch.note_start()
        try:
            with self.life_scope:
                await self._run_life(life)
        finally:
            life.kill()
            self.life = None

    async def _run_life(self, life: Life) -> None:
        async with trio.open_nursery() as nursery:
            # The end of the simulation is a drain, which the outer scope must not cut short.
            shield = trio.CancelScope(shield=True)

            async def serve() -> None:
                with shield:
                    await self._serve(life)
                nursery.cancel_scope.cancel()

            nursery.start_soon(serve)
            try:
                await trio.sleep_forever()
            finally:
                if self.life_scope.cancel_called:
                    shield.cancel()
                else:
                    life.supervisor.begin_drain()

    async def _serve(self, life: Life) -> None:
        try:
            await life.run()
        except ExceptionGroup as group:
            error = find_first_error(group)
            if not isinstance(error, ExitingError):
                raise
            self._judge_exit(error)
        except ExitingError as error:
            self._judge_exit(error)

    def _judge_exit(self, error: ExitingError) -> None:
        self.outcome.happened[f"exit {error.exit_code}"] += 1
        if self.watch.is_calm or not isinstance(error, ValuesNotSaved):
            self.report(f"11: exit {error.exit_code}: {error}")
        self.watch.note_death()

    def _leave_at_once(self, code: int) -> None:
        """A call to a slow store has outlasted the drain: nothing waits for it."""
        self.outcome.happened[f"left at once, code {code}"] += 1
        self.kill_process()

    def kill_process(self) -> None:
        """The process is gone, at whatever checkpoint each of its tasks has come to."""
        if self.life is not None:
            self.watch.note_death()
            self.life.kill()
            self.life_scope.cancel()

    # Watching.

    def _note_call(self, server: str, method: str) -> None:
        self.outcome.happened[f"{server} {method}"] += 1
        self.trace.update(f"{trio.current_time():.6f} {server} {method}\n".encode())

    def _note_provider_call(self, provider: str) -> None:
        self._note_call(provider, "asked")
        self.watch.note_provider_call(provider)

    def _take_log_line(self, _logger: object, _level: str, event: EventDict) -> EventDict:
        name = str(event.get("event"))
        self.outcome.happened[f"log: {name}"] += 1
        if name == "actor failed" and "SimulatedCrash" not in str(event):
            self.report(f"9: {event}")
        if name in ("system activated", "system going idle"):
            self.watch.note_activity(is_active=name == "system activated")
        raise structlog.DropEvent

    async def _check_now_and_then(self) -> None:
        while True:
            await trio.sleep(30.0)
            self.watch.check_database()
            self.watch.check_births()
            here = sum(client.is_here for client in self.clients)
            self.watch.check_idleness(here, self.settings.activity.idle_after_seconds)


def _make_settings() -> Settings:
    settings = load_settings(
        None, {"DATABASE_URL": "postgresql://simulated/x", "REDIS_URL": "redis://simulated"}
    )
    return evolve(
        settings,
        gateway=evolve(
            settings.gateway, board_tokens=BOARD_TOKENS, client_queue_bytes=CLIENT_QUEUE_BYTES
        ),
        tracking=evolve(settings.tracking, tokens=5_000),
        supervision=evolve(settings.supervision, crashes_before_quarantine=1_000, restarts=100),
    )
