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


@frozen(kw_only=True)
class Subscribe:
    board: str
    since: Cursor | None  # what the client still holds


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


@frozen(kw_only=True)
class Ping:
    """Be answered; tells that both ends are there."""


Command = Subscribe | Unsubscribe | Watch | Unwatch | FollowHealth | Ping

MESSAGES = {  # by reason of refusal
    "text_expected": "frames are text",
    "malformed": "a frame is one JSON object",
    "unknown_type": "type is one of subscribe, unsubscribe, watch, unwatch, health, ping",
    "unknown_board": f"board is one of {', '.join(BOARD_NAMES)}",
    "bad_since": 'since is {"epoch": text, "offset": whole number}',
    "bad_mint": "mint is base58 of 32 bytes",
    "unknown_mint": "no token of this mint is tracked",
    "too_many_watches": "unwatch something first",
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
            return Subscribe(board=_read_board(frame), since=_read_cursor(frame))
        case "unsubscribe":
            return Unsubscribe(board=_read_board(frame))
        case "watch":
            return Watch(mint=_read_mint(frame))
        case "unwatch":
            return Unwatch(mint=_read_mint(frame))
        case "health":
            return FollowHealth()
        case "ping":
            return Ping()
        case other:
            raise FrameRefused(other, reason="unknown_type")


def error_message(reason: str) -> bytes:
    """The `error` frame's JSON."""
    return orjson.dumps({"type": "error", "code": reason, "message": MESSAGES[reason]})


def _read_board(frame: dict[str, object]) -> str:
    board = frame.get("board")
    if not isinstance(board, str) or board not in BOARD_NAMES:
        raise FrameRefused(board, reason="unknown_board")
    return board


def _read_mint(frame: dict[str, object]) -> Mint:
    try:
        return parse_address(frame.get("mint"))
    except MintRefused as error:
        raise FrameRefused(frame.get("mint"), reason="bad_mint") from error


def _read_cursor(frame: dict[str, object]) -> Cursor | None:
    since = frame.get("since")
    if since is None:
        return None
    if isinstance(since, dict):
        epoch, offset = since.get("epoch"), since.get("offset")
        if isinstance(epoch, str) and type(offset) is int and offset >= 0:
            return Cursor(epoch=epoch, offset=offset)
    raise FrameRefused(since, reason="bad_since")
