"""The real Prisma client, installed from npm into a directory, and a process of it to talk to."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from attrs import define, field

from tests.patience import PATIENCE_SECONDS

SOURCE = Path(__file__).parent
MIGRATION = (SOURCE / "migration.sql").read_text(encoding="utf-8")
FILES = ("package.json", "package-lock.json", "schema.prisma", "prisma.config.mjs", "client.mjs")
NPM_SECONDS = 300.0  # seven with a warm cache; a registry that is away is given up far earlier
NPM_CI = (
    *("npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"),
    *("--no-update-notifier", "--loglevel=error", "--fetch-retries=1", "--fetch-timeout=60000"),
)
# Prisma looks for binaries that it would have to download, and uses none of them here: the file
# that is there stops the search. It also asks for its newest version unless told not to.
ENVIRONMENT = {
    "PRISMA_SCHEMA_ENGINE_BINARY": str(SOURCE / "schema.prisma"),
    "PRISMA_QUERY_ENGINE_LIBRARY": str(SOURCE / "schema.prisma"),
    "PRISMA_HIDE_UPDATE_MESSAGE": "1",
    "CHECKPOINT_DISABLE": "1",
    "NO_COLOR": "1",
}


class BackendUnavailable(Exception):
    """What the owner's backend is made of is not to be had here."""


class PrismaError(Exception):
    """What Prisma raised, as its caller gets it."""

    def __init__(
        self, name: str, code: str | None, message: str, cause: Mapping[str, Any] | None
    ) -> None:
        super().__init__(f"{name} {code}: {message}")
        self.name = name
        self.code = code
        self.message = message
        self.cause = cause or {}  # what the driver says: code, message, hint


def install_backend(directory: Path) -> None:
    """Make the client of `schema.prisma` in the directory.

    Raises BackendUnavailable when node, npm or the packages are not to be had.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise BackendUnavailable(f"there is no {program} here: apt-get install nodejs npm")
    directory.mkdir()
    for name in FILES:
        shutil.copy(SOURCE / name, directory)
    try:
        _run(directory, *NPM_CI)
    except subprocess.CalledProcessError as error:
        raise BackendUnavailable(f"npm cannot install Prisma: {error.stderr!s}") from error
    except subprocess.TimeoutExpired as error:
        raise BackendUnavailable("npm does not come to an end with Prisma") from error
    run_prisma(directory, "generate", "--no-hints")


def run_prisma(directory: Path, *arguments: str, url: str = "postgresql://nowhere") -> str:
    """What a command of Prisma's prints."""
    entry = str(directory / "node_modules" / "prisma" / "build" / "index.js")
    config = ("--config", "prisma.config.mjs")
    return _run(directory, "node", entry, *arguments, *config, DATABASE_URL=url)


def _run(directory: Path, *command: str, **environment: str) -> str:
    return subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **ENVIRONMENT, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=NPM_SECONDS,
    ).stdout


@define
class PrismaProcess:
    """A process of `client.mjs`, for any number of databases, one call after the other."""

    directory: Path
    process: subprocess.Popen[str] = field(init=False)

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["node", "client.mjs"],
            cwd=self.directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def stop(self) -> None:
        """Close its connections, and let it end."""
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise

    def ask(self, request: Mapping[str, Any]) -> Any:
        """The values of the request's calls. Raises PrismaError."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request, default=_tag_value) + "\n")
        self.process.stdin.flush()
        reply = json.loads(self.process.stdout.readline(), object_hook=_untag_value)
        if "error" in reply:
            raise PrismaError(**reply["error"])
        return reply["values"]


def _tag_value(value: object) -> dict[str, str]:
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, datetime):
        return {"$date": value.isoformat()}
    raise TypeError(f"{value!r} has no place in a Prisma call")


def _untag_value(found: dict[str, Any]) -> Any:
    match list(found.items()):
        case [("$decimal", text)]:
            return Decimal(text)
        case [("$date", text)]:
            return datetime.fromisoformat(text)
        case [("$bigint", text)]:
            return int(text)
        case [("$bytes", text)]:
            return base64.b64decode(text)
    return found


Call = tuple[str, str, Mapping[str, Any] | Sequence[Any]]
Together = Literal["batch", "interactive", "parallel", "disconnect"]


@define
class PrismaClient:
    """The client on one database: `client.token_discovery("findMany", take=1)`."""

    process: PrismaProcess
    url: str
    schema: str | None = None

    def token_discovery(self, operation: str, **arguments: Any) -> Any:
        return self.call(("tokenDiscovery", operation, arguments))[0]

    def token_watch(self, operation: str, **arguments: Any) -> Any:
        return self.call(("tokenWatch", operation, arguments))[0]

    def query_raw(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.call(("$queryRawUnsafe", query, parameters))[0]
        return rows

    def disconnect(self) -> None:
        """Before its database goes."""
        self.call(together="disconnect")

    def call(self, *calls: Call, together: Together | None = None) -> list[Any]:
        """What each call brings, in order; `together` as client.mjs has it."""
        request = {"url": self.url, "schema": self.schema, "calls": calls, "together": together}
        values: list[Any] = self.process.ask(request)
        return values
