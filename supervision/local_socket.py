"""A socket on which a thread of the service answers its own machine, whatever the event loop does.

    token-discovery dump  --ask-->  LoopMonitor  --answer-->  the dump

The name is in Linux's abstract namespace (unix(7)): it needs no directory, nothing is left behind,
and it belongs to the same network namespace as the port it is made of. The kernel says who asks
(SO_PEERCRED): the service's own user and root are answered, nobody else.
"""

import os
import socket
import struct
import sys

from attrs import frozen

ANSWER_SECONDS = 2.0  # for a whole answer to be taken, or given
WAITING_CLIENTS = 4
READ_BYTES = 65_536
MOST_BYTES = 64 * 1024 * 1024  # of an answer that is believed; one has some 100 kB
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: struct ucred
ROOT = 0


@frozen
class Peer:
    """The process at the other end."""

    pid: int
    uid: int

    @property
    def is_trusted(self) -> bool:
        """It runs as our own user or as root."""
        return self.uid in (os.geteuid(), ROOT)


def listen_locally(port: int) -> socket.socket | None:
    """Listen beside the service's port; None where there are no such sockets. `OSError`."""
    if not _is_supported():
        return None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(_name_of(port))
        listener.listen(WAITING_CLIENTS)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def read_peer(connection: socket.socket) -> Peer:
    """Who is at the other end; of a client: the process that listens."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _gid = _CREDENTIALS.unpack(raw)
    return Peer(pid, uid)


def connect_locally(port: int) -> socket.socket | None:
    """A connection to the service on this port of this machine; None where nobody answers."""
    if not _is_supported():
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(_name_of(port))
    except OSError:
        connection.close()
        return None
    return connection


def read_answer(connection: socket.socket) -> bytes:
    """All that the other end sends; `OSError` if that is late or endless."""
    answer = bytearray()
    while part := connection.recv(READ_BYTES):
        answer += part
        if len(answer) > MOST_BYTES:
            raise OSError("the answer has no end")
    return bytes(answer)


def _is_supported() -> bool:
    return sys.platform == "linux"


def _name_of(port: int) -> str:
    return f"\0token-discovery:{port}"
