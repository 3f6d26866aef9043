"""One seed: hours of the service's life in seconds, every fault of its plan, every check.

    SimulationPlan -> run_seed -> SimulationOutcome (violations, what happened, trace hash)

The clock jumps to the next moment at which anything happens. Trio chooses among tasks that
are ready by the seed (its own switch for tests), so that the same seed is the same run. Sources:
FoundationDB's simulation (Zhou et al., SIGMOD 2021, section 4), TigerBeetle's VOPR.
"""

import time
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from random import Random
from typing import Any

import structlog
import trio
from attrs import define, field
from structlog.typing import EventDict

from actors.sync.actor import Sync
from commands.simulate.books import Books
from commands.simulate.call_watch import CallWatch
from commands.simulate.clients import SimulatedClient
from commands.simulate.clock import JumpingClock, scheduling_by_seed
from commands.simulate.faults import Fault
from commands.simulate.feed_watch import FeedWatch
from commands.simulate.injecting import Injector
from commands.simulate.invariants import InvariantWatch
from commands.simulate.life import Life
from commands.simulate.links import Link
from commands.simulate.outside import Universe
from commands.simulate.service_watch import ServiceWatch
from commands.simulate.settings import make_settings
from config.settings import Settings
from domain.errors import BufferUnavailable, ExitingError, StoreUnavailable, ValuesNotSaved
from domain.values import Mint
from supervision.failures import find_first_error

CLIENTS = 3
RESTART_SECONDS = 2.0  # of the process, by whoever supervises it
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


def run_seed(plan: SimulationPlan, *, stops_early: bool = False) -> SimulationOutcome:
    """Simulate one plan in this thread; `stops_early`: until the first violation."""
    simulation = Simulation(plan=plan, stops_early=stops_early)
    began_at = time.perf_counter()
    clock = JumpingClock()
    try:
        with scheduling_by_seed(plan.seed):
            trio.run(simulation.run, clock, clock=clock, instruments=[StepCheck(simulation)])
    except Exception as error:
        simulation.report(f"the simulation ended with {find_first_error(error)!r}")
    outcome = simulation.outcome
    outcome.trace = simulation.trace.hexdigest()
    outcome.wall_seconds = time.perf_counter() - began_at
    return outcome


class StepCheck(trio.abc.Instrument):
    """Checks what may have changed, at every turn of the event loop."""

    def __init__(self, simulation: "Simulation") -> None:
        self.simulation = simulation

    def before_io_wait(self, timeout: float) -> None:
        self.simulation.check_step()


