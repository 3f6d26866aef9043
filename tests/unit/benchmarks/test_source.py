import socket
from collections.abc import Iterator
from threading import Thread

import orjson
import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Event, Request, TextMessage

from benchmarks.traffic.frames import PUMP_SUBSCRIPTION
from benchmarks.traffic.source import Conversation, send_paced
from sources.pump_chain.notifications import render_subscription
from sources.pump_chain.programs import LAUNCHLAB, PUMP
from tests.patience import PATIENCE_SECONDS

MORE_THAN_A_SOCKET_HOLDS = 4 * 2**20


class Client:
    """What reads the stream."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.protocol = WSConnection(ConnectionType.CLIENT)
        connection.sendall(self.protocol.send(Request(host="a", target="/")))

    def say(self, text: str) -> None:
        self.connection.sendall(self.protocol.send(TextMessage(data=text)))

    def hear(self) -> Event:
        while (event := next(self.protocol.events(), None)) is None:
            self.protocol.receive_data(self.connection.recv(65_536))
        return event


@pytest.fixture
def both() -> Iterator[tuple[Conversation, Client]]:
    """A conversation whose handshake is done, and which is being read."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(PATIENCE_SECONDS)
    with ours, theirs:
        client, conversation = Client(theirs), Conversation(ours)
        conversation.accept()
        assert isinstance(client.hear(), AcceptConnection)
        reader = Thread(target=conversation.read)
        reader.start()
        yield conversation, client
        theirs.shutdown(socket.SHUT_RDWR)
        reader.join(PATIENCE_SECONDS)
        assert not reader.is_alive()


def test_each_program_gets_a_subscription_of_its_own(both: tuple[Conversation, Client]) -> None:
    _, client = both
    for number, program in enumerate((LAUNCHLAB, PUMP), start=1):
        client.say(render_subscription(number, program).decode())
    answers = [client.hear(), client.hear()]
    given = [orjson.loads(each.data) for each in answers if isinstance(each, TextMessage)]
    assert [1, 2] == [answer["id"] for answer in given]
    assert PUMP_SUBSCRIPTION != given[0]["result"]
    assert PUMP_SUBSCRIPTION == given[1]["result"]


def test_requests_are_read_while_frames_wait(both: tuple[Conversation, Client]) -> None:
    conversation, client = both
    with conversation.sending:  # as a sender does whose client takes nothing
        client.say("x" * MORE_THAN_A_SOCKET_HOLDS)


def test_frames_are_sent_in_order_and_not_before_they_are_due(
    both: tuple[Conversation, Client],
) -> None:
    conversation, client = both
    sent = send_paced(conversation, [b"\x81\x01a", b"\x81\x01b", b"\x81\x01c"], rate=100.0)
    heard = [client.hear() for _ in range(3)]
    assert ["a", "b", "c"] == [each.data for each in heard if isinstance(each, TextMessage)]
    assert sent.finished - sent.first_due >= 2 / 100.0
