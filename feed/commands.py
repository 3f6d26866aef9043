"""What a WebSocket client may say, parsed. Pure.

A frame is one JSON object with a `type`. What is wrong with one is told by the `reason` of
`FrameRefused`, which becomes the `code` of an `error` frame.
"""

import json

import orjson
from attrs import frozen

from domain.errors import FrameRefused, MintRefused
from domain.values import Mint, parse_address
from feed.board import BOARD_NAMES, Cursor
from feed.token_boards import PREFIX, is_token_board, name_token_board
from feed.view_query import ViewQuery, is_view_name, parse_view


@frozen(kw_only=True)
class Subscribe:
    board: str  # of a view, too
    view: ViewQuery | None = None  # which need not live yet
    request_id: str | None = None
    since: Cursor | None  # what the client still holds
    is_deflated: bool = False  # its messages are to come deflated


@frozen(kw_only=True)
class Unsubscribe:
    board: str


@frozen(kw_only=True)
class Watch:
    mint: Mint


@frozen(kw_only=True)
class Unwatch:
    mint: Mint


@frozen(kw_only=True)
class FollowHealth:
    """Be told how the service is, now and whenever that changes."""

    wants_heartbeat: bool = False  # and be sent a sign of life every second


@frozen(kw_only=True)
class Ping:
    """Be answered; tells that both ends are there."""


LONGEST_ID = 64  # characters
DEFLATE = "deflate"  # zlib's format, as "deflate" is in HTTP (RFC 9110, section 8.4.1.2)

Command = Subscribe | Unsubscribe | Watch | Unwatch | FollowHealth | Ping

MESSAGES = {  # by reason of refusal
    "text_expected": "frames are text",
    "malformed": "a frame is one JSON object",
    "unknown_type": "type is one of subscribe, unsubscribe, watch, unwatch, health, ping",
    "unknown_board": f"board is one of {', '.join(BOARD_NAMES)}, {PREFIX} and a mint, "
    "or the name of a view that lives",
    "bad_view": 'view is {"boards", "filters", "sort", "limit"}',
    "too_many_views": "unsubscribe from a view first",
    "bad_since": 'since is {"epoch": text, "offset": whole number}',
    "bad_heartbeat": "heartbeat is true or false, or left out",
    "unknown_encoding": f"encoding is {DEFLATE}, or left out",
    "bad_mint": "mint is base58 of 32 bytes",
    "unknown_mint": "no token of this mint is tracked",
    "too_many_watches": "unwatch something first",
    "too_many_tokens": "unsubscribe from a token first",
    "rate_limited": "too many messages; this one was ignored",
}


def parse_command(message: str | bytes) -> Command:
    """The command in a frame; `FrameRefused` otherwise."""
    if not isinstance(message, str):
        raise FrameRefused(message[:50], reason="text_expected")
    try:
        frame = orjson.loads(message)
    except json.JSONDecodeError as error:
        raise FrameRefused(message[:50], reason="malformed") from error
    if not isinstance(frame, dict):
        raise FrameRefused(message[:50], reason="malformed")
    match frame.get("type"):
        case "subscribe":
            return _read_subscription(frame)
        case "unsubscribe":
            return Unsubscribe(board=_read_board(frame))
        case "watch":
            return Watch(mint=_read_mint(frame))
        case "unwatch":
            return Unwatch(mint=_read_mint(frame))
        case "health":
            return FollowHealth(wants_heartbeat=_read_heartbeat(frame))
        case "ping":
            return Ping()
        case other:
            raise FrameRefused(other, reason="unknown_type")


def error_message(reason: str, message: str | None = None, request_id: str | None = None) -> bytes:
    """The `error` frame's JSON."""
    error = {"type": "error", "code": reason, "message": message or MESSAGES[reason]}
    return orjson.dumps(error if request_id is None else {**error, "id": request_id})


def view_message(view: ViewQuery, request_id: str | None) -> bytes:
    """What comes before a view's first message: its name, and how it was understood."""
    message = {"type": "view", "id": request_id, "board": view.name, "view": view.document}
    return orjson.dumps(message)


def _read_subscription(frame: dict[str, object]) -> Subscribe:
    request_id = _read_id(frame)
    try:
        view = _read_view(frame)
        return Subscribe(
            board=_read_board(frame) if view is None else view.name,
            view=view,
            request_id=request_id,
            since=_read_cursor(frame),
            is_deflated=_read_encoding(frame),
        )
    except FrameRefused as refusal:
        refusal.request_id = request_id
        raise


def _read_id(frame: dict[str, object]) -> str | None:
    request_id = frame.get("id")
    if request_id is None or (isinstance(request_id, str) and len(request_id) <= LONGEST_ID):
        return request_id
    message = f"id is a text of at most {LONGEST_ID} characters"
    raise FrameRefused(request_id, reason="bad_view", message=message)


def _read_view(frame: dict[str, object]) -> ViewQuery | None:
    described = frame.get("view")
    if described is None:
        return None
    if frame.get("board") is not None:
        message = "give board or view, not both"
        raise FrameRefused(frame.get("board"), reason="bad_view", message=message)
    return parse_view(described)


def _read_board(frame: dict[str, object]) -> str:
    """The board that is meant: by its name, or by the mint of the one token that it shows."""
    if "token" in frame:
        return name_token_board(_read_mint(frame, "token"))
    board = frame.get("board")
    if isinstance(board, str) and is_token_board(board):
        return name_token_board(_read_mint({"mint": board.removeprefix(PREFIX)}))
    if isinstance(board, str) and (board in BOARD_NAMES or is_view_name(board)):
        return board
    raise FrameRefused(board, reason="unknown_board")


def _read_mint(frame: dict[str, object], key: str = "mint") -> Mint:
    try:
        return parse_address(frame.get(key))
    except MintRefused as error:
        raise FrameRefused(frame.get(key), reason="bad_mint") from error


def _read_cursor(frame: dict[str, object]) -> Cursor | None:
    since = frame.get("since")
    if since is None:
        return None
    if isinstance(since, dict):
        epoch, offset = since.get("epoch"), since.get("offset")
        if isinstance(epoch, str) and type(offset) is int and offset >= 0:
            return Cursor(epoch=epoch, offset=offset)
    raise FrameRefused(since, reason="bad_since")


def _read_heartbeat(frame: dict[str, object]) -> bool:
    wanted = frame.get("heartbeat")
    if wanted is None or isinstance(wanted, bool):
        return wanted is True
    raise FrameRefused(wanted, reason="bad_heartbeat")


def _read_encoding(frame: dict[str, object]) -> bool:
    """Whether messages are to be deflated."""
    encoding = frame.get("encoding")
    if encoding not in (None, DEFLATE):
        raise FrameRefused(encoding, reason="unknown_encoding")
    return encoding is not None
