"""A stream's server on loopback, a process of its own: `python -m benchmarks.traffic.source`.

    a line of orders on standard input -> frames on the socket -> a line of JSON: what was sent

Frames are rendered before their first is due, and then sent one by one, each when it is due or as
soon as the reader takes it: a reader that is too slow is held against it, since every latency
counts from when a frame was due. All clocks are this machine's monotonic one.
"""

import argparse
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock, Thread

import orjson
from attrs import define, field, frozen
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Ping, Request, TextMessage

from benchmarks.traffic.frames import PUMP_SUBSCRIPTION, STREAMS, Traffic
from sources.pump_chain.programs import PUMP

RECEIVE_BYTES = 65_536
OTHER_SUBSCRIPTIONS = 2  # of programs that say nothing here


@frozen(kw_only=True)
class Order:
    """Frames of `kind` from number `first` on, so many and so fast."""

    kind: str  # birth, trade
    first: int
    count: int
    rate: float  # a second


@frozen(kw_only=True)
class Sent:
    """When the first frame was due and when the last had been taken, in monotonic seconds."""

    first_due: float
    finished: float


@define
class Conversation:
    """The one client: its handshake, its requests and its pings, read by a thread."""

    connection: socket.socket
    protocol: WSConnection = field(factory=lambda: WSConnection(ConnectionType.SERVER))
    sending: Lock = field(factory=Lock)  # a frame is sent whole

    def read(self) -> None:
        """Answer what must be answered, until the client has gone."""
        with suppress(ConnectionError):
            while received := self.connection.recv(RECEIVE_BYTES):
                self.protocol.receive_data(received)
                for event in self.protocol.events():
                    # Without an answer no wait for the frames: a client whose requests are not
                    # read would give this server up.
                    if answer := self._answer(event):
                        self.send(answer)

    def send(self, data: bytes) -> None:
        with self.sending:
            self.connection.sendall(data)

    def accept(self) -> None:
        """The handshake, to its end."""
        while True:
            self.protocol.receive_data(self.connection.recv(RECEIVE_BYTES))
            for event in self.protocol.events():
                assert isinstance(event, Request)
                self.connection.sendall(self.protocol.send(AcceptConnection()))
                return

    def _answer(self, event: Event) -> bytes:
        if isinstance(event, Ping | CloseConnection):
            return self.protocol.send(event.response())
        if isinstance(event, TextMessage) and b"logsSubscribe" in event.data.encode():
            request = orjson.loads(event.data)
            is_pump = PUMP in event.data
            given = PUMP_SUBSCRIPTION if is_pump else OTHER_SUBSCRIPTIONS + request["id"]
            made = {"jsonrpc": "2.0", "result": given, "id": request["id"]}
            return self.protocol.send(TextMessage(data=orjson.dumps(made).decode()))
        return b""


def send_paced(conversation: Conversation, frames: Sequence[bytes], rate: float) -> Sent:
    """Send each frame when it is due, or as soon after as the reader takes it."""
    first_due = time.monotonic()
    for number, frame in enumerate(frames):
        early = first_due + number / rate - time.monotonic()
        if early > 0:
            time.sleep(early)
        conversation.send(frame)
    return Sent(first_due=first_due, finished=time.monotonic())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.traffic.source")
    parser.add_argument("stream", choices=[*STREAMS])
    parser.add_argument("coins", type=int)
    parsed = parser.parse_args()
    traffic = Traffic(parsed.coins, parsed.stream)
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        connection, _ = server.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    conversation = Conversation(connection)
    conversation.accept()
    Thread(target=conversation.read, daemon=True).start()
    for line in sys.stdin:
        order = Order(**orjson.loads(line))
        render = traffic.birth if order.kind == "birth" else traffic.trade
        frames = [render(number) for number in range(order.first, order.first + order.count)]
        sent = send_paced(conversation, frames, order.rate)
        print(orjson.dumps({"first_due": sent.first_due, "finished": sent.finished}).decode())
        sys.stdout.flush()


if __name__ == "__main__":
    main()
