"""A lazily opened connection, made awaitable, cancellable and bounded.

    task  ->  Connection.run(work)  ->  worker thread: work(session)

psycopg's asynchronous connections need asyncio, so the synchronous one works in a thread. A
cancel scope does not reach a thread; a watcher task beside each call does instead:

- cancelled, or past the time limit: it asks the server to cancel the statement, whose thread
  then gets an error, rolls back and is done, in about 10 ms, with the session intact;
- no answer to that (a stopped server, a dead network): it cuts the socket under the thread.

A thread is never abandoned: it would leave its statement running and its connection locked.
Begin, commit and rollback happen inside the thread, where cancellation cannot come between.
"""

import math
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeVar, TypeVarTuple

import psycopg
import trio
from attrs import Factory, define, field, frozen
from psycopg.conninfo import conninfo_to_dict

from domain.errors import BadConfiguration, StoreUnavailable
from store.postgres.errors import session_survives, translated
from store.postgres.session import Session

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

CANCEL_SECONDS = 1.0  # for the server to hear of a cancellation, and again to act on it
MARGIN_SECONDS = 1.0  # the server's own time-outs strike before the watcher does


class Offload(Protocol):
    """Runs a blocking function somewhere else; never abandons it."""

    async def __call__(
        self, function: Callable[[*Arguments], Result], /, *arguments: *Arguments
    ) -> Result: ...


@frozen(kw_only=True)
class PostgresSettings:
    """Where Postgres is and how long to wait for it."""

    url: str = field(repr=False)  # may hold a password
    connect_timeout_seconds: float
    statement_timeout_seconds: float
    stats_logged: bool = False  # readers get what is logged alone, as replicas have it
    dead_band_percent: float = 0.0  # a number that changed by no more is not written
    cold_days: int = 30  # how long bonded tokens are kept beyond the feed


@define(kw_only=True, eq=False)
class Connection:
    """At most one session at a time; a lost one is replaced by the next call."""

    settings: PostgresSettings
    application_name: str
    offload: Offload

    _session: Session | None = field(default=None, init=False)
    _lost: tuple[int, datetime] | None = field(default=None, init=False)  # backend to be ended
    _is_stopping: bool = field(default=False, init=False)
    _turn: trio.Lock = field(factory=trio.Lock, init=False)
    # The watcher must not wait for the thread that it is to stop.
    _watcher_limiter: trio.CapacityLimiter = field(
        default=Factory(lambda: trio.CapacityLimiter(1)), init=False
    )

    # -- In the Trio thread ----------------------------------------------------------------

    async def run(self, work: Callable[[Session], Result]) -> Result:
        """What `work` returns, in a worker thread; calls take turns.

        Raises what `work` raises, with psycopg's errors translated. A cancelled call ends with
        `Cancelled`, and may or may not have had its effect.
        """
        results: list[Result] = []
        failure: Exception | None = None
        async with self._turn, trio.open_nursery() as nursery:
            self._is_stopping = False
            finished = trio.Event()
            nursery.start_soon(self._watch, finished)
            try:
                results.append(await self.offload(self._attempt, work))
            except Exception as error:  # raised below, outside the nursery, unwrapped
                failure = error
            finally:
                finished.set()
        if failure is not None:
            raise failure
        return results[0]

    async def close(self) -> None:
        """Disconnect; harmless when not connected."""
        async with self._turn:
            await self.offload(self._disconnect)

    async def _watch(self, finished: trio.Event) -> None:
        """Stop the call when it is cancelled or takes too long."""
        limit_seconds = (
            self.settings.connect_timeout_seconds
            + self.settings.statement_timeout_seconds
            + MARGIN_SECONDS
        )
        try:
            with trio.move_on_after(limit_seconds):
                await finished.wait()
        finally:
            if not finished.is_set():
                with trio.CancelScope(shield=True):
                    await self._stop(finished)

    async def _stop(self, finished: trio.Event) -> None:
        """Bring the thread back: politely, else by cutting its connection."""
        self._is_stopping = True
        session = self._session
        if session is None:
            return  # still connecting, which is bounded; `_open` then goes no further
        await trio.to_thread.run_sync(
            partial(_request_cancel, session.connection), limiter=self._watcher_limiter
        )
        with trio.move_on_after(CANCEL_SECONDS):
            await finished.wait()
        if not finished.is_set():
            session.cut()

    # -- In the worker thread --------------------------------------------------------------

    def _attempt(self, work: Callable[[Session], Result]) -> Result:
        try:
            session = self._opened()
            self._heed_stop()
            return work(session)
        except psycopg.Error as error:
            if not session_survives(error):
                self._drop()
            raise translated(error) from error
        finally:
            self._leave_transaction()

    def _opened(self) -> Session:
        if self._session is not None and self._session.connection.closed:
            self._drop()
        session = self._session or self._open()
        if self._lost is not None:
            session.execute("end_session", *self._lost)
            self._lost = None
        return session

    def _open(self) -> Session:
        """Connect and prepare; between the two a server may fall silent, and `_stop` cuts it."""
        session = Session.connected(_connection_parameters(self.settings, self.application_name))
        self._session = session
        try:
            self._heed_stop()
            session.prepare(
                self.settings.statement_timeout_seconds, self.settings.dead_band_percent / 100
            )
        except BaseException:
            self._disconnect()
            raise
        return session

    def _heed_stop(self) -> None:
        if self._is_stopping:
            raise StoreUnavailable("stopped before anything was sent")

    def _leave_transaction(self) -> None:
        """Roll back whatever the call left open."""
        if self._session is None:
            return
        try:
            self._session.connection.rollback()  # sends nothing outside a transaction
        except psycopg.Error:
            self._drop()  # the server rolls back when it notices; the next call connects anew

    def _drop(self) -> None:
        """Give up a session that may still be alive on the server."""
        if self._session is not None:
            # One that is still to be ended goes first: this one has sent nothing since.
            self._lost = self._lost or self._session.backend
            self._session.close()
            self._session = None

    def _disconnect(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


def _request_cancel(connection: psycopg.Connection[Any]) -> None:
    try:
        connection.cancel_safe(timeout=CANCEL_SECONDS)
    except psycopg.Error:
        return  # the server does not hear; the watcher cuts the connection next


def _connection_parameters(settings: PostgresSettings, application_name: str) -> dict[str, Any]:
    """The url's parameters; it may say otherwise about keep-alive, but not about our name."""
    try:
        given = conninfo_to_dict(settings.url)
    except psycopg.ProgrammingError as error:
        raise BadConfiguration("postgres.url: this is no connection string") from error
    timeout_seconds = settings.statement_timeout_seconds
    return {
        # A silent network is noticed within about 20 s, a stuck send within a statement's time.
        "keepalives_idle": 5,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": math.ceil(timeout_seconds * 1000),
        **given,
        "connect_timeout": math.ceil(settings.connect_timeout_seconds),
        "application_name": application_name,
        "client_encoding": "UTF8",
    }
