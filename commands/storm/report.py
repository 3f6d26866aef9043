"""The outcomes side by side: a table for people, JSON for programs.

Every strategy ran on the same trace, server and settings; ratios are WAL bytes.
"""

from collections.abc import Sequence
from typing import Any

from attrs import asdict, frozen

from commands.storm.replay import Outcome, Plan

BASELINE, LIMIT = "as-it-was", "limit"
HEADINGS = (
    "strategy",
    "statements",
    "rows",
    "WAL kB",
    "full pages",
    "buffers/ckpt",
    "WAL dist. kB",
    "HOT",
    "CPU s",
    "as it was",
    "limit",
)


@frozen(kw_only=True)
class Report:
    """What was replayed, where, and what came of it. Counts are an hour's."""

    plan: Plan
    rates: str
    server_version: int
    wal_compression: str
    outcomes: Sequence[Outcome]

    def table(self) -> str:
        """The outcomes, a line each, under one line that says what was replayed."""
        lines = [HEADINGS, *(self.line(outcome) for outcome in self.outcomes)]
        return f"{self.title()}\n\n{aligned(lines)}\n{self.remarks()}"

    def title(self) -> str:
        trace = self.plan.trace
        updates, births = trace.counts(self.plan.warm_up_seconds)
        hours = self.plan.measured_hours
        return (
            f"Per hour: {updates / hours:,.0f} updates and {births / hours:,.0f} new tokens, on "
            f"{trace.tokens:,} tokens; a checkpoint every {self.plan.checkpoint_seconds / 60:g} "
            f"minutes; PostgreSQL {self.server_version}, wal_compression {self.wal_compression}"
        )

    def as_json(self) -> dict[str, Any]:
        trace = self.plan.trace
        return {
            "rates": self.rates,
            "tokens": trace.tokens,
            "hours": self.plan.measured_hours,
            "seed": trace.seed,
            "trace": trace.digest,
            "checkpoint_minutes": self.plan.checkpoint_seconds / 60,
            "postgres": self.server_version,
            "wal_compression": self.wal_compression,
            "strategies": [self._as_json(outcome) for outcome in self.outcomes],
        }

    def ratio(self, outcome: Outcome, to: str) -> float | None:
        """How many times the WAL of strategy `to`; None where that did not run."""
        for other in self.outcomes:
            if other.name == to and other.cost.wal_bytes:
                return outcome.cost.wal_bytes / other.cost.wal_bytes
        return None

    def _as_json(self, outcome: Outcome) -> dict[str, Any]:
        ratios = {
            "wal_against_as_it_was": self.ratio(outcome, BASELINE),
            "wal_against_limit": self.ratio(outcome, LIMIT),
        }
        return asdict(outcome) | {"hot_ratio": outcome.cost.hot_ratio} | ratios

    def line(self, outcome: Outcome) -> tuple[str, ...]:
        cost, hours = outcome.cost, self.plan.measured_hours
        cpu, hot = cost.backend_cpu_seconds, cost.hot_ratio
        baseline, limit = self.ratio(outcome, BASELINE), self.ratio(outcome, LIMIT)
        return (
            outcome.title,
            f"{outcome.statements / hours:,.0f}",
            f"{outcome.rows / hours:,.0f}",
            f"{cost.wal_bytes / hours / 1000:,.0f}",
            f"{cost.full_page_images / hours:,.0f}",
            f"{cost.buffers_a_checkpoint:,.1f}",
            f"{cost.wal_distance_bytes / 1000:,.0f}",
            "-" if hot is None else f"{hot:.0%}",
            "-" if cpu is None else f"{cpu / hours:.2f}",
            "-" if not baseline else _fraction(baseline),
            "-" if not limit else f"{limit:,.2f}x",
        )

    def remarks(self) -> str:
        remarks = [
            f"WRONG VALUES: {outcome.title} has {outcome.wrong_values} tokens that are not as the "
            "trace left them"
            for outcome in self.outcomes
            if outcome.wrong_values
        ]
        if any(outcome.cost.foreign_checkpoints > 0 for outcome in self.outcomes):
            remarks.append("The server made checkpoints of its own meanwhile: figures vary.")
        remarks += [
            f"{outcome.title}: {outcome.wal_bytes_a_birth:,.0f} bytes of WAL a new token"
            for outcome in self.outcomes
            if outcome.wal_bytes_a_birth is not None and outcome.name == "service"
        ]
        remarks += [
            f"{outcome.title}: dearer in an hour that merges its rows; --hours 24 averages"
            for outcome in self.outcomes
            if outcome.name == "service-logged"
        ]
        if not any(outcome.wrong_values for outcome in self.outcomes):
            remarks.append("Every strategy ended with the same values, read back and compared.")
        return "\n".join(remarks)


def _fraction(ratio: float) -> str:
    return f"1/{1 / ratio:,.0f}" if ratio < 0.5 else f"{ratio:.2f}x"


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns in equal width: the first to the left, figures to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rows = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([rows[0], "-" * max(map(len, rows)), *rows[1:]])
