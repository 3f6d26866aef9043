"""Each figure beside the one that was accepted last: what got worse, and by how much.

    Result.figures -> compare -> Comparison, a line each
    benchmarks/results/NAME.json -> accept -> benchmarks/accepted.json, in the repository

Figures of --quick and of a full run are accepted apart. Where a figure is required, the run fails
when it is worse by more than its tolerance; any other is only marked, since a busy or another
machine may be the reason: the accepted ones name theirs.
"""

import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import orjson
from attrs import frozen

from benchmarks.results import DIRECTORY, Figure, NotMeasurable
from commands.storm.report import aligned

ACCEPTED = Path(__file__).with_name("accepted.json")
CPU_MODEL = "model name"  # in /proc/cpuinfo

Accepted = Mapping[str, Mapping[str, Mapping[str, object]]]  # by result, then by figure


@frozen
class Comparison:
    """One figure, and what was accepted."""

    name: str
    figure: Figure
    accepted: float | None

    @property
    def ratio(self) -> float | None:
        """How many times the accepted one it is; None where there is none."""
        return self.figure.value / self.accepted if self.accepted else None

    @property
    def verdict(self) -> str:
        """`worse` and `better` are beyond the tolerance."""
        if self.ratio is None:
            return "new"
        cost = 1 / self.ratio if self.figure.more_is_better and self.ratio else self.ratio
        if cost > 1 + self.figure.tolerance:
            return "WORSE"
        return "better" if cost < 1 / (1 + self.figure.tolerance) else ""

    @property
    def is_failure(self) -> bool:
        return self.figure.is_required and self.verdict == "WORSE"


def read_accepted() -> Accepted:
    """What the repository holds; nothing before anything has been accepted."""
    accepted: Accepted = orjson.loads(ACCEPTED.read_bytes()) if ACCEPTED.exists() else {}
    return accepted


def title_of(name: str, is_quick: bool) -> str:
    """Under which the figures of a result are accepted."""
    return f"{name} (quick)" if is_quick else name


def compare(title: str, figures: Mapping[str, Figure], accepted: Accepted) -> Iterator[Comparison]:
    """Each figure with the accepted one of the same name."""
    known = accepted.get(title, {})
    for name, figure in figures.items():
        value = known.get(name, {}).get("value")
        yield Comparison(name, figure, value if isinstance(value, int | float) else None)


def render(comparisons: Iterable[Comparison]) -> str:
    """A table, a line a figure."""
    lines = [
        [
            comparison.name,
            f"{comparison.figure.value:,.4g}",
            "-" if comparison.accepted is None else f"{comparison.accepted:,.4g}",
            "-" if comparison.ratio is None else f"{comparison.ratio:.2f}",
            comparison.figure.unit,
            comparison.verdict,
        ]
        for comparison in comparisons
    ]
    return aligned([["figure", "now", "accepted", "ratio", "unit", ""], *lines])


def list_results() -> list[str]:
    """The names of all results in benchmarks/results/."""
    return sorted(file.stem for file in DIRECTORY.glob("*.json"))


def accept(names: Iterable[str]) -> list[str]:
    """Take over the figures of these results as they lie in benchmarks/results/; their titles.

    `NotMeasurable` where a benchmark has not been run.
    """
    accepted = {title: dict(figures) for title, figures in read_accepted().items()}
    titles = []
    for name in names:
        file = DIRECTORY / f"{name}.json"
        if not file.exists():
            raise NotMeasurable(f"{name} has no result yet: python -m benchmarks")
        told = orjson.loads(file.read_bytes())
        title = title_of(name, told["quick"])
        accepted[title] = dict(_list_accepted(told["figures"], file))
        titles.append(title)
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    ACCEPTED.write_bytes(orjson.dumps(accepted, option=options))
    return titles


def _list_accepted(
    figures: Mapping[str, Mapping[str, object]], file: Path
) -> Iterator[tuple[str, Mapping[str, object]]]:
    day = datetime.fromtimestamp(file.stat().st_mtime, UTC).date().isoformat()
    for name, figure in figures.items():
        yield (
            name,
            {
                "value": figure["value"],
                "unit": figure["unit"],
                "date": day,
                "machine": describe_machine(),
            },
        )


def describe_machine() -> str:
    """Such as `2 x Intel(R) Xeon(R), Python 3.11.7`."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith(CPU_MODEL)]
    model = models[0] if models else platform.machine()
    return f"{os.cpu_count()} x {model}, Python {platform.python_version()}"
