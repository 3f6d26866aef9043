"""A lazily opened connection, made awaitable, cancellable and bounded.

    task  ->  StoreConnection.run(work)  ->  worker thread: work(session)

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
from functools import partial
from typing import Any, Protocol, TypeVar, TypeVarTuple

import psycopg
import trio
from attrs import Factory, define, field

from config.postgres_url import PostgresAddress, parse_postgres_url
from config.settings import PostgresSettings
from domain.errors import BadConfiguration, StoreUnavailable
from store.postgres.errors import refuses_options, session_survives, translate_error
from store.postgres.session import Session

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

CANCEL_SECONDS = 1.0  # for the server to hear of a cancellation, and again to act on it
MARGIN_SECONDS = 1.0  # the server's own time-outs strike before the watcher does


class StoreOffload(Protocol):
    """Runs a blocking function somewhere else; never abandons it."""

    async def __call__(
        self, function: Callable[[*Arguments], Result], /, *arguments: *Arguments
    ) -> Result: ...


@define(kw_only=True, eq=False)
class StoreConnection:
    """At most one session at a time; a lost one is replaced by the next call."""

    settings: PostgresSettings
    application_name: str
    offload: StoreOffload
    address: PostgresAddress = field(init=False)

    _session: Session | None = field(default=None, init=False)
    _lost: tuple[int, int] | None = field(default=None, init=False)  # backend to be ended
    _takes_options: bool = field(default=True, init=False)  # False: a pooler has refused them
    _is_stopping: bool = field(default=False, init=False)
    _turn: trio.Lock = field(factory=trio.Lock, init=False)
    # The watcher must not wait for the thread that it is to stop.
    _watcher_limiter: trio.CapacityLimiter = field(
        default=Factory(lambda: trio.CapacityLimiter(1)), init=False
    )

    @address.default
    def _parse_address(self) -> PostgresAddress:
        return parse_address(self.settings.url)

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
            nursery.start_soon(self._watch_call, finished)
            try:
                results.append(await self.offload(self._run_in_thread, work))
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
            await self.offload(self._close_session)

    async def _watch_call(self, finished: trio.Event) -> None:
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
                    await self._stop_call(finished)

    async def _stop_call(self, finished: trio.Event) -> None:
        """Bring the thread back: politely, else by cutting its connection."""
        self._is_stopping = True
        session = self._session
        if session is None:
            return  # still connecting, which is bounded; `_open_session` then goes no further
        await trio.to_thread.run_sync(
            partial(_request_cancel, session.connection), limiter=self._watcher_limiter
        )
        with trio.move_on_after(CANCEL_SECONDS):
            await finished.wait()
        if not finished.is_set():
            session.cut()

    # -- In the worker thread --------------------------------------------------------------

    def _run_in_thread(self, work: Callable[[Session], Result]) -> Result:
        try:
            session = self._ensure_session()
            self._heed_stop()
            return work(session)
        except psycopg.Error as error:
            if not session_survives(error):
                self._drop_session()
            # Not from the driver's error: a traceback would show its text, which may be secret.
            raise translate_error(error, self.address.secrets) from None
        finally:
            self._leave_transaction()

    def _ensure_session(self) -> Session:
        if self._session is not None and self._session.connection.closed:
            self._drop_session()
        session = self._session or self._open_session()
        if self._lost is not None:
            session.read("end_session", *self._lost)
            self._lost = None
        return session

    def _open_session(self) -> Session:
        """Connect and prepare; `_stop_call` cuts a server that falls silent in between."""
        session = self._session = self._dial_server()
        try:
            self._heed_stop()
            session.prepare(
                self.address,
                self.settings.statement_timeout_seconds,
                self.settings.dead_band_percent / 100,
            )
        except BaseException:
            self._close_session()
            raise
        return session

    def _dial_server(self) -> Session:
        """A session; without `options` where a pooler refuses them, which has its own ways."""
        if self._takes_options and not self.address.is_pooled:
            try:
                return Session.connect(self._list_parameters(self.address.options))
            except psycopg.OperationalError as error:
                if not refuses_options(error):
                    raise
                self._takes_options = False
        return Session.connect(self._list_parameters(self.address.options_for_pooler))

    def _list_parameters(self, options: str) -> dict[str, Any]:
        """The address' parameters; it may say otherwise of keep-alive, but not of our name."""
        settings = self.settings
        chosen = {
            # A silent network is noticed within about 20 s, a stuck send within a statement's time.
            "keepalives_idle": 5,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": math.ceil(settings.statement_timeout_seconds * 1000),
            **self.address.parameters,
            "connect_timeout": math.ceil(settings.connect_timeout_seconds),
            "application_name": self.application_name,
            "client_encoding": "UTF8",
        }
        return {**chosen, "options": options} if options else chosen

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
            self._drop_session()  # the server rolls back when it notices

    def _drop_session(self) -> None:
        """Give up a session that may still be alive on the server."""
        if self._session is not None:
            # One that is still to be ended goes first: this one has sent nothing since.
            self._lost = self._lost or self._session.backend
            self._session.close()
            self._session = None

    def _close_session(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


def _request_cancel(connection: psycopg.Connection[Any]) -> None:
    try:
        connection.cancel_safe(timeout=CANCEL_SECONDS)
    except psycopg.Error:
        return  # the server does not hear; the watcher cuts the connection next


def parse_address(url: str) -> PostgresAddress:
    """The address; `BadConfiguration` if it is none, for one that no settings have checked."""
    try:
        return parse_postgres_url(url)
    except ValueError as error:
        raise BadConfiguration(f"the connection string of Postgres: {error}") from None
