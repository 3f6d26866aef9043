"""The entry that a process supervisor starts: `python -m supervisor` serves.

arguments and environment -> settings -> service.serve -> exit code
"""

import argparse
import os
import sys
from pathlib import Path

from config.command_line import Parser, add_version_option, exit_code_of
from config.loading import load_settings
from config.settings import Settings
from service import serve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How a service is told its settings, beside the environment."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file over the defaults")
    parser.add_argument(
        "--log-format", choices=("json", "console"), help="json (default), or console for people"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve with the settings of the environment and the arguments."""
    environment = dict(os.environ)
    if arguments.log_format:
        environment["TOKEN_DISCOVERY__LOGGING__FORMAT"] = arguments.log_format

    def load() -> Settings:
        return load_settings(arguments.config, environment)

    return serve(load(), reload=load)


def main() -> int:
    """`python -m supervisor`: as `token-discovery run`, without the other commands."""
    parser = Parser(prog="python -m supervisor", description="Serve.")
    add_version_option(parser)
    add_arguments(parser)
    return exit_code_of(lambda: run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
