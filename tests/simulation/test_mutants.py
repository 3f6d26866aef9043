"""Each mistake is caught by the simulation alone; one that survives is a hole in its checks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE_SECONDS
from tests.simulation.mutants import MUTANTS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", [mutant.name for mutant in MUTANTS])
def test_a_mistake_is_caught(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.simulation", name],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
        check=False,
    )
    assert "" == ended.stderr
    assert 0 == ended.returncode, f"{name} survives"
    assert ended.stdout


def test_every_mistake_has_a_name_of_its_own() -> None:
    assert len(MUTANTS) == len({mutant.name for mutant in MUTANTS})
