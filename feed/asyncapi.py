"""The WebSocket as an AsyncAPI 3 document, at /asyncapi.json.

SCHEMAS, CLOSE_CODES, examples  ->  make_asyncapi
"""

from collections.abc import Mapping
from typing import Any

import orjson

from config.version import read_version
from feed.api_errors import CLOSE_CODES
from feed.api_schemas import (
    CURSOR_EXAMPLE,
    EXAMPLE_MINT,
    EXAMPLE_TOKEN,
    SCHEMAS,
    refer_to,
)
from feed.commands import error_message
from feed.session import PONG_MESSAGE
from feed.wire import make_item

FOLD_RULE = (
    "A change is a mint with the keys that differ, a whole item where it is new to the board, or"
    ' {"mint", "removed": true}. Merge each change into the item of its mint, and sort: new by'
    " firstSeenAt, graduating by bondingCurveProgress, bonded by stateChangedAt, hot by hotScore;"
    " greatest first, null last, then by mint. What is folded is then the next snapshot. After a"
    " break, subscribe with since, the epoch and offset of the board's last message: resumed is"
    " followed by what was missed, or a snapshot comes in its place. With encoding deflate the"
    " messages of a board may come as binary ones: the same JSON in zlib's format. The same"
    " messages come as server-sent events from GET /api/stream, of boards, a view and a token."
)
_PLACE = {"board": "new", **CURSOR_EXAMPLE}
_LATER = {"board": "new", "epoch": CURSOR_EXAMPLE["epoch"], "offset": 1043}

# By name of a schema: what it is for, and an example.
COMMANDS: Mapping[str, tuple[str, Any]] = {
    "SubscribeCommand": (
        "follow a board, from where one was",
        {"type": "subscribe", "board": "new", "since": CURSOR_EXAMPLE},
    ),
    "UnsubscribeCommand": ("follow it no more", {"type": "unsubscribe", "board": "new"}),
    "WatchCommand": (
        "count as a watcher of a token while connected",
        {"type": "watch", "mint": EXAMPLE_MINT},
    ),
    "UnwatchCommand": ("count no more", {"type": "unwatch", "mint": EXAMPLE_MINT}),
    "HealthCommand": ("be told how the service is", {"type": "health"}),
    "PingCommand": ("be answered", {"type": "ping"}),
}
MESSAGES: Mapping[str, tuple[str, Any]] = {
    "SnapshotMessage": (
        "a whole board, in order",
        {"type": "snapshot", **_PLACE, "items": [make_item(EXAMPLE_TOKEN)]},
    ),
    "DeltaMessage": (
        "what has changed since the board's last message",
        {
            "type": "delta",
            **_LATER,
            "changes": [{"mint": EXAMPLE_MINT, "priceUsd": 0.0000051, "holderCount": 44}],
        },
    ),
    "ResumedMessage": ("what was missed follows", {"type": "resumed", **_PLACE}),
    "HealthMessage": (
        "how the service is, at once and at each change",
        {
            "type": "health",
            "status": "degraded",
            "reasons": [],
            "degraded": [
                {"name": "redis", "reason": "timed out", "since": "2026-07-25T17:20:00.000Z"}
            ],
        },
    ),
    "ViewMessage": (
        "the name of a view, and how it was understood; before its first message",
        {
            "type": "view",
            "id": "mine",
            "board": "view:0123456789ab",
            "view": {"boards": ["new"], "filters": {}, "sort": "hot", "limit": 100},
        },
    ),
    "HeartbeatMessage": (
        "a sign of life each second, for who has asked for it",
        {"type": "heartbeat", "at": 1_785_000_000_000},
    ),
    "TradesMessage": (
        "trades of a token that is followed, newest first; whole: all that are kept",
        {"type": "trades", "mint": EXAMPLE_MINT, "whole": True, "trades": []},
    ),
    "CandlesMessage": (
        "candles of a token that is followed, by interval",
        {"type": "candles", "mint": EXAMPLE_MINT, "currency": "usd", "candles": {"1m": []}},
    ),
    "PongMessage": ("the answer to a ping", orjson.loads(PONG_MESSAGE)),
    "ErrorMessage": (
        "a command was not understood; the connection stays",
        orjson.loads(error_message("unknown_board")),
    ),
}


def make_asyncapi() -> dict[str, Any]:
    """The document."""
    told = {**COMMANDS, **MESSAGES}
    channel = "#/channels/socket"
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "token-discovery",
            "version": read_version(),
            "description": FOLD_RULE,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "socket": {
                "address": "/ws",
                "title": "The boards, live",
                "description": "Close codes: "
                + "; ".join(f"{code}: {meaning}" for code, meaning in CLOSE_CODES.items()),
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in told},
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {
            "listen": _make_operation(channel, "receive", COMMANDS),
            "tell": _make_operation(channel, "send", MESSAGES),
        },
        "components": {
            "schemas": SCHEMAS,
            "messages": {
                name: {
                    "name": example["type"],
                    "summary": summary,
                    "payload": refer_to(name),
                    "examples": [{"payload": example}],
                }
                for name, (summary, example) in told.items()
            },
        },
    }


def _make_operation(channel: str, action: str, messages: Mapping[str, Any]) -> dict[str, Any]:
    """As the service sees it: it receives what clients say."""
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in messages],
    }
