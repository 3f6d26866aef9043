"""A benchmark's result: a table on the screen, and JSON under benchmarks/results/."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson
from attrs import asdict, field, frozen

from commands.storm.report import aligned
from domain.errors import TokenDiscoveryError

DIRECTORY = Path(__file__).parent / "results"
Cell = str | int | float | None


class NotMeasurable(TokenDiscoveryError):
    """What a benchmark measures with is not here."""


@frozen(kw_only=True)
class Figure:
    """One number that is compared with the one accepted last (benchmarks/guard.py)."""

    value: float
    unit: str
    tolerance: float = 0.3  # share by which it may get worse; a busy machine needs much
    more_is_better: bool = False
    is_required: bool = False  # one that got worse is a failure: the machine cannot be the reason


@frozen(kw_only=True)
class Result:
    """One table. `figures` are for programs; those that are a `Figure` are compared."""

    name: str  # of the file, too
    title: str
    headings: Sequence[str]
    lines: Sequence[Sequence[Cell]]
    conclusion: str
    figures: Mapping[str, object] = field(factory=dict)

    def shown(self) -> str:
        rows = [[_shown(cell) for cell in line] for line in self.lines]
        return f"{self.title}\n\n{aligned([list(self.headings), *rows])}\n\n{self.conclusion}\n"

    def list_figures(self) -> Mapping[str, Figure]:
        """Those that are compared."""
        return {name: figure for name, figure in self.figures.items() if isinstance(figure, Figure)}

    def save(self, seconds: float, is_quick: bool) -> Path:
        """Write the JSON; where it is."""
        DIRECTORY.mkdir(exist_ok=True)
        file = DIRECTORY / f"{self.name}.json"
        compared = self.list_figures()
        lines = [dict(zip(self.headings, line, strict=True)) for line in self.lines]
        document = {
            "title": self.title,
            "quick": is_quick,
            "seconds": round(seconds, 1),
            "conclusion": self.conclusion,
            "lines": lines,
            "figures": {name: asdict(figure) for name, figure in compared.items()},
            **{name: figure for name, figure in self.figures.items() if name not in compared},
        }
        file.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        return file


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:,.3g}"
    return f"{cell:,}" if isinstance(cell, int) else cell
