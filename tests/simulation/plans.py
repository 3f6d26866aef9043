"""What is simulated while a mistake is to show: few plans, each of which many mutants share.

The service without any mistake passes every one of them, so what a mutant is caught for is its own.
"""

from attrs import frozen

from commands.simulate.faults import parse_faults
from commands.simulate.running import SimulationOutcome, SimulationPlan, run_seed


@frozen(kw_only=True)
class Plan:
    """A seed, some hours, and the faults in them."""

    name: str
    schedule: str = ""  # of faults
    hours: float
    rate: float = 0.1  # of the real market's
    seed: int = 1

    def simulate(self, *, stops_early: bool) -> SimulationOutcome:
        """Run it to its end, or to the first violation."""
        faults = parse_faults(self.schedule)
        plan = SimulationPlan(seed=self.seed, hours=self.hours, rate=self.rate, faults=faults)
        return run_seed(plan, stops_early=stops_early)


def _repeat(kind: str, begin: int, end: int, every: int, lasts: float = 0.0) -> str:
    """The same fault again and again; a list ends with a comma, so that two can be added."""
    return "".join(f"{kind}@{at}+{lasts:g}," for at in range(begin, end, every))


CALM = Plan(name="all is well", hours=0.2)
BUSY = Plan(name="the market is busy", hours=0.06, rate=0.4)
LONG_CALM = Plan(name="all is well for long", hours=0.4, rate=0.05)

# Clients.
DEPARTURE = Plan(name="everybody leaves", schedule="clients-away@61+1000", hours=0.34, rate=0.05)
VANISHING = Plan(name="clients vanish", schedule=_repeat("clients-vanish", 70, 400, 10), hours=0.12)
SLOW_CLIENTS = Plan(
    name="clients are slow", schedule=_repeat("clients-slow", 65, 300, 4, 8), hours=0.1, rate=0.5
)

# The world.
SOURCES_FAIL = Plan(
    name="sources fail",
    schedule=_repeat("source-garbage", 70, 90, 4, 60)
    + _repeat("source-cut", 140, 160, 4, 40)
    + _repeat("source-silent", 260, 275, 3, 100),
    hours=0.16,
)
PROVIDERS_FAIL = Plan(
    name="providers fail", schedule=_repeat("provider-down", 61, 70, 2, 300), hours=0.32, rate=0.05
)
CLOCK_BACK = Plan(name="the clock steps back", schedule="clock-back@200+3000", hours=0.15)
CLOCK_BACK_BEFORE_RESTART = Plan(
    name="the clock steps back before a restart",
    schedule="clock-back@200+3000,process-restarted@300+0",
    hours=0.15,
)

# Postgres.
POSTGRES_AWAY = Plan(name="postgres is away", schedule="postgres-down@280+60", hours=0.2)
POSTGRES_AWAY_LONG = Plan(
    name="postgres is away for long", schedule="postgres-down@100+300", hours=0.25
)
POSTGRES_AWAY_AT_RESTART = Plan(
    name="the process restarts while postgres is away",
    schedule="postgres-down@100+60,process-restarted@130+0",
    hours=0.15,
)
STORES_AWAY = Plan(
    name="no store answers",
    schedule="postgres-down@100+120,redis-down@100+120",
    hours=0.12,
    rate=0.3,
)

KILLED_IN_A_SLOW_FLUSH = Plan(
    name="the process is killed in a slow flush",
    schedule="postgres-slow@295+20,process-killed@302.5+0",
    hours=0.15,
    seed=4,
)
KILLED_AFTER_A_SLOW_FLUSH = Plan(
    name="the process is killed after a slow flush",
    schedule="postgres-slow@290+30,process-killed@325+0",
    hours=0.15,
    rate=0.3,
)

# Redis.
REDIS_FLICKERS = Plan(
    name="redis flickers",
    schedule=_repeat("redis-down", 100, 1000, 15, 6),
    hours=0.3,
    rate=0.1,
)
REDIS_EMPTIED = Plan(
    name="redis is emptied, and the process killed",
    schedule="redis-emptied@150+0,process-killed@200+0",
    hours=0.15,
)
REDIS_EMPTIED_WHILE_SLOW = Plan(
    name="redis is slow and then emptied",
    schedule="redis-slow@290+60,redis-emptied@330+0",
    hours=0.2,
    seed=2,
    rate=0.05,
)
REDIS_EMPTIED_WHILE_SPOOLING = Plan(
    name="redis is emptied while it spools",
    schedule="postgres-down@100+120,redis-emptied@160+0",
    hours=0.15,
)
REDIS_AWAY_AT_RESTART = Plan(
    name="the process restarts while redis is away",
    schedule="redis-down@190+30,process-restarted@200+0",
    hours=0.15,
)

# The process.
CRASHES = Plan(name="actors crash", schedule=_repeat("actor-crashed", 70, 500, 5), hours=0.2)
IDLE_CRASHES = Plan(
    name="actors crash while idle",
    schedule="clients-away@61+1200," + _repeat("actor-crashed", 720, 1000, 10),
    hours=0.3,
    rate=0.1,
)
RESTARTS = Plan(
    name="the process is restarted and killed",
    schedule="process-killed@64+0,process-killed@72+0,process-restarted@200+0",
    hours=0.15,
)

PLANS = tuple(each for each in vars().values() if isinstance(each, Plan))
