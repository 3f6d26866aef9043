"""`token-discovery COMMAND`: one module a command, each with `add_arguments` and `run`.

An error is one line on stderr and an exit code of the contract: 69 a store, or the service that
a command asks, could not be reached, 70 restart intensity exceeded, 78 bad configuration.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from domain.errors import ExitingError, TokenDiscoveryError

COMMANDS = {
    "run": "serve, with the settings of the environment and --config",
    "demo": "serve on embedded servers and a simulated market; leaves nothing behind",
    "doctor": "check the settings and both servers, and say what to change",
    "storm": "replay an hour of writes on a real Postgres, as it was and as it is now",
    "dump": "print what a running service's actors and mailboxes are doing",
    "govern": "read, or change, what a running service may write to Postgres",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    parsed = _parser(given[0] if given else "").parse_args(given)
    try:
        return int(parsed.run(parsed))
    except ExitingError as error:
        for line in error.lines():
            print(f"token-discovery: {line}", file=sys.stderr)
        return error.exit_code
    except TokenDiscoveryError as error:
        print(f"token-discovery: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser(chosen: str) -> argparse.ArgumentParser:
    """The parser; of the commands only the chosen one is imported, to start fast."""
    parser = argparse.ArgumentParser(
        prog="token-discovery", description="A live Solana token feed that spares its Postgres."
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = subparsers.add_parser(name, help=summary)
        if name == chosen:
            module = import_module(f"commands.{name}")
            command.description = module.__doc__
            command.formatter_class = argparse.RawDescriptionHelpFormatter
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
