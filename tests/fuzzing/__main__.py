"""`python -m tests.fuzzing [TARGET ...]`: look for inputs that harm; 1 if there is one."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.fuzzing.corpus import add_inputs, unpack_corpus
from tests.fuzzing.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--keep", action="store_true", help="add what was found to the corpus")
    arguments = parser.parse_args()
    targets: Sequence[str] = arguments.targets or list(TARGETS)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ended = pool.map(
            lambda one: fuzz_target(one, arguments.seconds, keeps=arguments.keep), targets
        )
        harmed = [target for target, is_sound in zip(targets, ended, strict=True) if not is_sound]
    print(f"{len(targets)} targets; harmed: {', '.join(harmed) or 'none'}")
    return 1 if harmed else 0


def fuzz_target(target: str, seconds: int, *, keeps: bool = False) -> bool:
    """Fuzz one target in a process of its own, and print how it ended; False where it was harmed.

    An input that harms is added to the corpus in any case.
    """
    with unpack_corpus(target) as directory:
        command = [sys.executable, "-m", "tests.fuzzing.one", target, str(directory), str(seconds)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        is_sound = ended.returncode == 0
        said = ended.stderr.strip().splitlines()
        print(f"{target:>20}  ", said[-1] if is_sound else ended.stdout + ended.stderr, flush=True)
        if keeps or not is_sound:
            add_inputs(target, directory)
    return is_sound


if __name__ == "__main__":
    sys.exit(main())
