"""The hour that every strategy replays: who is born when, and which job changes what.

    Rates, seed  ->  Trace: Population (what is there before), then events in order of time

Pure and seeded: one seed gives one trace, to the byte, so that two strategies, or two versions
of one, can be compared byte for byte of WAL. Times are simulated seconds from the trace's start.
"""

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from hashlib import blake2b
from random import Random

import base58
import orjson
from attrs import define, field, frozen

from domain.token import STATUS_FIELDS, Status, Token
from domain.values import Mint, Sol, UnixSeconds, Usd, Value

STARTED_AT = UnixSeconds(1_760_000_400.0)  # 2025-10-09T09:00:00Z
HOUR_SECONDS = 3600
POPULATION_SECONDS = 47 * HOUR_SECONDS  # all of it is on the feed still
JOINS_ACTIVE = 0.5  # of the newborn: so many are looked at by the jobs, in another's place
STATUS_GROWS = 0.004  # of the market updates

MARKET_FIELDS = (
    "price_usd",
    "market_cap_usd",
    "liquidity_usd",
    "volume_24h",
    "price_change_24h",
    "tx_count_24h",
    "bonding_curve_progress",
)
CHANGED_FIELDS = (*MARKET_FIELDS, *STATUS_FIELDS, "holder_count", "hot_score", "watcher_count")


@frozen
class JobRate:
    """One background job: `tokens` updates every `interval_seconds`."""

    name: str
    interval_seconds: int
    offset_seconds: int  # jobs do not run at the same moment
    tokens: int


@frozen(kw_only=True)
class Rates:
    """How much happens in an hour."""

    creates_an_hour: int
    tokens_active: int  # the jobs choose among so many
    jobs: tuple[JobRate, ...]


RATES: Mapping[str, Rates] = {
    # 5,000 updates and 25 new tokens an hour; the jobs went round the table, the stalest first.
    "seeds": Rates(
        creates_an_hour=25,
        tokens_active=10_000,
        jobs=(
            JobRate("market-data", 300, 20, 175),
            JobRate("hot-score", 900, 80, 500),
            JobRate("holder-count", 600, 140, 100),
            JobRate("watchers", 300, 200, 25),
        ),
    ),
    # What the market and the default settings make of it: 8,900 updates, 1,700 new tokens.
    "real": Rates(
        creates_an_hour=1700,
        tokens_active=500,
        jobs=(
            JobRate("market-data", 300, 20, 500),
            JobRate("hot-score", 900, 80, 500),
            JobRate("holder-count", 600, 140, 100),
            JobRate("watchers", 300, 200, 25),
        ),
    ),
}


@frozen(kw_only=True)
class TokenBorn:
    """A new token; nothing but its birth is known of it."""

    at_seconds: float
    token: Token


@frozen(kw_only=True)
class JobRan:
    """One run of a background job: new values of some tokens, none of them twice."""

    at_seconds: float
    job: str
    updates: Mapping[Mint, Mapping[str, Value]]


Event = TokenBorn | JobRan


def moment(at_seconds: float) -> UnixSeconds:
    """The wall clock at a moment of the trace."""
    return UnixSeconds(STARTED_AT + at_seconds)


@define
class Population:
    """`tokens` tokens, each a function of the seed and its number alone."""

    seed: int
    tokens: int
    is_known: bool = True  # False: no job has looked at a token yet
    youngest_seconds: float = 0.0  # none of them was born later before the start

    def __iter__(self) -> Iterator[Token]:
        return (self.token(number) for number in range(self.tokens))

    def token(self, number: int) -> Token:
        """A token that the jobs have looked at before, so that every value is known."""
        span = POPULATION_SECONDS - self.youngest_seconds
        age = self.youngest_seconds + span * (self.tokens - number) / self.tokens
        values = _values(Random(f"{self.seed}/{number}")) if self.is_known else {}
        return _token(self.seed, number, moment(-age), values)

    def born(self, number: int, at_seconds: float) -> Token:
        """A token as its create frame tells of it."""
        return _token(self.seed, self.tokens + number, moment(at_seconds), {})


def _token(seed: int, number: int, born_at: UnixSeconds, values: Mapping[str, Value]) -> Token:
    digest = [blake2b(f"{seed}/{number}/{what}".encode()).digest()[:32] for what in "mcb"]
    mint, creator, curve = (base58.b58encode(raw).decode() for raw in digest)
    known = {"bonding_curve_progress": 1.62, **values}
    return Token(
        mint=Mint(mint),
        first_seen_at=UnixSeconds(round(born_at, 3)),
        symbol=f"TKN{number % 10_000}",
        name=f"Token number {number}",
        metadata_uri=f"https://ipfs.io/ipfs/bafkrei{creator.lower()}",
        creator_wallet=creator,
        bonding_curve_key=curve,
        decimals=6,
        total_supply="1000000000000000",
        pool_type="pumpfun",
        sol_raised=Sol(0.5),
        sol_to_graduate=Sol(84.5),
        market_cap_sol=Sol(28.9),
        last_trade_at=UnixSeconds(math.floor(born_at)),  # its creator bought
        **known,  # type: ignore[arg-type]  # a mapping of field names to their values
    )


def _values(random: Random) -> dict[str, Value]:
    return _market(random) | _score(random) | _holders(random) | _watchers(random)


def changed_values(seed: str) -> dict[str, Value]:
    """What a run of the market data job might say of a token."""
    return _market(Random(seed))


