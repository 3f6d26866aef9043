"""A plain connection, for `token-discovery storm` to play what other programs send.

Statement by statement and unprepared, as they would; the store's own session would prepare,
plan and bound them in its way. The service itself never opens one. Whoever reads
pg_stat_activity knows two names of ours and no others, so it goes by one of these.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from attrs import define, field

from config.postgres_url import PostgresAddress, add_options
from domain.errors import BadConfiguration, StoreUnavailable, TokenDiscoveryError
from store.postgres.connection import parse_address
from store.postgres.errors import describe_error, translate_error
from store.postgres.queries import BLOCKS

APPLICATION_NAME = "token-discovery:sync"
CONNECT_SECONDS = 10
NO_POOLER = "the storm needs the server itself: this is a pooler, or something else in between"


def with_options(url: str, options: str) -> str:
    """The connection string with more server options, such as `-csearch_path=name`."""
    parse_address(url)
    return add_options(url, options)


@define
class PlainConnection:
    """One connection in autocommit mode; opened by the first use after a `close`."""

    url: str = field(repr=False)
    _open: psycopg.Connection[Any] | None = field(init=False, default=None)
    _address: PostgresAddress = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._address = parse_address(self.url)

    def connection(self) -> psycopg.Connection[Any]:
        if self._open is None:
            if self._address.is_pooled:
                raise BadConfiguration(NO_POOLER)
            with self._translated_errors():
                self._open = self._connect()
        return self._open

    def _connect(self) -> psycopg.Connection[Any]:
        parameters: dict[str, Any] = dict(self._address.parameters)
        if self._address.options:
            parameters["options"] = self._address.options
        parameters |= {"application_name": APPLICATION_NAME, "connect_timeout": CONNECT_SECONDS}
        connection = psycopg.connect(
            autocommit=True, cursor_factory=psycopg.RawCursor, **parameters
        )
        if not _is_direct(connection):
            connection.close()
            raise BadConfiguration(NO_POOLER)
        connection.execute(BLOCKS["fix_defaults"].format(is_local="false"))
        return connection

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """psycopg's errors in one line: `BadConfiguration` where the role lacks a right."""
        try:
            yield
        except psycopg.Error as error:
            raise _translate_error(error, self._address.secrets) from None

    @property
    def backend(self) -> int:
        """The process id of the server's side."""
        return self.connection().info.backend_pid

    def read(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Every record of a query."""
        with self._translated_errors():
            return self.connection().execute(query, parameters or None).fetchall()

    def write(self, query: str, *parameters: object) -> int:
        """Send one statement; how many rows it wrote."""
        with self._translated_errors():
            return max(self.connection().execute(query, parameters or None).rowcount, 0)

    def script(self, text: str) -> None:
        """Send several statements in one round trip."""
        with self._translated_errors():
            self.connection().execute(text, prepare=False)

    def copy(self, command: str, rows: Iterable[Sequence[object]]) -> None:
        """Load rows in bulk."""
        with (
            self._translated_errors(),
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


def _is_direct(connection: psycopg.Connection[Any]) -> bool:
    ((process,),) = connection.execute("SELECT pg_backend_pid()")
    return bool(process == connection.info.backend_pid)


def _translate_error(error: psycopg.Error, secrets: Collection[str]) -> TokenDiscoveryError:
    translated = translate_error(error, secrets)
    if isinstance(translated, BadConfiguration):
        return translated
    message = f"the storm's server says: {describe_error(error, secrets)}"
    is_forbidden = isinstance(error, psycopg.errors.InsufficientPrivilege)
    return BadConfiguration(message) if is_forbidden else StoreUnavailable(message)
