"""The outcomes as a picture for a report: a bar a strategy, on a logarithmic and on a linear scale.

The logarithmic panel shows the cheap ones, the linear one how far they are from the others.

Report  ->  SVG text, drawn by hand: it needs no library and no font of its own
"""

import math
from collections.abc import Iterable, Iterator
from typing import Protocol
from xml.sax.saxutils import escape

from commands.storm.replay import Outcome
from commands.storm.report import BASELINE, Report

WIDTH = 960
LEFT, RIGHT, TOP, BOTTOM = 270, 200, 110, 64
BAR, STEP = 26, 44
FONT = "font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\""
INK, MUTED, GRID = "#1f2933", "#66727f", "#e3e7eb"
COLOURS = {"service": "#0b8457", "service-logged": "#46a881", "limit": "#9aa5b1"}
USUAL_COLOUR = "#c8553d"


def drawn(report: Report) -> str:
    """WAL bytes an hour by strategy, as a complete SVG document."""
    panel_height = STEP * len(report.outcomes) + BOTTOM
    height = TOP + 2 * panel_height
    values = [_bytes(report, outcome) for outcome in report.outcomes]
    scales: list[_Scale] = [_LogarithmicScale(values), _LinearScale(values)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" {FONT}>',
        f"<title>{escape(report.title())}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(24, 38, "What the same hour writes to Postgres", size=22, weight=600),
        *_subtitle(report),
        *(
            part
            for number, scale in enumerate(scales)
            for part in _panel(report, scale, TOP + number * panel_height)
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Scale(Protocol):
    """Where a value stands."""

    name: str

    def x(self, value: float) -> float: ...

    def marks(self) -> Iterable[float]: ...


class _LinearScale:
    """From 0 to the greatest value, in steps that people count in."""

    name = "linear scale"

    def __init__(self, values: list[float]) -> None:
        greatest = max([*values, 1.0])
        unit = 10.0 ** math.floor(math.log10(greatest))
        self.step = next(unit * part for part in (0.25, 0.5, 1, 2) if greatest <= 5 * unit * part)
        self.last = self.step * math.ceil(greatest / self.step)

    def x(self, value: float) -> float:
        return LEFT + value / self.last * (WIDTH - LEFT - RIGHT)

    def marks(self) -> Iterable[float]:
        return (number * self.step for number in range(round(self.last / self.step) + 1))


class _LogarithmicScale:
    """Powers of ten around the values."""

    name = "logarithmic scale"

    def __init__(self, values: list[float]) -> None:
        known = [value for value in values if value > 0] or [1.0]
        self.first = math.floor(math.log10(min(known)) - 0.3)
        self.last = math.ceil(math.log10(max(known)))

    def x(self, value: float) -> float:
        share = (math.log10(max(value, 10**self.first)) - self.first) / (self.last - self.first)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def marks(self) -> Iterable[float]:
        return (10.0**power for power in range(self.first, self.last + 1))


def _panel(report: Report, scale: _Scale, top: int) -> Iterator[str]:
    bottom = top + STEP * len(report.outcomes)
    yield from _grid(scale, top, bottom)
    for row, outcome in enumerate(report.outcomes):
        yield from _bar(report, outcome, top + STEP * row, scale)
    note = f"bytes of WAL an hour, {scale.name}"
    yield _text(LEFT, bottom + 40, note, size=12, colour=MUTED)


def _bytes(report: Report, outcome: Outcome) -> float:
    return outcome.cost.wal_bytes / report.plan.measured_hours


def _subtitle(report: Report) -> Iterator[str]:
    """What was replayed, in two lines."""
    first, _, second = report.title().partition("; ")
    yield _text(24, 62, first, size=13, colour=MUTED)
    yield _text(24, 80, second, size=13, colour=MUTED)


def _grid(scale: _Scale, top: int, bottom: int) -> Iterator[str]:
    for mark in scale.marks():
        x = scale.x(mark)
        yield (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top - 10}" y2="{bottom + 4}" stroke="{GRID}"/>'
        )
        yield _text(x, bottom + 20, _size(mark), size=11, colour=MUTED, anchor="middle")


def _bar(report: Report, outcome: Outcome, y: int, scale: _Scale) -> Iterator[str]:
    value = _bytes(report, outcome)
    end = scale.x(value)
    colour = COLOURS.get(outcome.name, USUAL_COLOUR)
    middle = y + BAR / 2 + 5
    yield _text(LEFT - 12, middle, outcome.title, size=13, anchor="end")
    yield (
        f'<rect x="{LEFT}" y="{y}" width="{max(end - LEFT, 1):.1f}" height="{BAR}" rx="3" '
        f'fill="{colour}"/>'
    )
    yield _text(end + 8, middle, _size(value), size=13, weight=600)
    ratio = report.ratio(outcome, BASELINE)
    if ratio is not None and ratio < 0.995:
        note = f"1/{1 / ratio:,.0f} of as it was" if ratio < 0.5 else f"{ratio:.0%} of as it was"
        yield _text(end + 76, middle, note, size=12, colour=MUTED)


def _size(value: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return f"{value / scale:,.3g} {unit}"
    return f"{value:,.0f} B"


def _text(x: float, y: float, text: str, *, size: int, weight: int = 400, **more: str) -> str:
    colour, anchor = more.get("colour", INK), more.get("anchor", "start")
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'
    )
