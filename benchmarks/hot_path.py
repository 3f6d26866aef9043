"""What one event costs on its way from a stream's socket to the boards, and how late it is shown.

    source, a process -> the service as in production, on real Postgres and Redis -> a client

Beside it the floor: a peer that receives the same frames with trio-websocket and decodes their
JSON, and does nothing else, in the same minute on the same machine. CPU is the whole process's,
from the first frame until all is in view; latencies count from when a frame was due, whether or
not the service was slow to take it.

By stage: stacks that py-spy samples under the same traffic once more, by room. `--flame FILE`
writes them as a flame graph (SVG), of `STAGE_RATE`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import trio
from attrs import define, field

from benchmarks.results import Cell, Figure, Result
from benchmarks.traffic.conductor import BIRTH_RATE, Conductor, Phase, conducting
from benchmarks.traffic.sampling import SamplingRefused
from benchmarks.traffic.stages import STAGES, count_stages, share_out
from commands.storm.report import aligned

OPTIONS = ("flame",)
COINS = 2000
RATES = (750.0, 3000.0, 10_000.0)
STAGE_RATE = 750.0
OTHER_STREAMS = ("PumpAPI", "chain")
BIRTH_RATES = (1000.0, 5000.0)
SECONDS, QUICK_SECONDS = 10.0, 3.0


@define
class Run:
    """The phases of one benchmark run."""

    seconds: float  # a phase
    flame: Path | None
    phases: list[Phase] = field(factory=list, init=False)
    stages: dict[str, Mapping[str, float]] = field(factory=dict, init=False)  # us, by stream
    refusal: str = field(default="", init=False)  # why there are no stages

    async def trade(self, stream: str, rates: tuple[float, ...]) -> None:
        """All rates on one service, then its stages at the usual one."""
        async with conducting(stream, COINS) as conductor:
            await conductor.send_births(COINS, BIRTH_RATE)
            phases = [await conductor.send_trades(self.seconds, rate) for rate in rates]
            self.phases += phases
            usual = next(phase for phase in phases if phase.rate == STAGE_RATE)
            await self._sample_stages(conductor, usual)

    async def bear(self) -> None:
        """Births alone, on a service that has seen none."""
        counts = [int(self.seconds * rate) for rate in BIRTH_RATES]
        async with conducting("PumpPortal", sum(counts)) as conductor:
            for count, rate in zip(counts, BIRTH_RATES, strict=True):
                self.phases.append(await conductor.send_births(count, rate))

    async def _sample_stages(self, conductor: Conductor, usual: Phase) -> None:
        try:
            stacks = await conductor.sample_trades(self.seconds, STAGE_RATE, "raw")
            if self.flame is not None:
                picture = await conductor.sample_trades(self.seconds, STAGE_RATE, "flamegraph")
                await trio.Path(self.flame).write_text(picture)
                self.flame = None
        except SamplingRefused as refused:
            self.refusal = f"No stages: {refused}"
            return
        samples = count_stages(stacks.splitlines())
        loop = usual.loop_microseconds
        shares = share_out(samples, loop, usual.microseconds - loop)
        self.stages[conductor.traffic.stream] = shares


def run(is_quick: bool, flame: Path | None = None) -> Result:
    measured = Run(QUICK_SECONDS if is_quick else SECONDS, flame)
    trio.run(measured.trade, "PumpPortal", RATES)
    for stream in OTHER_STREAMS:
        trio.run(measured.trade, stream, (STAGE_RATE,))
    trio.run(measured.bear)
    return Result(
        name="hot-path",
        title=f"One event from the socket to the boards, {COINS:,} coins",
        headings=(
            "traffic", "us CPU", "loop us", "other threads us", "floor us", "ratio", "cores",
            "p50 ms", "p99 ms", "last in view after s",
        ),
        lines=[_shown(phase) for phase in measured.phases],
        conclusion=measured.refusal or _shown_stages(measured.stages),
        figures=_list_figures(measured.phases) | {"stages": measured.stages},
    )  # fmt: skip


def _shown(phase: Phase) -> list[Cell]:
    middle, high = phase.latency or (None, None)
    return [
        phase.name,
        phase.microseconds,
        phase.loop_microseconds,
        phase.microseconds - phase.loop_microseconds,
        phase.floor_seconds * 1e6,
        phase.ratio,
        phase.share,
        middle,
        high,
        phase.in_view_seconds,
    ]


def _list_figures(phases: Iterable[Phase]) -> dict[str, object]:
    """The CPU of an event, and how many times the floor it is."""
    figures: dict[str, object] = {}
    for phase in phases:
        figures[f"{phase.name}: CPU"] = Figure(value=phase.microseconds, unit="us an event")
        figures[f"{phase.name}: to the floor"] = Figure(value=phase.ratio, unit="ratio")
    return figures


def _shown_stages(stages: Mapping[str, Mapping[str, float]]) -> str:
    """A line a stage, a column a stream."""
    head = [f"us CPU at {STAGE_RATE:,.0f}/s", *stages]
    lines = [
        [stage, *(f"{each.get(stage, 0):.0f}" for each in stages.values())] for stage in STAGES
    ]
    return aligned([head, *lines])
