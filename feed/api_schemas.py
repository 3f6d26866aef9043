"""What goes over the wire as JSON Schema (2020-12), for both documents.

ITEM_FIELDS, BOARD_NAMES, ERROR_CODES ...  ->  SCHEMAS, by name  ->  components of a document
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from domain.token import Token
from domain.trading import CANDLE_SECONDS
from domain.values import Mint, Sol, UnixSeconds, Usd
from feed.api_alert_schemas import describe_alerts, describe_rule
from feed.api_errors import ERROR_CODES
from feed.board import BOARD_NAMES
from feed.client_items import append_client_keys
from feed.commands import DEFLATE, MESSAGES
from feed.item_fields import ITEM_FIELDS, NULL, TIME, ItemField
from feed.wire import encode_json, make_item

Schema = Mapping[str, Any]

EXAMPLE_MINT = Mint("7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2hr")
EXAMPLE_EPOCH = "8f3c5a0e9d1b2c47"
EXAMPLE_TOKEN = Token(
    mint=EXAMPLE_MINT,
    first_seen_at=UnixSeconds(1_785_000_000.0),
    symbol="CAT",
    name="Cat with a hat",
    price_usd=Usd(0.0000042),
    market_cap_usd=Usd(4200.0),
    bonding_curve_progress=12.5,
    sol_raised=Sol(9.1),
    holder_count=41,
    hot_score=3.5,
)
MINT: Schema = {"type": "string", "pattern": "^[1-9A-HJ-NP-Za-km-z]{32,44}$"}
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
TIME_OF_DAY: Schema = {"type": "string", "format": "date-time"}
NAME: Schema = {
    "type": "string",
    "description": f"{', '.join(BOARD_NAMES)}, token: and a mint, or the name of a view",
}
CURSOR_EXAMPLE = {"epoch": EXAMPLE_EPOCH, "offset": 1042}


def refer_to(name: str) -> Schema:
    """A reference to a schema of a document."""
    return {"$ref": f"#/components/schemas/{name}"}


def make_object(
    properties: Mapping[str, Schema], optional: Sequence[str] = (), **more: Any
) -> Schema:
    """An object all of whose properties are there, but for the optional ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, **more}


