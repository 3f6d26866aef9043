"""Sessions of clients that have asked for deflated messages."""

from feed.board import Cursor
from feed.commands import Subscribe
from feed.frames import FIRST_BYTE_OF_BINARY, FIRST_BYTE_OF_TEXT
from tests.unit.feed.test_session import QUEUE_BYTES, Desk, a_session, read_message

TEXT, BINARY = FIRST_BYTE_OF_TEXT, FIRST_BYTE_OF_BINARY


async def read_kinds(desk: Desk) -> list[tuple[int, object, object]]:
    """Of every frame: its first byte, its message's type, and the board."""
    read = [(first, read_message(first, payload)) for first, payload in await desk.read_frames()]
    return [
        (first, message["type"], message.get("board"))
        for first, message in read
        if message["type"] != "filler"
    ]


async def test_a_board_is_deflated_for_who_asked_so_and_another_is_not() -> None:
    async with a_session(is_deflated=True) as desk:
        desk.session._subscribe(Subscribe(board="hot", since=None))
        desk.session.deliver_round(desk.publish(1))
        assert [
            (TEXT, "snapshot", "new"),  # nothing is on it: too short
            (TEXT, "snapshot", "hot"),
            (BINARY, "delta", "new"),
            (TEXT, "delta", "hot"),
        ] == await read_kinds(desk)


async def test_an_encoding_lasts_until_the_board_is_asked_for_again() -> None:
    async with a_session(is_deflated=True) as desk:
        desk.session.deliver_round(desk.publish(1))
        desk.session._subscribe(Subscribe(board="new", since=None))
        desk.session.deliver_round(desk.publish(2))
        kinds = await read_kinds(desk)
        assert [BINARY, TEXT, TEXT] == [first for first, *_ in kinds[1:]]
        assert frozenset() == desk.session.deflated


async def test_what_is_resumed_is_deflated_but_for_the_short() -> None:
    async with a_session(is_deflated=True) as desk:
        desk.publish(1)
        since = Cursor(epoch="epoch", offset=0)
        desk.session._subscribe(Subscribe(board="hot", since=since, is_deflated=True))
        assert [(TEXT, "resumed", "hot"), (BINARY, "delta", "hot")] == [
            kind for kind in await read_kinds(desk) if kind[2] == "hot"
        ]


async def test_a_snapshot_is_deflated_once_for_all_joiners_of_its_offset() -> None:
    async with a_session() as desk:
        desk.publish(1)
        deflated = desk.session.broadcast.deflated_frames
        for _ in range(3):
            desk.session._subscribe(Subscribe(board="new", since=None, is_deflated=True))
        assert len(desk.boards.snapshot_message("new")) == deflated.input_bytes
        desk.publish(2)
        desk.session._subscribe(Subscribe(board="new", since=None, is_deflated=True))
        assert deflated.input_bytes > 1.9 * len(desk.boards.snapshot_message("new"))


async def test_a_slow_client_is_owed_as_many_bytes_as_go_over_the_wire() -> None:
    """A round that is larger than the queue, and smaller when deflated, is none too many."""
    async with a_session(is_deflated=True) as desk:
        desk.session.deliver_round(desk.publish(1, size=2 * QUEUE_BYTES))
        kinds = await read_kinds(desk)
        assert (BINARY, "delta", "new") == kinds[-1]
        assert 0 == desk.session.broadcast.conflated


async def test_a_slow_client_gets_a_deflated_snapshot_when_it_has_drained() -> None:
    async with a_session(is_deflated=True) as desk:
        desk.fill()
        desk.publish(1)
        desk.session._fall_behind()
        desk.session.send_snapshots()
        assert [(TEXT, "snapshot", "new"), (BINARY, "snapshot", "new")] == await read_kinds(desk)
