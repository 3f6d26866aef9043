"""One psycopg connection with the named queries and what is known of its server.

Used in a worker thread, by one call at a time.

A pooler in transaction mode (PgBouncer, Neon, Supavisor) lends us another server process for each
transaction, and the same one to strangers after us. Behind one, nothing is prepared, and nothing
is set but within a transaction, for it alone: each begins with all settings, reads included.
"""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import psycopg
from attrs import Factory, define, field
from psycopg import pq, sql
from psycopg.adapt import Transformer

from config.postgres_url import PostgresAddress
from domain.errors import BadConfiguration
from domain.values import Mint
from store import WriteReceipt
from store.postgres.queries import (
    BLOCKS,
    TimeLimits,
    build_session_queries,
    render_session_settings,
)

OLDEST_SERVER = 14
SETTING_REFUSED = (
    psycopg.DataError,
    psycopg.ProgrammingError,
    psycopg.errors.CantChangeRuntimeParam,
)
# A server may have a function, grant it, and refuse the call all the same: Aurora does so with the
# positions of a WAL that it has not. A standby has no position to insert at.
CALL_REFUSED = (
    psycopg.NotSupportedError,
    psycopg.InternalError,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.ObjectNotInPrerequisiteState,
    psycopg.errors.UndefinedFunction,
)
IDLE = pq.TransactionStatus.IDLE
Record = tuple[Any, ...]


