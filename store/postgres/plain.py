"""A plain connection, for `token-discovery storm` to play what other programs send.

Statement by statement and unprepared, as they would; the store's own session would prepare,
plan and bound them in its way. The service itself never opens one. Whoever reads
pg_stat_activity knows two names of ours and no others, so it goes by one of these.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from attrs import define, field
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from domain.errors import BadConfiguration, StoreUnavailable
from store.postgres.session import fix_defaults

APPLICATION_NAME = "token-discovery:sync"
CONNECT_SECONDS = 10


@contextmanager
def translated_errors() -> Iterator[None]:
    """psycopg's errors in one line: `BadConfiguration` where the role lacks a right."""
    try:
        yield
    except psycopg.Error as error:
        message = f"the storm's server says: {' '.join(str(error).split())}"
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            raise BadConfiguration(message) from error
        raise StoreUnavailable(message) from error


def with_options(url: str, options: str) -> str:
    """The connection string with more server options, such as `-csearch_path=name`."""
    try:
        known = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise BadConfiguration("--database-url: this is no connection string") from error
    return make_conninfo(url, options=f"{known.get('options', '')} {options}".strip())


@define
class PlainConnection:
    """One connection in autocommit mode; opened by the first use after a `close`."""

    url: str
    _open: psycopg.Connection[Any] | None = field(init=False, default=None)

    def connection(self) -> psycopg.Connection[Any]:
        if self._open is None:
            with translated_errors():
                self._open = psycopg.connect(
                    self.url,
                    autocommit=True,
                    application_name=APPLICATION_NAME,
                    connect_timeout=CONNECT_SECONDS,
                    cursor_factory=psycopg.RawCursor,
                )
                fix_defaults(self._open)
        return self._open

    @property
    def backend(self) -> int:
        """The process id of the server's side."""
        return self.connection().info.backend_pid

    def read(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Every record of a query."""
        with translated_errors():
            return self.connection().execute(query, parameters or None).fetchall()

    def write(self, query: str, *parameters: object) -> int:
        """Send one statement; how many rows it wrote."""
        with translated_errors():
            return max(self.connection().execute(query, parameters or None).rowcount, 0)

    def script(self, text: str) -> None:
        """Send several statements in one round trip."""
        with translated_errors():
            self.connection().execute(text, prepare=False)

    def copy(self, command: str, rows: Iterable[Sequence[object]]) -> None:
        """Load rows in bulk."""
        with (
            translated_errors(),
            self.connection().cursor() as cursor,
            cursor.copy(command) as sink,
        ):
            for row in rows:
                sink.write_row(row)

    def close(self) -> None:
        """Disconnect; harmless when not connected."""
        if self._open is not None:
            self._open.close()
            self._open = None
