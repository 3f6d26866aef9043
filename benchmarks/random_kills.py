"""SIGKILL and SIGSTOP at random moments, to the service, Redis and Postgres, under load.

    market -> the service, a process as in production -> Redis (append-only file), Postgres
       └-> Truth <- readers of Postgres and of the boards; compared after every CHECK_KILLS

Each victim in turn, now and then two at once; what is killed is started anew at once. Counted are
values that are lost, that fell back, that came twice, and births that nobody has: those that were
on their way to a service that was killed.
"""

from collections import defaultdict
from collections.abc import Sequence
from random import Random
from statistics import median, quantiles

import trio
from attrs import Factory, define

from benchmarks.random_kills_truth import QUIET_SECONDS, find_missing
from benchmarks.random_kills_world import VICTIMS, Blow, KillWorld, Victim, kill_world
from benchmarks.results import Cell, Result
from domain.values import Mint

OPTIONS = ("kills", "seed")  # of the command line
KILLS, QUICK_KILLS = 60, 9
CHECK_KILLS = 25  # from one comparison to the next
CHECK_INTERVAL_SECONDS = 0.2
CHECK_SECONDS = 30.0  # for all that is due to be where it must be; then it is lost
PAIR_SHARE = 0.15  # of the turns that strike two victims
STOP_SHARE = 0.3  # of the blows
STOPPED_SECONDS = (1.0, 4.0)
PAUSE_SECONDS = (QUIET_SECONDS + 0.1, QUIET_SECONDS + 1.6)  # from all well to the next blow
Turn = tuple[Blow, ...]


@define
class Outcome:
    """What the kills have done."""

    seconds: dict[str, list[float]] = Factory(lambda: defaultdict(list))  # to ready again, by blow
    lines: dict[str, list[int]] = Factory(lambda: defaultdict(list))  # of the log, by blow
    lost: dict[Mint, str] = Factory(dict)  # by coin, in words
    repeated: list[str] = Factory(list)
    checks: int = 0

    @property
    def kills(self) -> int:
        return sum((name.count(" + ") + 1) * len(each) for name, each in self.seconds.items())


def run(is_quick: bool, kills: int | None = None, seed: int = 1) -> Result:
    wanted = kills or (QUICK_KILLS if is_quick else KILLS)
    return trio.run(strike, plan_turns(wanted, seed), seed)


def plan_turns(kills: int, seed: int) -> list[Turn]:
    """That many blows: every victim in turn, in changing order, now and then two at once."""
    random = Random(seed)
    turns: list[Turn] = []
    queue: list[Blow] = []
    while sum(map(len, turns)) < kills:
        if len(queue) < 2:
            queue += [_draw_blow(victim, random) for victim in random.sample(VICTIMS, 3)]
        left = kills - sum(map(len, turns))
        is_pair = left > 1 and queue[0].victim != queue[1].victim and random.random() < PAIR_SHARE
        size = 2 if is_pair else 1
        turns.append(tuple(queue[:size]))
        del queue[:size]
    return turns


def _draw_blow(victim: Victim, random: Random) -> Blow:
    stopped = random.uniform(*STOPPED_SECONDS) if random.random() < STOP_SHARE else None
    return Blow(victim=victim, stopped_seconds=stopped)


async def strike(turns: Sequence[Turn], seed: int, check_kills: int = CHECK_KILLS) -> Result:
    """Deliver every blow; compare after each `check_kills` of them, and at the end."""
    outcome, random = Outcome(), Random(seed + 1)
    async with kill_world(seed) as world:
        world.count_log_lines()
        since_check = 0
        for turn in turns:
            await trio.sleep(random.uniform(*PAUSE_SECONDS))
            await _strike_once(world, turn, outcome)
            since_check += len(turn)
            if since_check >= check_kills:
                await _compare(world, outcome)
                since_check = 0
        await trio.sleep(QUIET_SECONDS)
        world.end_market()
        await trio.sleep(QUIET_SECONDS + 0.1)
        world.truth.settle(world.connection())
        await _compare(world, outcome)
        return _make_result(world, outcome, seed)


async def _strike_once(world: KillWorld, turn: Turn, outcome: Outcome) -> None:
    world.truth.settle(world.connection())
    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        for blow in turn:
            nursery.start_soon(world.deliver, blow)
    stopped = max(blow.stopped_seconds or 0.0 for blow in turn)
    await world.wait_until_ready()
    name = " + ".join(sorted(blow.name for blow in turn))
    outcome.seconds[name].append(trio.current_time() - started - stopped)
    outcome.lines[name].append(world.count_log_lines())


async def _compare(world: KillWorld, outcome: Outcome) -> None:
    """Wait until all that is due now is in Postgres and on the feed; what never is, is lost."""
    due = dict(world.truth.due)  # the market goes on, and Postgres is always a little behind
    missing = find_missing(due, {})
    with trio.move_on_after(CHECK_SECONDS):
        while missing:
            missing = find_missing(due, await world.readers.read_stored())
            missing |= find_missing(due, await world.readers.read_shown(due))
            await trio.sleep(CHECK_INTERVAL_SECONDS)
    outcome.lost |= missing
    outcome.repeated += await world.readers.find_repeated()
    outcome.checks += 1


def _make_result(world: KillWorld, outcome: Outcome, seed: int) -> Result:
    truth = world.truth
    names = sorted(outcome.seconds, key=lambda name: (" + " in name, name))
    every = [seconds for each in outcome.seconds.values() for seconds in each]
    lines = [_make_line(name, outcome.seconds[name], outcome.lines[name]) for name in names]
    all_lines = [count for each in outcome.lines.values() for count in each]
    births, stored = truth.births_told, truth.due.keys()
    figures: dict[str, object] = {
        "seed": seed,
        "kills": outcome.kills,
        "comparisons": outcome.checks,
        "coins": len(stored),
        "lost": list(outcome.lost.values()),
        "fallen": truth.fallen,
        "repeated": outcome.repeated + truth.repeated,
        "births_told": len(births),
        "births_missing": len(births) - len(stored & set(births)),
        "in_flight": dict(truth.in_flight),
        "ended_by_itself": world.ended_by_itself,
        "log_lines": dict(world.log_lines.most_common()),
    }
    return Result(
        name="random-kills",
        title=f"{outcome.kills} kills of the service, Redis and Postgres, by seed {seed}",
        headings=("what", "times", "median s", "p99 s", "longest s", "log lines", "most lines"),
        lines=[*lines, _make_line("all", every, all_lines)],
        conclusion=_conclude(figures),
        figures=figures,
    )


def _make_line(name: str, seconds: Sequence[float], lines: Sequence[int]) -> Sequence[Cell]:
    p99 = quantiles(seconds, n=100, method="inclusive")[98] if len(seconds) > 1 else seconds[0]
    return (name, len(seconds), median(seconds), p99, max(seconds), median(lines), max(lines))


def _conclude(figures: dict[str, object]) -> str:
    def count(name: str) -> int:
        counted = figures[name]
        return len(counted) if isinstance(counted, list) else int(str(counted))

    return (
        f"{count('coins'):,} coins, compared {count('comparisons')} times: {count('lost')} lost, "
        f"{count('fallen')} fallen back, {count('repeated')} repeated. "
        f"{count('births_missing')} of {count('births_told'):,} births were on their way to a "
        f"service that was killed. The service ended {count('ended_by_itself')} times by itself."
    )
