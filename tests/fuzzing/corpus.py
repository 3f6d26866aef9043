"""The inputs that are kept: a file a target, an input in base64 a line.

The first ones were cut from recordings, the others were found.
"""

import base64
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fuzzing.targets import EVERY, TARGETS

CORPUS = Path(__file__).parent / "corpus"
MOST_INPUTS = 60  # kept of a target: the shortest
LONGEST_INPUT_BYTES = 4_096  # of one that is kept
HARMFUL = "crash-", "timeout-", "oom-", "leak-"  # as libFuzzer names what it has found


def read_corpus(target: str) -> list[bytes]:
    """The inputs of a target; none where it has no file."""
    if target == EVERY:
        names = enumerate(TARGETS)
        return [bytes([number]) + each for number, name in names for each in read_corpus(name)]
    path = CORPUS / f"{target}.txt"
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    return [base64.b64decode(line, validate=True) for line in lines]


def write_corpus(target: str, inputs: Iterable[bytes], harmful: Iterable[bytes] = ()) -> None:
    """Keep the inputs within bounds, the shortest first; those that harm in any case."""
    short = {each for each in inputs if len(each) <= LONGEST_INPUT_BYTES}
    kept = sorted(short, key=lambda each: (len(each), each))[:MOST_INPUTS]
    lines = [base64.b64encode(each).decode() for each in dict.fromkeys([*harmful, *kept])]
    (CORPUS / f"{target}.txt").write_text("".join(f"{line}\n" for line in lines), "ascii")


@contextmanager
def unpack_corpus(target: str) -> Iterator[Path]:
    """A directory with a file an input."""
    with tempfile.TemporaryDirectory() as name:
        for number, data in enumerate(read_corpus(target)):
            (Path(name) / f"{number}").write_bytes(data)
        yield Path(name)


def add_inputs(target: str, directory: Path) -> None:
    """Keep what lies in the directory of a target, or of all of them together."""
    found = {path: path.read_bytes() for path in directory.iterdir()}
    harmful = [data for path, data in found.items() if path.name.startswith(HARMFUL)]
    if target != EVERY:
        write_corpus(target, found.values(), harmful)
        return
    for number, name in enumerate(TARGETS):
        told = [data[1:] for data in harmful if data and data[0] % len(TARGETS) == number]
        if told:
            write_corpus(name, read_corpus(name), told)