def _market(random: Random) -> dict[str, Value]:
    cap = _significant(random.lognormvariate(9.5, 1.5))
    return {
        "price_usd": Usd(_significant(cap / 1e9)),
        "market_cap_usd": Usd(cap),
        "liquidity_usd": Usd(_significant(cap * random.uniform(0.1, 0.3))),
        "volume_24h": Usd(_significant(random.lognormvariate(8.0, 2.0))),
        "price_change_24h": round(random.gauss(0, 40), 2),
        "tx_count_24h": random.randrange(1, 50_000),
        "bonding_curve_progress": round(random.uniform(0, 79), 2),
    }


def _score(random: Random) -> dict[str, Value]:
    return {"hot_score": round(random.gauss(100, 20), 2)}


def _holders(random: Random) -> dict[str, Value]:
    return {"holder_count": random.randrange(1, 20_000)}


def _watchers(random: Random) -> dict[str, Value]:
    return {"watcher_count": random.randrange(1, 200)}


def _significant(value: float) -> float:
    """Six digits: what every strategy's columns can keep."""
    return float(f"{value:.6g}")


_JOB_VALUES = {
    "market-data": _market,
    "hot-score": _score,
    "holder-count": _holders,
    "watchers": _watchers,
}


@define(kw_only=True)
class Trace:
    """`hours` hours of events over a population."""

    rates: Rates
    tokens: int
    hours: float
    seed: int
    population_is_known: bool = True
    youngest_seconds: float = 0.0
    population: Population = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.population = Population(
            self.seed, self.tokens, self.population_is_known, self.youngest_seconds
        )

    @property
    def seconds(self) -> float:
        return self.hours * HOUR_SECONDS

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """Every event, in order of time."""
        return tuple(_Unfolding(trace=self).events())

    def counts(self, since_seconds: float = 0.0) -> tuple[int, int]:
        """How many updates and how many births happen from a moment on."""
        late = [event for event in self.events if event.at_seconds >= since_seconds]
        runs = [event for event in late if isinstance(event, JobRan)]
        return sum(len(run.updates) for run in runs), len(late) - len(runs)

    def final_values(self) -> dict[Mint, dict[str, Value]]:
        """What must be stored in the end, of every token that changed."""
        final: dict[Mint, dict[str, Value]] = {}
        for event in self.events:
            if isinstance(event, JobRan):
                for mint, values in event.updates.items():
                    final.setdefault(mint, {}).update(values)
        return final

    def encoded(self) -> bytes:
        """The whole trace in bytes: equal for equal seeds, rates and sizes."""
        ends = [self.population.token(number).mint for number in (0, self.tokens - 1)]
        return orjson.dumps([ends, [_as_json(event) for event in self.events]])

    @property
    def digest(self) -> str:
        """A short name for exactly this trace."""
        return blake2b(self.encoded(), digest_size=8).hexdigest()


def _as_json(event: Event) -> list[object]:
    if isinstance(event, TokenBorn):
        return [event.at_seconds, "born", event.token.mint]
    return [event.at_seconds, event.job, dict(event.updates)]


@define
class _Unfolding:
    """The state that the events of a trace come out of."""

    trace: Trace
    random: Random = field(init=False)
    active: list[Mint] = field(init=False)
    statuses: dict[Mint, Status] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self.random = Random(f"{self.trace.seed}/events")
        size = min(self.trace.rates.tokens_active, self.trace.tokens)
        chosen = self.random.sample(range(self.trace.tokens), size)
        self.active = [self.trace.population.token(number).mint for number in chosen]

    def events(self) -> Iterator[Event]:
        for at_seconds, what in sorted(self._schedule(), key=lambda entry: entry[0]):
            yield (
                self._birth(at_seconds, what)
                if isinstance(what, int)
                else self._run(at_seconds, what)
            )

    def _schedule(self) -> Iterator[tuple[float, int | JobRate]]:
        rates, seconds = self.trace.rates, self.trace.seconds
        for number in range(math.floor(rates.creates_an_hour * self.trace.hours)):
            hour = number // rates.creates_an_hour  # each hour gets its number exactly
            within = self.random.uniform(0, min(HOUR_SECONDS, seconds - hour * HOUR_SECONDS))
            yield round(hour * HOUR_SECONDS + within, 3), number
        for job in rates.jobs:
            at_seconds = float(job.offset_seconds)
            while at_seconds < seconds:
                yield at_seconds, job
                at_seconds += job.interval_seconds

    def _birth(self, at_seconds: float, number: int) -> TokenBorn:
        token = self.trace.population.born(number, at_seconds)
        if self.random.random() < JOINS_ACTIVE:
            self.active[self.random.randrange(len(self.active))] = token.mint
        return TokenBorn(at_seconds=at_seconds, token=token)

    def _run(self, at_seconds: float, job: JobRate) -> JobRan:
        chosen = self.random.sample(self.active, min(job.tokens, len(self.active)))
        updates = {mint: self._update(at_seconds, job, mint) for mint in dict.fromkeys(chosen)}
        return JobRan(at_seconds=at_seconds, job=job.name, updates=updates)

    def _update(self, at_seconds: float, job: JobRate, mint: Mint) -> dict[str, Value]:
        values = _JOB_VALUES[job.name](self.random)
        status = self.statuses.get(mint, Status.NEW)
        grows = job.name == "market-data" and self.random.random() < STATUS_GROWS
        if grows and status < Status.BONDED:
            self.statuses[mint] = Status(status + 1)
            values |= {
                "status": int(status + 1),
                "previous_status": int(status),
                "status_changed_at": moment(at_seconds),
            }
        return values
