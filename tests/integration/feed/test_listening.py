"""Which sockets a host stands for, with real ones on both loopbacks."""

import errno
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from commands.dump import ALL_ADDRESSES
from config.listening import listening_host
from domain.errors import AddressUnavailable
from feed import listening
from feed.listening import open_listeners
from tests.integration.feed.clients import serving
from tests.patience import PATIENCE_SECONDS
from tests.unit.feed.worlds import World, make_world

IPV4, IPV6 = "127.0.0.1", "::1"


def has_ipv6() -> bool:
    try:
        with socket.create_server((IPV6, 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


def port_of(world: World) -> int:
    ports = {int(address.rpartition(":")[2]) for address in world.gateway.addresses}
    (port,) = ports  # one for all
    return port


async def is_served(host: str, port: int) -> bool:
    try:
        stream = await trio.open_tcp_stream(host, port)
    except OSError:
        return False
    async with stream:
        await stream.send_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        with trio.fail_after(PATIENCE_SECONDS):
            return (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")


@needs_ipv6
@pytest.mark.parametrize(
    ("host", "served"),
    [
        ("::", {IPV4, IPV6}),
        ("[::]", {IPV4, IPV6}),
        ("0::0", {IPV4, IPV6}),
        ("localhost", {IPV4, IPV6}),
        ("0.0.0.0", {IPV4}),
        ("127.0.0.1", {IPV4}),
        ("::1", {IPV6}),
        ("[::1]", {IPV6}),
        ("::ffff:127.0.0.1", {IPV4}),
    ],
)
async def test_a_host_is_listened_on_in_the_families_it_stands_for(
    host: str, served: set[str]
) -> None:
    async with serving(host=host) as world:
        port = port_of(world)
        assert served == {loopback for loopback in (IPV4, IPV6) if await is_served(loopback, port)}


@needs_ipv6
async def test_a_client_of_a_dual_listener_is_seen_under_its_own_address() -> None:
    async with serving(host="::") as world:
        for loopback in (IPV4, IPV6):
            async with await trio.open_tcp_stream(loopback, port_of(world)) as stream:
                await stream.send_all(
                    b"POST /api/ops/governor HTTP/1.1\r\nHost: localhost\r\n"
                    b"Content-Length: 14\r\n\r\n"
                    b'{"reset":true}'
                )
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 202 ")


@pytest.mark.parametrize("error", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
@pytest.mark.parametrize(
    ("host", "missing", "served"),
    [
        ("::", socket.AF_INET6, ["0.0.0.0"]),
        ("localhost", socket.AF_INET6, ["127.0.0.1"]),
        ("0.0.0.0", socket.AF_INET6, ["0.0.0.0"]),
        pytest.param("::", socket.AF_INET, ["::"], marks=needs_ipv6),
    ],
)
async def test_a_family_that_the_machine_lacks_is_left_out(
    monkeypatch: pytest.MonkeyPatch, error: int, host: str, missing: int, served: list[str]
) -> None:
    real = listening._open_on

    async def open_on(family: int, address: tuple[Any, ...]) -> trio.SocketListener:
        if family == missing:
            raise OSError(error, os.strerror(error))
        return await real(family, address)

    monkeypatch.setattr(listening, "_open_on", open_on)
    listeners = await open_listeners(host, 0)
    assert served == [listener.socket.getsockname()[0] for listener in listeners]
    for listener in listeners:
        await listener.aclose()


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("192.0.2.1", "cannot listen on 192.0.2.1:0: Cannot assign requested address"),
        ("2001:db8::1", r"cannot listen on \[2001:db8::1\]:0: "),
    ],
)
async def test_what_cannot_be_listened_on_is_told_by_name(host: str, reason: str) -> None:
    with pytest.raises(AddressUnavailable, match=reason) as caught:
        await make_world(host=host).gateway.run()
    assert 70 == caught.value.exit_code


class NoNames(trio.abc.HostnameResolver):
    """A resolver that knows nobody."""

    async def getaddrinfo(self, *_: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def getnameinfo(self, *_: object) -> Any:
        raise NotImplementedError


async def test_a_name_that_nobody_knows_is_told() -> None:
    trio.socket.set_custom_hostname_resolver(NoNames())
    reason = "cannot listen on some.host:0: Name or service not known"
    with pytest.raises(AddressUnavailable, match=reason):
        await make_world(host="some.host").gateway.run()


@needs_ipv6
@pytest.mark.parametrize(("loopback", "family"), [(IPV4, socket.AF_INET), (IPV6, socket.AF_INET6)])
async def test_a_port_that_is_taken_in_one_family_is_not_half_listened_on(
    loopback: str, family: socket.AddressFamily
) -> None:
    with socket.create_server((loopback, 0), family=family) as other:
        port = other.getsockname()[1]
        shown = f"\\[{loopback}\\]" if ":" in loopback else loopback
        with pytest.raises(AddressUnavailable, match=f"{shown}:{port}: Address already") as caught:
            await open_listeners("localhost", port)
        assert caught.value.is_taken
    for listener in await open_listeners("localhost", port):  # nothing was left open
        await listener.aclose()


@needs_ipv6
async def test_any_port_is_one_that_is_free_in_both_families(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = listening._open_on
    refusals = iter([False, True, False, True])  # IPv4, IPv6, twice in vain

    async def open_on(family: int, address: tuple[Any, ...]) -> trio.SocketListener:
        if next(refusals, False):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        return await real(family, address)

    monkeypatch.setattr(listening, "_open_on", open_on)
    listeners = await open_listeners("::", 0)
    assert 2 == len(listeners)
    assert 1 == len({listener.socket.getsockname()[1] for listener in listeners})
    for listener in listeners:
        await listener.aclose()


# The image.


def dockerfile() -> str:
    return (Path(__file__).parents[3] / "Dockerfile").read_text()


def health_check() -> list[str]:
    """The image's own command, with this Python."""
    command = re.search(r"^HEALTHCHECK .*\\\n\s+CMD (\[.*\])$", dockerfile(), re.MULTILINE)
    assert command
    python, *rest = json.loads(command[1])
    assert "python" == python
    return [sys.executable, *rest]


def image_host() -> str:
    found = re.search(r"^\s+HOST=(\S+)$", dockerfile(), re.MULTILINE)
    assert found
    return found[1]


def test_the_image_listens_on_everything() -> None:
    assert "::" == listening_host(image_host())


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        ({"HOST": image_host(), "PORT": "{port}"}, image_host()),
        ({"PORT": "{port}"}, image_host()),
        pytest.param({"HOST": "[::1]", "PORT": "{port}"}, "::1", marks=needs_ipv6),
        ({"HOST": "0.0.0.0", "PORT": "{port}"}, "0.0.0.0"),
        ({"HOST": "localhost", "PORT": "{port}"}, "localhost"),
        ({"HOST": "127.0.0.2", "PORT": "{port}"}, "127.0.0.2"),
        (
            {
                "HOST": "192.0.2.1",
                "PORT": "1",
                "TOKEN_DISCOVERY__GATEWAY__HOST": "127.0.0.1",
                "TOKEN_DISCOVERY__GATEWAY__PORT": "{port}",
            },
            "127.0.0.1",
        ),
        ({"PORT": "{port}", "http_proxy": "http://127.0.0.1:9/"}, image_host()),
    ],
)
async def test_the_health_check_of_the_image_asks_where_the_service_listens(
    environment: dict[str, str], host: str
) -> None:
    async with serving(host=host) as world:
        port = str(port_of(world))
        chosen = {name: value.format(port=port) for name, value in environment.items()}
        checked = await trio.run_process(health_check(), env=chosen, check=False)
        assert 0 == checked.returncode


async def test_the_health_check_of_the_image_fails_where_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind((IPV4, 0))  # and does not listen
        port = str(free.getsockname()[1])
        checked = await trio.run_process(
            health_check(), env={"PORT": port}, check=False, stderr=subprocess.DEVNULL
        )
        assert 0 != checked.returncode


@pytest.mark.parametrize("host", ["::", "0.0.0.0"])
async def test_the_commands_ask_everything_by_the_ipv4_loopback(host: str) -> None:
    async with serving(host=host) as world:
        assert await is_served(ALL_ADDRESSES[host], port_of(world))
