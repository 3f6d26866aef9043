"""`token-discovery COMMAND`: one module a command, each with `add_arguments` and `run`."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from config.command_line import Parser, add_version_option, exit_code_of

COMMANDS = {
    "run": "serve, with the settings of the environment and --config",
    "demo": "serve on embedded servers and a simulated market; leaves nothing behind",
    "doctor": "check the settings and both servers, and say what to change",
    "simulate": "replay hours of life with everything that can go wrong, in seconds",
    "storm": "replay an hour of writes on a real Postgres, as it was and as it is now",
    "dump": "print what a running service's actors and mailboxes are doing",
    "quarantine": "list, show, replay or drop what a running service could not handle",
    "govern": "read, or change, what a running service may write to Postgres",
    "import": 'bring an existing table "TokenDiscovery" along',
    "export": "write a table of its shape, or bring it up to date: the way back",
    "compare": "say what differs between such a table and what is here",
}
# Of commands that are not called as their module is.
MODULES = {"import": "past.importing", "export": "past.exporting", "compare": "past.comparing"}

EXIT_CODES = (
    "Exit codes: 0 clean, 1 import has skipped rows, compare has found a difference, quarantine a "
    "row refused again, 69 a store or the service asked could not be reached, 70 it kept failing, "
    "78 bad usage or configuration, 130 ended by Ctrl-C, 143 by SIGTERM."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return exit_code_of(lambda: _run(given))


def _run(given: Sequence[str]) -> int:
    parsed = _parser(given[0] if given else "").parse_args(given)
    return int(parsed.run(parsed))


def _parser(chosen: str) -> Parser:
    """The parser; of the commands only the chosen one is imported, to start fast."""
    parser = Parser(
        prog="token-discovery",
        description="A live Solana token feed that spares its Postgres.",
        epilog=EXIT_CODES,
    )
    add_version_option(parser)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = subparsers.add_parser(name, help=summary)
        if name == chosen:
            module = import_module(f"commands.{MODULES.get(name, name)}")
            command.description = module.__doc__
            command.formatter_class = argparse.RawDescriptionHelpFormatter
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
