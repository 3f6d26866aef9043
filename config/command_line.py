"""How every command line of the project fails: one line on stderr, and an exit code.

1 import has skipped rows, or compare has found a difference; 69 a store, or the service that a
command asks, could not be reached; 70 it kept failing; 78 bad usage or configuration; 130 and 143
ended by Ctrl-C and by SIGTERM, as a shell has it.
"""

import argparse
import signal
import sys
import traceback
from collections.abc import Callable
from math import isfinite
from types import TracebackType
from typing import Any, NoReturn

from config.conversion import INTEGER, NUMBER, make_printable
from config.redaction import redact_text
from config.version import DISTRIBUTION, read_version
from domain.errors import BadConfiguration, ExitingError


class Parser(argparse.ArgumentParser):
    """Raises what is wrong with the usage, instead of printing all of the usage.

    What an option's number should have been is said in words of people: argparse tells the name of
    the function that could not read it.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.register("type", int, read_whole_number)
        self.register("type", float, read_number)

    def error(self, message: str) -> NoReturn:
        raise BadConfiguration(f"{' '.join(message.split())} (see {self.prog} --help)")


def read_whole_number(text: str) -> int:
    """The number of an option; `ArgumentTypeError` for what is none."""
    if not INTEGER.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{make_printable(text)} is not a whole number")
    return int(text)


def read_number(text: str) -> float:
    """The number of an option, as people write one; `ArgumentTypeError` for what is none."""
    if not NUMBER.fullmatch(text) or not isfinite(float(text)):
        raise argparse.ArgumentTypeError(f"{make_printable(text)} is not a number")
    return float(text)


class ShowVersion(argparse.Action):
    """Print the version and exit with 0; it is looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        print(f"{DISTRIBUTION} {read_version()}")
        parser.exit()


def add_version_option(parser: argparse.ArgumentParser) -> None:
    """Let the command line understand `--version`."""
    parser.add_argument("--version", action=ShowVersion, nargs=0, help="print the version and exit")


def exit_code_of(command: Callable[[], int]) -> int:
    """Run a command; the exit code, once its error has been told.

    An error that nobody expected is raised: Python ends with 1 and its traceback, which is told
    without secrets from now on.
    """
    sys.excepthook = _print_traceback
    try:
        return command()
    except ExitingError as error:
        for line in error.lines():
            print(f"token-discovery: {redact_text(line)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _print_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    text = "".join(traceback.format_exception(kind, error, trace))
    print(redact_text(text), file=sys.stderr, end="")
