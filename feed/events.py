"""Server-sent events as bytes (HTML standard, section 9.2.5). Pure.

    JSON message, its type, an id  ->  event: type, id: epoch:offset, data: message

An id says that a client which has it holds every board that it follows as of this cursor. So only
the last event of a round has one, and none has while a snapshot is still to come.
"""

from collections.abc import Sequence

from feed.board import Cursor

COMMENT = b":\n\n"  # says nothing, and keeps the connection from falling silent
LONGEST_BEGINNING = 40  # bytes in which a message's type stands: {"type":"snapshot", ...


def encode_event(kind: str, message: bytes, event_id: str = "") -> bytes:
    """One event; a JSON message has no line break, so that it is one line of data."""
    id_line = f"id: {event_id}\n" if event_id else ""
    return b"event: %b\n%bdata: %b\n\n" % (kind.encode(), id_line.encode(), message)


def join_events(kind: str, messages: Sequence[bytes], event_id: str = "") -> bytes:
    """Events of one kind, the last of which has the id."""
    if not messages:
        return b""
    *before, last = messages
    return b"".join(encode_event(kind, message) for message in before) + encode_event(
        kind, last, event_id
    )


def kind_of(message: bytes) -> str:
    """The type of a JSON message, with which each begins."""
    return message[:LONGEST_BEGINNING].split(b'"', 4)[3].decode()


def write_event_id(cursor: Cursor) -> str:
    """`epoch:offset`."""
    return f"{cursor.epoch}:{cursor.offset}"


def read_event_id(text: str) -> Cursor | None:
    """The cursor of an event's id; None for what is none."""
    epoch, colon, offset = text.strip().rpartition(":")
    is_whole = offset.isascii() and offset.isdigit() and len(offset) < 20
    return Cursor(epoch=epoch, offset=int(offset)) if colon and epoch and is_whole else None