def list_of(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _describe_field(field: ItemField) -> Schema:
    text = field.meaning + (f"; in {field.unit}" if field.unit else "") + f". From: {field.source}."
    if field.key == "provenance":
        return {**refer_to("Provenance"), "description": text}
    if field.kind == TIME:
        kind = TIME_OF_DAY
    elif field.key == "mint":
        kind = MINT
    else:
        kind = {"type": field.kind}
    if field.is_nullable and field.kind != NULL:
        kind = or_null(kind)
    return {**kind, "description": text}


def make_example_item() -> dict[str, Any]:
    """The example's item, as answers over HTTP have it."""
    item = encode_json(make_item(EXAMPLE_TOKEN))
    whole: dict[str, Any] = orjson.loads(
        append_client_keys(item, EXAMPLE_TOKEN, EXAMPLE_TOKEN.first_seen_at)
    )
    return whole


def make_message(kind: str, properties: Mapping[str, Schema], *optional: str) -> Schema:
    """A message of a socket."""
    return make_object({"type": {"const": kind}, **properties}, optional)


def _make_schemas() -> dict[str, Schema]:
    fields = {key: _describe_field(field) for key, field in ITEM_FIELDS.items()}
    live = {key: fields[key] for key, field in ITEM_FIELDS.items() if field.is_live}
    origin = make_object({"source": TEXT, "at": or_null(TIME_OF_DAY)})
    place = {"board": NAME, "epoch": TEXT, "offset": WHOLE}
    cursor = {"epoch": TEXT, "offset": WHOLE}
    said = {"mint": refer_to("Mint")}
    classes = {name: refer_to("Origin") for name in ("lifecycle", "market", "holders", "profile")}
    schemas: dict[str, Schema] = {
        "Mint": {**MINT, "description": "base58 of 32 bytes", "examples": [EXAMPLE_MINT]},
        "Origin": {**origin, "description": "who told it last, and when"},
        "Provenance": {
            "type": "object",
            "properties": {
                **classes,
                "windows": {"type": "object", "additionalProperties": refer_to("Origin")},
            },
        },
        "Item": {"type": "object", "properties": fields, "required": ["mint"]},
        "LiveItem": {"type": "object", "properties": live, "required": list(live)},
        "Change": {
            "type": "object",
            "properties": {**live, "removed": {"const": True}},
            "required": ["mint"],
            "description": "the keys that differ; a whole item where it is new; or removed",
        },
        "Cursor": make_object(cursor, examples=[CURSOR_EXAMPLE]),
        "Feed": make_object(
            {
                **{name: list_of(refer_to("Item")) for name in ("bonded", "graduating", "new")},
                "next": or_null(TEXT),
                "cursor": refer_to("Cursor"),
            }
        ),
        "Tokens": make_object({"tokens": list_of(refer_to("Item"))}),
        "CreatorTokens": make_object(
            {"creator": refer_to("Mint"), "total": WHOLE, "tokens": list_of(refer_to("Item"))}
        ),
        "Candles": make_object(
            {
                "mint": refer_to("Mint"),
                "interval": {"type": "string", "enum": list(CANDLE_SECONDS)},
                "candles": list_of(
                    make_object(
                        {
                            "time": {**WHOLE, "description": "Unix seconds; when it opens"},
                            **dict.fromkeys(("open", "high", "low", "close"), or_null(NUMBER)),
                            **dict.fromkeys(("volume", "volumeSol"), or_null(NUMBER)),
                            **dict.fromkeys(("buys", "sells"), WHOLE),
                        }
                    )
                ),
            }
        ),
        "Trades": make_object(
            {
                "mint": refer_to("Mint"),
                "trades": list_of(
                    make_object(
                        {
                            "time": {**NUMBER, "description": "Unix seconds"},
                            "side": {"type": "string", "enum": ["buy", "sell"]},
                            "signature": TEXT,
                            "trader": or_null(TEXT),
                            **dict.fromkeys(("tokens", "sol", "usd", "priceUsd"), or_null(NUMBER)),
                        }
                    )
                ),
            }
        ),
        "TokenHealth": {"type": "object", "required": ["mint", "freshness"]},
        "AlertRule": describe_rule(),
        "Alerts": describe_alerts(),
        "Outage": make_object({"name": TEXT, "reason": TEXT, "since": or_null(TIME_OF_DAY)}),
        "Readiness": make_object(
            {
                "status": {"type": "string", "enum": ["ready", "degraded", "not ready"]},
                "reasons": list_of(TEXT),
                "degraded": list_of(refer_to("Outage")),
            },
            ("reasons", "degraded"),
        ),
        "Error": make_object({"error": make_object({"code": TEXT, "message": TEXT})}),
        # What the service says on the sockets.
        "SnapshotMessage": make_message(
            "snapshot", {**place, "items": list_of(refer_to("LiveItem"))}
        ),
        "DeltaMessage": make_message("delta", {**place, "changes": list_of(refer_to("Change"))}),
        "ResumedMessage": make_message("resumed", place),
        "HealthMessage": make_message(
            "health",
            {"status": TEXT, "reasons": list_of(TEXT), "degraded": list_of(refer_to("Outage"))},
        ),
        "ViewMessage": make_message(
            "view", {"id": or_null(TEXT), "board": NAME, "view": {"type": "object"}}
        ),
        "HeartbeatMessage": make_message(
            "heartbeat", {"at": {**WHOLE, "description": "milliseconds since 1970"}}
        ),
        "TradesMessage": make_message(
            "trades",
            {**said, "whole": {"type": "boolean"}, "trades": list_of({"type": "object"})},
        ),
        "CandlesMessage": make_message(
            "candles", {**said, "currency": or_null(TEXT), "candles": {"type": "object"}}
        ),
        "PongMessage": make_message("pong", {}),
        "ErrorMessage": make_message(
            "error",
            {"code": {"type": "string", "enum": list(MESSAGES)}, "message": TEXT, "id": TEXT},
            "id",
        ),
        # What a client says.
        "SubscribeCommand": make_message(
            "subscribe",
            {
                "board": NAME,
                "token": refer_to("Mint"),
                "view": {"type": "object", "description": "docs/API.md tells its members"},
                "id": TEXT,
                "since": refer_to("Cursor"),
                "encoding": {"const": DEFLATE},
            },
            *("board", "token", "view", "id", "since", "encoding"),
        ),
        "UnsubscribeCommand": make_message("unsubscribe", {"board": NAME}),
        "WatchCommand": make_message("watch", said),
        "UnwatchCommand": make_message("unwatch", said),
        "HealthCommand": make_message("health", {"heartbeat": {"type": "boolean"}}, "heartbeat"),
        "PingCommand": make_message("ping", {}),
    }
    for status, codes in ERROR_CODES.items():
        code = {"type": "string", "enum": list(codes)}
        error = make_object({"code": code, "message": TEXT})
        schemas[f"Error{status}"] = make_object({"error": error})
    return schemas


SCHEMAS: Mapping[str, Schema] = _make_schemas()

# Bodies of requests, each with an example.

USERS: Schema = {
    "schema": {
        "type": "object",
        "properties": {"activeUsers": {"type": "integer", "minimum": 0, "maximum": 1_000_000_000}},
        "required": ["activeUsers"],
        "additionalProperties": False,
    },
    "example": {"activeUsers": 12},
}
_BUDGET = {"type": "number", "minimum": 1, "maximum": 1e12}
GOVERNOR: Schema = {
    "schema": {
        "type": "object",
        "properties": {
            "walBytesPerSecond": _BUDGET,
            "rowsPerHour": _BUDGET,
            "reset": {"type": "boolean"},
        },
        "minProperties": 1,
        "additionalProperties": False,
    },
    "example": {"reset": True},
}