@define(kw_only=True, eq=False)
class Simulation:
    """One run."""

    plan: SimulationPlan
    stops_early: bool = False  # at the first violation
    outcome: SimulationOutcome = field(init=False)
    universe: Universe = field(init=False)
    watch: InvariantWatch = field(init=False)
    books: Books = field(init=False)
    calls: CallWatch = field(init=False)
    shown: FeedWatch = field(init=False)
    service: ServiceWatch = field(init=False)
    postgres: Link = field(init=False)
    redis: Link = field(init=False)
    settings: Settings = field(init=False)
    random: Random = field(init=False)
    clients: list[SimulatedClient] = field(factory=list, init=False)
    life: Life | None = field(default=None, init=False)
    life_scope: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    scope: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    trace: Any = field(factory=lambda: blake2b(digest_size=8), init=False)
    log: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        seed = self.plan.seed
        self.outcome = SimulationOutcome(plan=self.plan)
        self.universe = Universe(seed=seed, rate=self.plan.rate)
        self.settings = make_settings()
        self.watch = InvariantWatch(universe=self.universe, report=self.report)
        self.books = Books(universe=self.universe, report=self.report)
        self.calls = CallWatch(
            invariants=self.watch,
            intervals_seconds={
                self.universe.quotes.name: self.settings.market_data.interval_seconds,
                self.universe.holders.name: self.settings.holder_count.interval_seconds,
            },
        )
        self.shown = FeedWatch(
            invariants=self.watch, half_life_seconds=self.settings.hot_score.half_life_seconds
        )
        self.service = ServiceWatch(invariants=self.watch)
        for feed in self.universe.feeds:
            feed.on_refused = self.calls.note_refused
        for provider in (self.universe.quotes, self.universe.holders):
            provider.on_call = self._note_provider_call
            provider.on_answer = self.calls.note_answered
        self.random = Random(seed * 1_000 + 999)
        self.postgres = self._new_link("postgres", StoreUnavailable, 11)
        self.redis = self._new_link("redis", BufferUnavailable, 12)
        self.log = structlog.wrap_logger(None, processors=[self._take_log_line])
        for number in range(CLIENTS):
            self.clients.append(
                SimulatedClient(
                    number=number,
                    find_hub=lambda: self.life.find_hub() if self.life else None,
                    report=self.report,
                    happened=self.outcome.happened,
                    random=Random(seed * 1_000 + 100 + number),
                )
            )

    def _new_link(self, name: str, error: type[Exception], number: int) -> Link:
        chance = Random(self.plan.seed * 1_000 + number)
        return Link(
            name=name,
            error=error,
            random=chance,
            on_call=self._note_call,
            on_refused=self.calls.note_refused,
        )

    async def run(self, clock: JumpingClock) -> None:
        """Simulate the plan to its end."""
        injector = Injector(simulation=self, clock=clock, random=self.random)
        with self.scope:
            await self._run_to_the_end(injector)

    async def _run_to_the_end(self, injector: Injector) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.universe.trade)
            for client in self.clients:
                nursery.start_soon(client.run)
            for fault in self.plan.faults:
                nursery.start_soon(injector.inject_fault, fault)
            nursery.start_soon(self._check_now_and_then)
            nursery.start_soon(self._check_queues)
            with trio.move_on_at(self.plan.hours * 3600.0):
                while True:
                    await self._live_once()
                    await trio.sleep(RESTART_SECONDS)
            nursery.cancel_scope.cancel()
        self.watch.check_end()

    def report(self, violation: str) -> None:
        """Something that must not be."""
        if self.scope.cancel_called:
            return
        if len(self.outcome.violations) < MOST_VIOLATIONS:
            try:
                at = f"{trio.current_time():.3f} s: "
            except RuntimeError:
                at = ""
            self.outcome.violations.append(at + violation)
        if self.stops_early:
            self.scope.cancel()
            self.kill_process()

    def check_step(self) -> None:
        life = self.life
        if life is None or not life.changed_mailboxes:
            return
        if self.books.is_due:
            self._check_values(life)
        self.watch.check_mailboxes(life.changed_mailboxes)
        if life.mailboxes.events in life.changed_mailboxes:
            self._check_births(life)
        life.changed_mailboxes.clear()

    def _check_births(self, life: Life) -> None:
        if self.watch.born and not life.mailboxes.events.depth:
            composition = life.composition
            for mint in self.books.check_births(
                self.watch.born, composition.ingest_memory, composition.sync_memory
            ):
                del self.watch.born[mint]

    # Lives.

    async def _live_once(self) -> None:
        """One process, until it is killed, drained, or the simulation is over."""
        life = self.life = Life(
            universe=self.universe,
            settings=self.settings,
            watch=self.watch,
            calls=self.calls,
            shown=self.shown,
            postgres=self.postgres,
            redis=self.redis,
            log=self.log,
            random=self.random,
            happened=self.outcome.happened,
            leave_at_once=self._leave_at_once,
        )
        if self.outcome.happened["processes"]:
            self.outcome.happened["process: started again"] += 1
        self.outcome.happened["processes"] += 1
        self.life_scope = trio.CancelScope()
        for watch in (self.watch, self.calls, self.shown):
            watch.note_start()
        try:
            with self.life_scope:
                await self._run_life(life)
            self.service.check_drain(life)
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
        if not (self.watch.is_postgres_troubled and isinstance(error, ValuesNotSaved)):
            self.report(f"11: exit {error.exit_code}: {error}")
        self.watch.note_death()
        self.books.note_death()

    def _leave_at_once(self, code: int) -> None:
        """A call to a slow store has outlasted the drain: nothing waits for it."""
        self.outcome.happened["process: left at once"] += 1
        self.outcome.happened[f"left at once, code {code}"] += 1
        self.kill_process()

    def kill_process(self) -> None:
        """The process is gone, at whatever checkpoint each of its tasks has come to."""
        if self.life is not None:
            self.watch.note_death()
            self.books.note_death()
            self.life.kill()
            self.life_scope.cancel()

    # Watching.

    def _note_call(self, server: str, method: str) -> None:
        self.outcome.happened[f"{server} {method}"] += 1
        self.trace.update(f"{trio.current_time():.6f} {server} {method}\n".encode())

    def _note_provider_call(self, provider: str, mints: Sequence[Mint]) -> None:
        self._note_call(provider, "asked")
        self.calls.note_asked(provider, mints)

    def _take_log_line(self, _logger: object, _level: str, event: EventDict) -> EventDict:
        name = str(event.get("event"))
        self.outcome.happened[f"log: {name}"] += 1
        if name == "dependency back":
            self._count_return(str(event.get("name")))
        if name == "flush complete":
            self.books.is_due = True
        if name == "actor failed" and "SimulatedCrash" not in str(event):
            self.report(f"9: {event}")
        if name in ("system activated", "system going idle"):
            self.watch.note_activity(is_active=name == "system activated")
        raise structlog.DropEvent

    def _count_return(self, dependency: str) -> None:
        server = dependency if dependency in (self.postgres.name, self.redis.name) else "source"
        self.outcome.happened[f"back: {server}"] += 1

    async def _check_queues(self) -> None:
        while True:
            await trio.sleep(1.0)
            if self.life is not None:
                self.service.check_queues(self.life)

    async def _check_now_and_then(self) -> None:
        while True:
            await trio.sleep(30.0)
            self._check_life()
            self.watch.check_database()
            self.watch.check_births()
            self.books.check_refusals(self.watch.troubled_until)
            here = sum(client.is_here for client in self.clients)
            self.watch.check_idleness(here, self.settings.activity.idle_after_seconds)

    def _check_life(self) -> None:
        if self.life is not None:
            self.watch.check_mailboxes(self.life.all_mailboxes)
            self._check_births(self.life)
            self._check_values(self.life)
            self.service.check_life(self.life)
            if (hub := self.life.find_hub()) is not None and self.life.readiness.is_ready:
                self.shown.check_boards(hub)
                self.shown.check_views(hub)
                self.shown.check_watchers(hub, self.clients)
                self.shown.check_followers(hub, self.clients)
        self.shown.check_tape()
        self.calls.check_freshness(self.universe.quotes.name)

    def _check_values(self, life: Life) -> None:
        sync = life.find_actor("sync")
        if isinstance(sync, Sync):
            self.books.check_values(sync)
