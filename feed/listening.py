"""The gateway's sockets: which addresses a host stands for, and one listener on each of them.

IPv4 and IPv6 have sockets of their own (IPV6_V6ONLY), so that a client's address is always written
in its own family. What the machine does not have, because IPv6 is switched off for instance, is
left out as long as one address is there.
"""

import errno
import socket
from typing import Any

import trio

from domain.errors import AddressUnavailable

BACKLOG_CONNECTIONS = 512  # not yet accepted
ATTEMPTS_AT_ANY_PORT = 20  # the port that is free for one address may be taken for another
BOTH_FAMILIES = {"::": ("0.0.0.0", "::"), "localhost": ("127.0.0.1", "::1")}  # noqa: S104
ABSENT = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)

Address = tuple[int, tuple[Any, ...]]  # family, and what `bind` takes


async def open_listeners(host: str, port: int) -> list[trio.SocketListener]:
    """A listener on every address of `host`, all on one port; 0 takes any free one.

    `AddressUnavailable` says which address cannot be had, and why.
    """
    for _ in range(ATTEMPTS_AT_ANY_PORT - 1):
        try:
            return await _open_on_all(host, port)
        except AddressUnavailable as error:
            if port != 0 or not error.is_taken:
                raise
    return await _open_on_all(host, port)


def name_address(host: str, port: int) -> str:
    """`127.0.0.1:8080`, `[::1]:8080`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _open_on_all(host: str, port: int) -> list[trio.SocketListener]:
    listeners: list[trio.SocketListener] = []
    absences: list[AddressUnavailable] = []
    try:
        for family, address in await _addresses_of(host, port):
            # The first one decides which of the free ports it is.
            chosen = listeners[0].socket.getsockname()[1] if listeners else port
            try:
                listeners.append(await _open_on(family, (address[0], chosen, *address[2:])))
            except OSError as error:
                failure = _unavailable_address(address[0], chosen, error)
                if error.errno not in ABSENT:
                    raise failure from None
                absences.append(failure)
    except BaseException:
        for listener in listeners:
            listener.socket.close()
        raise
    if not listeners:
        raise absences[-1]
    return listeners


async def _addresses_of(host: str, port: int) -> list[Address]:
    try:
        found = [
            answer
            for name in BOTH_FAMILIES.get(host, (host,))
            for answer in await trio.socket.getaddrinfo(
                name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        ]
    except OSError as error:
        raise _unavailable_address(host, port, error) from None
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


async def _open_on(family: int, address: tuple[Any, ...]) -> trio.SocketListener:
    sock = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        await sock.bind(address)
        sock.listen(BACKLOG_CONNECTIONS)
        return trio.SocketListener(sock)
    except BaseException:
        sock.close()
        raise


def _unavailable_address(host: str, port: int, error: OSError) -> AddressUnavailable:
    reason = error.strerror or str(error)
    return AddressUnavailable(
        f"cannot listen on {name_address(host, port)}: {reason}",
        is_taken=error.errno == errno.EADDRINUSE,
    )
