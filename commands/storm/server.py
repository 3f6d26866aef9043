"""Where a storm takes place: a server of its own, or a schema of its own on somebody's server.

Everything here undoes itself, also on Ctrl-C: a server and its directory vanish, a schema is
dropped on a fresh connection.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import field, frozen

from commands.embedded import EmbeddedPostgres, RunDirectory
from commands.storm.strategy import QUERIES
from domain.errors import BadConfiguration
from store.postgres.plain import PlainConnection, with_options

OLDEST_SERVER = 14

# Checkpoints are ours alone and nothing else writes, so that WAL figures repeat exactly.
OWN_SETTINGS: dict[str, str | int | float] = {
    "autovacuum": "off",
    "checkpoint_timeout": "1d",
    "max_wal_size": "64GB",
    "shared_buffers": "256MB",  # nobody but the checkpoints writes buffers
}


@frozen(kw_only=True)
class StormServer:
    """A server that strategies run on, one schema each."""

    url: str = field(repr=False)  # may hold a password
    version: int
    is_own: bool
    options: str = ""  # of every session

    @contextmanager
    def schema(self, name: str) -> Iterator[str]:
        """The connection string of an empty schema; it is dropped afterwards."""
        admin = PlainConnection(self.url)
        try:
            admin.script(f"CREATE SCHEMA {name}")
        finally:
            admin.close()
        try:
            yield with_options(self.url, f"-csearch_path={name} {self.options}".strip())
        finally:
            self._drop(name)

    def _drop(self, name: str) -> None:
        """On a connection of its own: that of an interrupted strategy may be at work still."""
        admin = PlainConnection(self.url)
        try:
            admin.script("SET client_min_messages = warning; SET lock_timeout = '30s'")
            admin.script(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        finally:
            admin.close()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Put the background writer to sleep: every 15 seconds of wall clock it logs which
        transactions run, some bytes that no strategy wrote. Only on a server of our own."""
        if not self.is_own:
            yield
            return
        admin = PlainConnection(self.url)
        try:
            ((writer,),) = admin.read(QUERIES["background_writer"])
        finally:
            admin.close()
        signal_server_process(writer, signal.SIGSTOP)
        try:
            yield
        finally:
            signal_server_process(writer, signal.SIGCONT)


def signal_server_process(process: int, number: int) -> None:
    """Signal a process of the embedded server, which this process started."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return  # the server is gone, which its next client will say better


@contextmanager
def own_server(version: int | None, compression: str | None) -> Iterator[StormServer]:
    """An embedded server that is removed with all its data."""
    with RunDirectory() as directory:
        server = EmbeddedPostgres(Path(directory), version=version, settings=OWN_SETTINGS)
        try:
            server.start()
            yield _checked(server.url, compression, is_own=True)
        finally:
            server.stop("immediate")  # its data is about to be removed


@contextmanager
def given_server(url: str, compression: str | None) -> Iterator[StormServer]:
    """Somebody's server."""
    yield _checked(url, compression, is_own=False)


def _checked(url: str, compression: str | None, *, is_own: bool) -> StormServer:
    """The server, if the storm may do there what it must."""
    options = f"-cwal_compression={compression}" if compression else ""
    admin = PlainConnection(with_options(url, options))
    try:
        ((role, database, version, may_create, may_checkpoint),) = admin.read(QUERIES["rights"])
    finally:
        admin.close()
    if version < OLDEST_SERVER:
        raise BadConfiguration(f"PostgreSQL {version} is too old: {OLDEST_SERVER} is needed")
    if not may_create:
        grant = f"GRANT CREATE ON DATABASE {database} TO {role}"
        raise BadConfiguration(f"--database-url: {role} may not create a schema: {grant}")
    if not may_checkpoint:
        grant = f"GRANT pg_checkpoint TO {role}" if version >= 15 else "only a superuser may"
        raise BadConfiguration(f"--database-url: {role} may not CHECKPOINT: {grant}")
    return StormServer(url=url, version=version, is_own=is_own, options=options)
