"""What can go wrong in a simulation, when, and for how long.

    seed --plan_faults--> [Fault] <--parse_faults, render_faults--> the text of a replay

A plan is drawn from the seed alone, so that the same seed has the same faults; a failing seed is
replayed, or made smaller, by naming its faults one by one: `redis-down@120.5+30`.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from random import Random

from attrs import frozen

from domain.errors import BadConfiguration

SECONDS_BETWEEN_FAULTS = 180.0  # of simulated time, on average
CALM_BEFORE_SECONDS = 60.0  # for the start
CALM_AFTER_SECONDS = 1_200.0  # in which everything must have recovered
PAIRED_SHARE = 0.3  # of faults that come while another one lasts


class FaultKind(Enum):
    """The kinds of faults, by the name that the command line knows."""

    POSTGRES_DOWN = "postgres-down"  # no call has an effect
    POSTGRES_SLOW = "postgres-slow"  # every call takes seconds
    POSTGRES_HANGING = "postgres-hanging"  # calls end by their time-out, with or without effect
    POSTGRES_REPLY_LOST = "postgres-reply-lost"  # commits happen, and fail all the same
    POSTGRES_COMMITS_LOST = "postgres-commits-lost"  # those since it began: a lagging replica
    POSTGRES_READ_ONLY = "postgres-read-only"  # a demoted master, or a full disk
    POSTGRES_LOCKED = "postgres-locked"  # a lock of another session: every write waits for it
    POSTGRES_REFUSES = "postgres-refuses"  # rows of some tokens, as a constraint would
    REDIS_DOWN = "redis-down"
    REDIS_SLOW = "redis-slow"
    REDIS_HANGING = "redis-hanging"
    REDIS_REPLY_LOST = "redis-reply-lost"
    REDIS_EMPTIED = "redis-emptied"  # FLUSHALL, or a start without its data
    REDIS_KEYS_LOST = "redis-keys-lost"  # some tokens' hashes, as by an eviction
    REDIS_LIST_LOST = "redis-list-lost"  # what is dirty
    REDIS_SPOOL_LOST = "redis-spool-lost"
    REDIS_PROMOTED = "redis-promoted"  # a replica that lagged: an older moment comes back
    REDIS_READ_ONLY = "redis-read-only"  # a demoted master
    REDIS_FULL = "redis-full"  # at its maxmemory
    SOURCE_SILENT = "source-silent"  # and never says anything again on this connection
    SOURCE_CUT = "source-cut"  # the connection ends, and there is no other one for a while
    SOURCE_GARBAGE = "source-garbage"
    SOURCE_DUPLICATES = "source-duplicates"
    SOURCE_DISORDER = "source-disorder"
    SOURCE_LAG = "source-lag"
    PROVIDER_DOWN = "provider-down"
    CLIENTS_SLOW = "clients-slow"
    CLIENTS_VANISH = "clients-vanish"
    CLIENTS_AWAY = "clients-away"  # everybody leaves: the system goes idle
    CLOCK_BACK = "clock-back"
    CLOCK_FORWARD = "clock-forward"
    LOOP_STALLED = "loop-stalled"  # the event loop does nothing for a while
    ACTOR_CRASHED = "actor-crashed"
    PROCESS_KILLED = "process-killed"  # at any checkpoint; a new one starts on the same stores
    PROCESS_RESTARTED = "process-restarted"  # by a drain


# What these take away may be gone for good where the process dies before it has put it back.
LOSING_KINDS = frozenset(kind for kind in FaultKind if kind.value.startswith("redis-"))
# After these an actor or the process begins anew, or was held up for a while.
DISTURBING_KINDS = frozenset(
    {
        FaultKind.ACTOR_CRASHED,
        FaultKind.LOOP_STALLED,
        FaultKind.PROCESS_KILLED,
        FaultKind.PROCESS_RESTARTED,
    }
)

LONGEST_SECONDS = {  # of kinds that do not last for up to two minutes
    FaultKind.POSTGRES_COMMITS_LOST: 30.0,  # of commits
    FaultKind.CLIENTS_AWAY: 1_500.0,
    FaultKind.LOOP_STALLED: 20.0,
    FaultKind.CLOCK_BACK: 7_200.0,  # how far it steps
    FaultKind.CLOCK_FORWARD: 600.0,
}
USUAL_LONGEST_SECONDS = 120.0


@frozen(kw_only=True)
class Fault:
    """One fault: its kind, when it begins, and for how long it lasts (or how far it steps)."""

    at_seconds: float
    kind: FaultKind
    lasts_seconds: float

    def __str__(self) -> str:
        return f"{self.kind.value}@{self.at_seconds:g}+{self.lasts_seconds:g}"


def plan_faults(kinds: Sequence[FaultKind], hours: float, random: Random) -> list[Fault]:
    """Faults of the kinds over so many simulated hours, in order; the end is left calm."""
    last_at = hours * 3600.0 - CALM_AFTER_SECONDS
    faults: list[Fault] = []
    at_seconds = CALM_BEFORE_SECONDS
    while kinds and at_seconds < last_at:
        kind = random.choice(kinds)
        longest = LONGEST_SECONDS.get(kind, USUAL_LONGEST_SECONDS)
        lasts = round(random.uniform(0.01, 1.0) ** 2 * longest, 3)
        faults.append(Fault(at_seconds=round(at_seconds, 3), kind=kind, lasts_seconds=lasts))
        is_paired = random.random() < PAIRED_SHARE
        usual = random.expovariate(1 / SECONDS_BETWEEN_FAULTS)
        at_seconds += random.uniform(0.0, lasts) if is_paired else usual
    return faults


def render_faults(faults: Iterable[Fault]) -> str:
    """The faults as `--schedule` takes them."""
    return ",".join(map(str, faults))


def parse_faults(text: str) -> list[Fault]:
    """What `render_faults` has written; `BadConfiguration` says which part is not understood."""
    faults = [_parse_fault(part.strip()) for part in text.split(",") if part.strip()]
    return sorted(faults, key=lambda fault: fault.at_seconds)


def parse_kinds(text: str) -> list[FaultKind]:
    """`all`, `none`, or names separated by commas."""
    if text in ("all", "none"):
        return list(FaultKind) if text == "all" else []
    try:
        return [FaultKind(name.strip()) for name in text.split(",") if name.strip()]
    except ValueError as error:
        known = ", ".join(kind.value for kind in FaultKind)
        raise BadConfiguration(f"{error}; the kinds are {known}") from error


def _parse_fault(text: str) -> Fault:
    name, _, times = text.partition("@")
    at, _, lasts = times.partition("+")
    try:
        return Fault(kind=FaultKind(name), at_seconds=float(at), lasts_seconds=float(lasts))
    except ValueError as error:
        raise BadConfiguration(f"{text!r} is no fault: KIND@SECOND+SECONDS is one") from error
