"""Followers of a board that cost little: raw sockets in one process, which count frames.

`python -m benchmarks.fan_out_clients PORT CLIENTS SECONDS` connects, lets things settle, prints
"start", reads for so long and prints how many frames came, and how many bytes.
"""

import selectors
import socket
import sys
import time

from feed.descriptors import allow_descriptors
from tests.integration.feed.clients import HANDSHAKE

COMMAND = b'{"type":"subscribe","board":"new"}'
MASKED_TEXT = bytes((0x81, 0x80 | len(COMMAND), 0, 0, 0, 0))  # with a mask that changes nothing
DELTA = b'"type":"delta"'
AT_ONCE = 100  # handshakes under way
RECEIVE_BYTES = 65_536
SETTLING_SECONDS = 2.0
OTHER_DESCRIPTORS = 100


def connect(selector: selectors.BaseSelector, port: int, clients: int) -> None:
    """Open so many connections that follow a board."""
    left = clients
    while left:
        coming = [socket.create_connection(("127.0.0.1", port)) for _ in range(min(AT_ONCE, left))]
        for client in coming:
            client.sendall(HANDSHAKE)
        for client in coming:
            assert client.recv(RECEIVE_BYTES).startswith(b"HTTP/1.1 101 "), "not accepted"
            client.sendall(MASKED_TEXT + COMMAND)
            selector.register(client, selectors.EVENT_READ)
        left -= len(coming)
        count_frames(selector, 0.0)


def count_frames(selector: selectors.BaseSelector, seconds: float) -> tuple[int, int]:
    """Read for so long; frames and bytes that came. One that comes in two parts is not counted."""
    frames = size = 0
    until = time.monotonic() + seconds
    while True:
        for key, _ in selector.select(max(until - time.monotonic(), 0)):
            received = key.fileobj.recv(RECEIVE_BYTES)  # type: ignore[union-attr]
            assert received, "a client was closed"
            frames += received.count(DELTA)
            size += len(received)
        if time.monotonic() >= until:
            return frames, size


def main(port: int, clients: int, seconds: float) -> None:
    allow_descriptors(clients + OTHER_DESCRIPTORS)
    with selectors.DefaultSelector() as selector:
        connect(selector, port, clients)
        count_frames(selector, SETTLING_SECONDS)
        print("start", flush=True)
        print(*count_frames(selector, seconds), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
