"""Serve until SIGTERM or SIGINT, with the settings of the environment and --config.

Every setting, its unit and its default: config/default.toml. The environment wins:
TOKEN_DISCOVERY__<SECTION>__<NAME>, and DATABASE_URL, REDIS_URL, HOST, PORT.
"""

from supervisor import add_arguments, run

__all__ = ["add_arguments", "run"]
