"""One psycopg connection with the named queries and what is known of its server.

Used in a worker thread, by one call at a time.
"""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from time import perf_counter
from typing import Any

import psycopg
from attrs import Factory, define, field
from psycopg import pq
from psycopg.adapt import Transformer

from domain.errors import BadConfiguration
from store import WriteReceipt
from store.postgres.queries import BLOCKS, session_queries

OLDEST_SERVER = 14
Record = tuple[Any, ...]


@define(kw_only=True)
class Session:
    """A connected session in autocommit mode: a transaction is what `transaction` opens."""

    connection: psycopg.Connection[Record]
    wire: socket.socket  # a second handle on the connection's socket, see `cut`
    partitions: set[int] = Factory(set)  # periods whose partition this session has seen
    # Known once it is prepared.
    queries: Mapping[str, str] = field(init=False)
    backend: tuple[int, datetime] = field(init=False)  # how its server knows it: process id, start

    @classmethod
    def connected(cls, connect_with: Mapping[str, Any]) -> "Session":
        """A session that is still to be prepared: until then nothing bounds its statements."""
        connection = psycopg.connect(
            autocommit=True, cursor_factory=psycopg.RawCursor, **connect_with
        )
        try:
            return cls(
                connection=connection, wire=socket.socket(fileno=os.dup(connection.fileno()))
            )
        except BaseException:
            connection.close()
            raise

    def prepare(self, statement_timeout_seconds: float, dead_band: float) -> None:
        """Set the bounds, and learn about the server; a lock is waited for half as long."""
        fix_defaults(self.connection)
        query = session_queries(reads_wal_position=True)["prepare_session"]
        limits = [f"{seconds * 1000:.0f}ms" for seconds in _limits(statement_timeout_seconds)]
        ((version, process, started_at, reads_wal_position, *_),) = self.connection.execute(
            query, limits
        )
        _check_version(version)
        self.queries = session_queries(reads_wal_position=reads_wal_position, dead_band=dead_band)
        self.backend = (process, started_at)

    def read(self, name: str, *parameters: object) -> list[Record]:
        """Every record of one query."""
        return self.execute(name, *parameters).fetchall()

    def read_once(self, name: str, *parameters: object) -> list[Record]:
        """As `read`, with a plan made for these very parameters."""
        return self.connection.execute(self.queries[name], parameters, prepare=False).fetchall()

    def execute(self, name: str, *parameters: object) -> psycopg.Cursor[Record]:
        """Send one query; a query with parameters is prepared when first used."""
        return self.connection.execute(
            self.queries[name], parameters or None, prepare=bool(parameters)
        )

    def script(self, text: str) -> Record | None:
        """Send several statements in one round trip; the last one's record, if it has any.

        By libpq itself: cursors look at the result of every statement, which takes three times
        as long, and a flush does this twice.
        """
        result = self.connection.pgconn.exec_(text.encode())
        if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            raise psycopg.errors.error_from_result(result)
        if not result.ntuples:
            return None
        transformer = Transformer(self.connection)
        transformer.set_pgresult(result)
        return transformer.load_row(0, tuple)

    @contextmanager
    def transaction(self, begin: str) -> Iterator["Transaction"]:
        """Commit what the body sends; if it raises, the connection rolls it back."""
        transaction = Transaction(session=self)
        wal_start, *transaction.state = self.script(self.queries[begin]) or (0,)
        yield transaction
        (wal_end,) = self.script(self.queries["commit"]) or (0,)
        transaction.wal_bytes = wal_end - wal_start
        transaction.seconds = perf_counter() - transaction.started

    def cut(self) -> None:
        """End the connection from another thread: whoever waits for it gets an error at once.

        `wire` is a handle of our own, so that this can never hit a socket that the kernel has
        given the same number to meanwhile.
        """
        try:
            self.wire.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it was not connected any more, which is what is wanted

    def close(self) -> None:
        """Disconnect."""
        self.wire.close()
        self.connection.close()


@define(kw_only=True)
class Transaction:
    """An open transaction, and what it has cost."""

    session: Session
    started: float = Factory(perf_counter)
    rows: int = field(default=0, init=False)
    statements: int = field(default=0, init=False)
    state: Sequence[Any] = field(default=(), init=False)  # what its begin told beside that
    wal_bytes: int = field(default=0, init=False)  # also what others wrote meanwhile
    seconds: float = field(default=0.0, init=False)

    def write(self, name: str, *parameters: object) -> psycopg.Cursor[Record]:
        """Send one statement that writes, and count it and its rows."""
        cursor = self.session.execute(name, *parameters)
        self.statements += 1
        self.rows += max(cursor.rowcount, 0)  # -1 where there is nothing to count
        return cursor

    def lock_stats(self) -> None:
        """Make a transaction of another kind one that may write values."""
        _, *self.state = self.session.script(self.session.queries["lock_stats"]) or (0,)

    def receipt(self) -> WriteReceipt:
        """What the transaction cost; final once it is committed."""
        return WriteReceipt(
            rows=self.rows,
            statements=self.statements,
            wal_bytes=self.wal_bytes,
            seconds=self.seconds,
        )


def fix_defaults(connection: psycopg.Connection[Any]) -> None:
    """Let the defaults of the server, the database and the role make no difference to it."""
    connection.execute(BLOCKS["fix_defaults"])


def _limits(statement_timeout_seconds: float) -> tuple[float, float]:
    return statement_timeout_seconds, statement_timeout_seconds / 2


def _check_version(version: int) -> None:
    if version // 10_000 < OLDEST_SERVER:
        raise BadConfiguration(
            f"PostgreSQL {version // 10_000} is too old: {OLDEST_SERVER} or later is needed"
        )
