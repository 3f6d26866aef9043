"""The outcomes as a picture for a report: a bar a strategy, on a logarithmic scale.

Report  ->  SVG text, drawn by hand: it needs no library and no font of its own
"""

import math
from collections.abc import Iterator
from xml.sax.saxutils import escape

from commands.storm.replay import Outcome
from commands.storm.report import BASELINE, Report

WIDTH = 960
LEFT, RIGHT, TOP, BOTTOM = 270, 200, 110, 56
BAR, STEP = 26, 44
FONT = "font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\""
INK, MUTED, GRID = "#1f2933", "#66727f", "#e3e7eb"
COLOURS = {"service": "#0b8457", "service-logged": "#46a881", "limit": "#9aa5b1"}
USUAL_COLOUR = "#c8553d"


def drawn(report: Report) -> str:
    """WAL bytes an hour by strategy, as a complete SVG document."""
    height = TOP + STEP * len(report.outcomes) + BOTTOM
    scale = _Scale([_bytes(report, outcome) for outcome in report.outcomes])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" {FONT}>',
        f"<title>{escape(report.title())}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(24, 38, "What the same hour writes to Postgres", size=22, weight=600),
        *_subtitle(report),
        *_grid(scale, height),
        *(
            part
            for row, one in enumerate(report.outcomes)
            for part in _bar(report, one, row, scale)
        ),
        _text(LEFT, height - 16, "bytes of WAL an hour, logarithmic scale", size=12, colour=MUTED),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Scale:
    """Powers of ten around the values."""

    def __init__(self, values: list[float]) -> None:
        known = [value for value in values if value > 0] or [1.0]
        self.first = math.floor(math.log10(min(known)) - 0.3)
        self.last = math.ceil(math.log10(max(known)))

    def x(self, value: float) -> float:
        share = (math.log10(max(value, 10**self.first)) - self.first) / (self.last - self.first)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def powers(self) -> range:
        return range(self.first, self.last + 1)


def _bytes(report: Report, outcome: Outcome) -> float:
    return outcome.cost.wal_bytes / report.plan.measured_hours


def _subtitle(report: Report) -> Iterator[str]:
    """What was replayed, in two lines."""
    first, _, second = report.title().partition("; ")
    yield _text(24, 62, first, size=13, colour=MUTED)
    yield _text(24, 80, second, size=13, colour=MUTED)


def _grid(scale: _Scale, height: int) -> Iterator[str]:
    for power in scale.powers():
        x = scale.x(10.0**power)
        yield (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 10}" y2="{height - BOTTOM + 4}" '
            f'stroke="{GRID}"/>'
        )
        label = _size(10.0**power)
        yield _text(x, height - BOTTOM + 20, label, size=11, colour=MUTED, anchor="middle")


def _bar(report: Report, outcome: Outcome, row: int, scale: _Scale) -> Iterator[str]:
    y = TOP + STEP * row
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
