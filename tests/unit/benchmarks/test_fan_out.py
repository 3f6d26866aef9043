import selectors
import socket

from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from benchmarks.fan_out import Delivery, make_frame
from benchmarks.fan_out_clients import COMMAND, DELTA, MASKED_TEXT, count_frames


def test_clients_subscribe_as_the_protocol_wants() -> None:
    server = Connection(ConnectionType.SERVER)
    server.receive_data(MASKED_TEXT + COMMAND)
    [event] = server.events()
    assert isinstance(event, TextMessage)
    assert COMMAND.decode() == event.data


def test_frames_are_counted_by_their_mark() -> None:
    ours, theirs = socket.socketpair()
    frame = make_frame(200).encode()
    with ours, theirs, selectors.DefaultSelector() as selector:
        selector.register(ours, selectors.EVENT_READ)
        theirs.sendall(3 * frame)
        assert (3, 3 * len(frame)) == count_frames(selector, 0.0)


def test_a_peers_frame_has_the_size_of_ours_on_the_wire() -> None:
    head_bytes = 4
    assert 200 == head_bytes + len(make_frame(200))
    assert 1 == make_frame(200).encode().count(DELTA)


def test_a_server_that_sends_half_of_what_is_due_does_not_keep_up() -> None:
    def delivered(frames: int) -> Delivery:
        return Delivery("gateway", 500, frames, 200.0, 1.0, seconds=1.0)

    assert [True, False] == [delivered(each).keeps_up for each in (9_500, 5_000)]
