"""Serve until SIGTERM or SIGINT, with the settings of the environment and --config.

Every setting, its unit and its default: config/default.toml. The environment wins:
TOKEN_DISCOVERY__<SECTION>__<NAME>, and DATABASE_URL, REDIS_URL, HOST, PORT.
"""

import argparse
import os
from pathlib import Path

import supervisor
from config.settings import load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file over the defaults")
    parser.add_argument(
        "--log-format", choices=("json", "console"), help="json (default), or console for people"
    )


def run(arguments: argparse.Namespace) -> int:
    environment = dict(os.environ)
    if arguments.log_format:
        environment["TOKEN_DISCOVERY__LOGGING__FORMAT"] = arguments.log_format
    return supervisor.serve(
        load_settings(arguments.config, environment),
        reload=lambda: load_settings(arguments.config, environment),
    )
