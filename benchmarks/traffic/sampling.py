"""py-spy on a running process: stacks as text, or a flame graph.

Sampling stops the process for a moment each time, so nothing else is measured meanwhile.
"""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import trio

from domain.errors import TokenDiscoveryError

SAMPLES_A_SECOND = 200
Form = Literal["raw", "flamegraph"]


class SamplingRefused(TokenDiscoveryError):
    """py-spy is not installed, or may not read the memory of another process (ptrace)."""


def find_sampler() -> str | None:
    """py-spy beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


async def record(process: int, seconds: float, form: Form) -> str:
    """What py-spy saw of a process within so many seconds; `SamplingRefused` where it cannot."""
    sampler = find_sampler()
    if sampler is None:
        raise SamplingRefused("py-spy is not installed: pip install py-spy")
    with TemporaryDirectory() as directory:
        file = Path(directory) / "samples"
        command = [
            sampler, "record", "--pid", str(process), "--rate", str(SAMPLES_A_SECOND),
            "--duration", str(max(round(seconds), 1)), "--format", form, "--full-filenames",
            "--output", str(file),
        ]  # fmt: skip
        done = await trio.run_process(
            command, check=False, capture_stdout=True, capture_stderr=True
        )
        if done.returncode != 0 or not file.exists():
            raise SamplingRefused((done.stderr or done.stdout).decode().strip())
        return file.read_text()
