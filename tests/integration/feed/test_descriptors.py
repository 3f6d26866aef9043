"""No file descriptor left in this very process, and then some again; clients that reset at once."""

import errno
import os
import resource
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any

import pytest
import trio

from feed import accepting
from feed.descriptors import SPARE_DESCRIPTORS, allow_descriptors
from feed.places import NO_DESCRIPTORS
from tests.integration.feed.clients import feed_client, get, port_of, serving
from tests.patience import PATIENCE_SECONDS
from tests.unit.feed.tokens import make_token
from tests.unit.feed.worlds import World, until

FEED = "/api/warp-pipes/feed"
ROOM = 64  # descriptors that the limit leaves before all are taken


@contextmanager
def exhausted() -> Iterator[None]:
    """A limit that leaves no descriptor free, until the end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + ROOM, hard))
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        with pytest.raises(OSError, match="Too many open files"):
            os.open(os.devnull, os.O_RDONLY)
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def sockets(count: int) -> Iterator[list[trio.socket.SocketType]]:
    """Clients' sockets, made while there still are descriptors."""
    with ExitStack() as stack:
        yield [stack.enter_context(trio.socket.socket()) for _ in range(count)]


@pytest.fixture(autouse=True)
def _calm_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "CALM_SECONDS", 0.05)


async def ask(world: World, sock: trio.socket.SocketType, path: str) -> bytes:
    await sock.connect(("127.0.0.1", port_of(world)))
    stream = trio.SocketStream(sock)  # which stays open: its descriptor would be one to take
    await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    with trio.fail_after(PATIENCE_SECONDS):
        return bytes(await stream.receive_some())


@asynccontextmanager
async def a_follower() -> AsyncIterator[World]:
    """A world with a client that is connected before, and served throughout."""
    async with serving(clients=100) as world, feed_client(world) as client:
        frame = await client.subscribe("new")
        yield world
        await world.show(make_token(7))
        while frame["offset"] < world.gateway.boards.offset:
            frame = await client.hear()


async def test_health_checks_are_answered_without_descriptors_and_all_is_well_after() -> None:
    async with a_follower() as world:
        with sockets(5) as clients:
            with exhausted():
                assert (await ask(world, clients[0], "/livez")).startswith(b"HTTP/1.1 200 ")
                refused = await ask(world, clients[1], FEED)
                assert refused.startswith(b"HTTP/1.1 503 ")
                assert b'"no_descriptors"' in refused
                ready = await ask(world, clients[2], "/readyz")
                assert ready.startswith(b"HTTP/1.1 200 ")
                assert b'"degraded":[{"name":"file descriptors","reason":"Too many open' in ready
                assert 1 == world.gateway.snapshot().connections_refused[NO_DESCRIPTORS]
                await world.show(make_token(1))
            assert (await ask(world, clients[3], FEED)).startswith(b"HTTP/1.1 200 ")
            await until(lambda: not world.conditions.away)
            assert b'"ready"' in await ask(world, clients[4], "/readyz")
        told = [problem is None for _, problem in world.conditions.reported]
        assert [True, False, True] == told  # at the start; and one shortage


async def test_mute_connections_without_descriptors_make_room_for_a_health_check() -> None:
    async with a_follower() as world:
        with sockets(3 * SPARE_DESCRIPTORS) as mute, sockets(1) as (asking,):
            with exhausted():
                for sock in mute:
                    await sock.connect(("127.0.0.1", port_of(world)))
                assert (await ask(world, asking, "/livez")).startswith(b"HTTP/1.1 200 ")
                pushed_out = world.gateway.server.places.refused[NO_DESCRIPTORS]
                assert pushed_out >= 2 * SPARE_DESCRIPTORS
            await until(lambda: not world.conditions.away)
            assert 200 == (await get(world, FEED)).status


async def test_a_connection_that_is_reset_before_it_is_accepted_is_none() -> None:
    async with a_follower() as world:
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", port_of(world))) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await until(lambda: world.gateway.server.places.open == 1)
        assert 200 == (await get(world, "/livez")).status


@pytest.mark.parametrize("error", [errno.ECONNABORTED, errno.EPERM, errno.EPROTO])
async def test_an_accept_that_fails_for_one_connection_goes_on_with_the_next(
    monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    async with a_follower() as world:
        real = socket.socket._accept  # type: ignore[attr-defined]  # what `accept` is made of
        failures = iter([error] * 50)

        def accept(listener: socket.socket) -> Any:
            if (failure := next(failures, None)) is not None:
                raise OSError(failure, os.strerror(failure))
            return real(listener)

        with monkeypatch.context() as patched:
            patched.setattr(socket.socket, "_accept", accept)
            # The first one is accepted by the call that was waiting already.
            assert [200, 200] == [(await get(world, FEED)).status for _ in range(2)]
        assert None is next(failures, None)
        assert [] == world.conditions.away


async def test_a_server_that_ends_holds_no_descriptor_any_more() -> None:
    def count_open() -> int:
        return len(os.listdir("/proc/self/fd"))

    async with serving():
        pass  # what is loaded or opened once
    before = count_open()
    async with serving():
        assert count_open() >= before + SPARE_DESCRIPTORS
    assert before == count_open()


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_and_never_lowered() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
        assert 512 == allow_descriptors(100)
        assert 700 == allow_descriptors(700)
        assert (700, hard) == resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY:
            assert hard == allow_descriptors(hard + 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