@define(kw_only=True)
class Session:
    """A connected session in autocommit mode: a transaction is what `transaction` opens."""

    connection: psycopg.Connection[Record]
    wire: socket.socket  # a second handle on the connection's socket, see `cut`
    partitions: set[int] = Factory(set)  # periods whose partition this session has seen
    untold: set[str] = Factory(set)  # queries whose call this server refuses
    # Known once it is prepared.
    queries: Mapping[str, str] = field(init=False)
    is_pooled: bool = field(default=False, init=False)
    # The server's process and its start in microseconds; None where it is lent to others, too.
    backend: tuple[int, int] | None = field(default=None, init=False)

    @classmethod
    def connect(cls, connect_with: Mapping[str, Any]) -> "Session":
        """A session that is still to be prepared: until then nothing limits its statements."""
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

    def prepare(
        self, address: PostgresAddress, statement_timeout_seconds: float, dead_band: float
    ) -> None:
        """Learn about the server, and set the limits."""
        version, process, started_at = self._describe_server()
        _check_version(version)
        limits = TimeLimits.of_statements(statement_timeout_seconds)
        self.is_pooled = address.is_pooled or process != self.connection.info.backend_pid
        local_settings = self._local_settings(address, limits) if self.is_pooled else ""
        self.queries = build_session_queries(
            reads_wal_position=self._tells_wal_position(),
            dead_band=dead_band,
            local_settings=local_settings,
        )
        if self.is_pooled:
            self.connection.prepare_threshold = None
            self._try_local_settings()
        else:
            self.run_script(render_session_settings(limits, is_local=False))
            self.backend = process, started_at

    def _describe_server(self) -> Record:
        (record,) = self.connection.execute(BLOCKS["describe_server"], prepare=False)
        return record

    def _tells_wal_position(self) -> bool:
        """By trying, once: every commit asks for it, and none may fail for the sake of a figure."""
        try:
            self.connection.execute(f"SELECT {BLOCKS['wal_position']}", prepare=False)
        except CALL_REFUSED:
            self.untold.add("wal_position")
            return False
        return True

    def _local_settings(self, address: PostgresAddress, limits: TimeLimits) -> str:
        """The statements that every transaction begins with."""
        given = (
            f"SELECT set_config({self._quote_literal(name)}, {self._quote_literal(value)}, true)"
            for name, value in address.session_settings.items()
        )
        # Somebody else may have left his search path in the process that we are lent.
        reset = "SET LOCAL search_path TO DEFAULT"
        return ";\n".join((reset, *given, render_session_settings(limits, is_local=True)))

    def _quote_literal(self, text: str) -> str:
        return sql.Literal(text).as_string(self.connection)

    def _try_local_settings(self) -> None:
        try:
            self.run_script(self.queries["begin_read"])
        except SETTING_REFUSED as error:
            raise BadConfiguration(
                "Postgres: a pooler's server refuses a setting in the connection string's options "
                f"({type(error).__name__})"
            ) from None
        self.run_script("COMMIT")

    def read(self, name: str, *parameters: object) -> list[Record]:
        """Every record of one query."""
        with self._hold_transaction_if_pooled():
            return self.execute(name, *parameters).fetchall()

    def read_if_told(self, name: str, *parameters: object) -> list[Record]:
        """As `read`, outside of any transaction; nothing where the server refuses the call.

        The session does not ask again what was refused: each time is a line in the server's log.
        """
        if name in self.untold:
            return []
        try:
            return self.read(name, *parameters)
        except CALL_REFUSED:
            self.connection.rollback()  # of the transaction that a pooler's session reads in
            self.untold.add(name)
            return []

    def read_once(self, name: str, *parameters: object) -> list[Record]:
        """As `read`, with a plan made for these very parameters."""
        with self._hold_transaction_if_pooled():
            cursor = self.connection.execute(self.queries[name], parameters, prepare=False)
            return cursor.fetchall()

    @contextmanager
    def _hold_transaction_if_pooled(self) -> Iterator[None]:
        """Behind a pooler, a transaction around what is read outside of one."""
        if not self.is_pooled or self.connection.info.transaction_status != IDLE:
            yield
            return
        self.run_script(self.queries["begin_read"])
        yield
        self.run_script("COMMIT")

    def execute(self, name: str, *parameters: object) -> psycopg.Cursor[Record]:
        """Send one query; one with parameters is prepared when first used, if that may be."""
        return self.connection.execute(
            self.queries[name],
            parameters or None,
            prepare=bool(parameters) and not self.is_pooled,
        )

    def run_script(self, text: str) -> Record | None:
        """Send several statements in one round trip; the last one's record, if it has any.

        By libpq itself: cursors look at the result of every statement, which takes three times
        as long, and a flush does this twice.
        """
        result = self.connection.pgconn.exec_(text.encode())
        if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            if result.error_field(pq.DiagnosticField.SQLSTATE) is None:  # the connection is lost
                raise psycopg.OperationalError(self.connection.pgconn.get_error_message())
            raise psycopg.errors.error_from_result(result)
        if not result.ntuples:
            return None
        transformer = Transformer(self.connection)
        transformer.set_pgresult(result)
        return transformer.load_row(0, tuple)

    @contextmanager
    def transaction(self, begin: str) -> Iterator["StoreTransaction"]:
        """Commit what the body sends; if it raises, the connection rolls it back."""
        transaction = StoreTransaction(session=self)
        wal_start, *transaction.state = self.run_script(self.queries[begin]) or (0,)
        yield transaction
        (wal_end,) = self.run_script(self.queries["commit"]) or (0,)
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
class StoreTransaction:
    """An open transaction, and what it has cost."""

    session: Session
    started: float = Factory(perf_counter)
    rows: int = field(default=0, init=False)
    statements: int = field(default=0, init=False)
    misplaced: set[str] = field(factory=set, init=False)  # see `WriteReceipt`
    state: Sequence[Any] = field(default=(), init=False)  # what its begin told beside that
    wal_bytes: int = field(default=0, init=False)  # also what others wrote meanwhile
    seconds: float = field(default=0.0, init=False)

    def write(self, name: str, *parameters: object) -> psycopg.Cursor[Record]:
        """Send one statement that writes, and count it and its rows."""
        cursor = self.session.execute(name, *parameters)
        self.statements += 1
        self.rows += max(cursor.rowcount, 0)  # -1 where there is nothing to count
        return cursor

    def write_placed(self, name: str, *parameters: object) -> None:
        """As `write`, of a statement that tells its rows, and the mints that it left out."""
        ((rows, misplaced),) = self.session.execute(name, *parameters).fetchall()
        self.statements += 1
        self.rows += rows
        self.misplaced.update(misplaced)

    def lock_stats(self) -> None:
        """Make a transaction of another kind one that may write values."""
        _, *self.state = self.session.run_script(self.session.queries["lock_stats"]) or (0,)

    def make_receipt(self) -> WriteReceipt:
        """What the transaction cost; final once it is committed."""
        return WriteReceipt(
            rows=self.rows,
            statements=self.statements,
            wal_bytes=self.wal_bytes,
            seconds=self.seconds,
            epoch=str(self.state[0]) if self.state and self.state[0] else "",
            misplaced=frozenset(map(Mint, self.misplaced)),
        )


def _check_version(version: int) -> None:
    if version // 10_000 < OLDEST_SERVER:
        raise BadConfiguration(
            f"PostgreSQL {version // 10_000} is too old: {OLDEST_SERVER} or later is needed"
        )
