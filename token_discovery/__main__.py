"""The console script `token-discovery`, and `python -m token_discovery`.

    directory of the rooms  ->  front of sys.path, of this process alone  ->  commands.main

So `from domain.values import Mint` means the same in a checkout and in an installation, and no
other project of the environment can hide a room, nor a room hide another project's module.
"""

import sys
from pathlib import Path

INSTALLED_ROOMS = Path(__file__).with_name("rooms")
CHECKOUT = Path(__file__).parents[1]


def main() -> int:
    """Run the command line; the exit code."""
    _put_rooms_first()
    from commands.main import main as run_command  # noqa: PLC0415  # found from now on

    return run_command()


def _put_rooms_first() -> None:
    rooms = str(INSTALLED_ROOMS if INSTALLED_ROOMS.is_dir() else CHECKOUT)
    sys.path[:] = [rooms, *(path for path in sys.path if path != rooms)]


if __name__ == "__main__":
    sys.exit(main())
