"""`python -m tests.fuzzing.one TARGET DIRECTORY SECONDS`: one target in this process.

libFuzzer ends the process: with 0 when the time is over, with another code where an input harms,
which then lies in the directory beside the corpus. `every` tries all targets in turn.
"""

import sys

import atheris

ROOMS = ["buffer", "config", "domain", "feed", "sources"]  # whose branches lead the search
LONGEST_INPUT_BYTES = 4096
SLOW_SECONDS = 5  # for one input: that harms, too


def main(name: str, directory: str, seconds: str) -> None:
    # Only now: what is imported here is instrumented on the way.
    with atheris.instrument_imports(include=ROOMS, enable_loader_override=False):
        from tests.fuzzing.targets import find_target  # noqa: PLC0415

    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST_INPUT_BYTES}",
        f"-timeout={SLOW_SECONDS}",
        f"-artifact_prefix={directory}/",
    ]
    atheris.Setup([sys.argv[0], *options, directory], find_target(name))
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
