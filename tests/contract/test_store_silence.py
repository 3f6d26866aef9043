"""A server that authenticates and then says nothing: frozen, or a pooler without a backend."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from attrs import define, field

from domain.errors import StoreUnavailable
from store.postgres.connection import StoreConnection
from tests.contract.store_world import postgres_settings
from tests.patience import PATIENCE_SECONDS

# AuthenticationOk, one ParameterStatus, BackendKeyData, ReadyForQuery
# (https://www.postgresql.org/docs/current/protocol-message-formats.html).
WELCOME = (
    b"R\0\0\0\x08\0\0\0\0"
    b"S\0\0\0\x19client_encoding\0UTF8\0"
    b"K\0\0\0\x0c\0\0\0\x01\0\0\0\x02"
    b"Z\0\0\0\x05I"
)


@define
class SilentServer:
    """Greets, hears a first query, and never answers anything again."""

    port: int = 0
    asked: trio.Event = field(factory=trio.Event)  # a query has come

    async def greet(self, stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(WELCOME)
        while await stream.receive_some():
            self.asked.set()


@asynccontextmanager
async def silent_server() -> AsyncIterator[SilentServer]:
    server = SilentServer()
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, server.greet, 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        server.port = listener.socket.getsockname()[1]
        yield server
        nursery.cancel_scope.cancel()


def connection_to(server: SilentServer) -> StoreConnection:
    url = f"postgresql://u@127.0.0.1:{server.port}/d?sslmode=disable&gssencmode=disable"
    settings = postgres_settings(url, connect_timeout_seconds=1.0, statement_timeout_seconds=0.1)
    return StoreConnection(
        settings=settings, application_name="silence", offload=trio.to_thread.run_sync
    )


async def test_a_server_silent_after_its_welcome_is_given_up_within_the_limits() -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with silent_server() as server:
            with pytest.raises(StoreUnavailable):
                await connection_to(server).run(lambda session: session)


async def test_a_call_is_cancelled_while_its_session_is_prepared() -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with silent_server() as server, trio.open_nursery() as nursery:
            connection = connection_to(server)
            nursery.start_soon(connection.run, lambda session: session)
            await server.asked.wait()
            nursery.cancel_scope.cancel()
        await connection.close()
