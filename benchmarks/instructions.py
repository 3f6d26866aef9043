"""Instructions of the hot path's pure stages, by callgrind: the same however busy the machine is.

    valgrind: pure_stages -> a profile a mark -> (2n repetitions - n repetitions) / n

The difference cancels what does not repeat. Strings hash the same in each run, and the garbage
collector stands still; so two counts of one code differ by far less than a hundredth, and a stage
that has grown by more than its tolerance has done so by its code (or Python's, or a package's).
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from os import environ
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.pure_stages import STAGES
from benchmarks.results import Figure, NotMeasurable, Result

REPEATS = 100  # quick or not: more would change the figures a little
TOLERANCE = 0.05
MARKS = 3  # a stage
ROOT = Path(__file__).parents[1]
SUMMARY = re.compile(r"^summary: (\d+)$", re.MULTILINE)


class NoCounter(NotMeasurable):
    """valgrind is not installed: apt-get install valgrind."""


def run(_: bool) -> Result:
    counted = count_instructions(REPEATS)
    return Result(
        name="instructions",
        title="Instructions of one repetition of each pure stage",
        headings=("stage", "instructions"),
        lines=list(counted.items()),
        conclusion=f"{REPEATS} repetitions each; what happens many at once, fewer.",
        figures={
            name: Figure(
                value=instructions, unit="instructions", tolerance=TOLERANCE, is_required=True
            )
            for name, instructions in counted.items()
        },
    )


def count_instructions(repeats: int) -> dict[str, float]:
    """By stage, of one repetition; `NoCounter` without valgrind."""
    if shutil.which("valgrind") is None:
        raise NoCounter
    with TemporaryDirectory() as directory:
        profile = Path(directory) / "profile"
        command = [
            "valgrind", "--tool=callgrind", "--dump-before=getppid",
            f"--callgrind-out-file={profile}",
            sys.executable, "-m", "benchmarks.pure_stages", str(repeats),
        ]  # fmt: skip
        subprocess.run(
            command,
            cwd=ROOT,
            env={**environ, "PYTHONHASHSEED": "0"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        parts = [
            Path(f"{profile}.{number}").read_text() for number in range(1, MARKS * len(STAGES) + 1)
        ]
    counts = [int(found[1]) for part in parts if (found := SUMMARY.search(part))]
    slownesses = [slowness for _, slowness in STAGES.values()]
    return dict(zip(STAGES, per_repetition(counts, slownesses, repeats), strict=True))


def per_repetition(counts: Sequence[int], slownesses: Sequence[int], repeats: int) -> list[float]:
    """Instructions of one repetition of each stage, from what was counted before each mark.

    Of three marks: what came before the first is no work; then n repetitions; then 2n.
    """
    once, twice = counts[1::MARKS], counts[2::MARKS]
    return [
        (more - less) / (repeats // slowness)
        for less, more, slowness in zip(once, twice, slownesses, strict=True)
    ]
