"""What every path of HTTP does, once for the document and for the page that people read.

parameters of feed/query.py, SCHEMAS, examples  ->  OPERATIONS  ->  feed/openapi.py
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from domain.launchpads import LAUNCHPADS
from domain.trading import CANDLE_SECONDS
from feed.api_schemas import (
    EXAMPLE_EPOCH,
    EXAMPLE_MINT,
    GOVERNOR,
    USERS,
    Schema,
    make_example_item,
    refer_to,
)
from feed.board import BOARD_NAMES
from feed.creator_routes import MOST_TOKENS, TOKENS
from feed.feed_routes import FEED_PATH
from feed.http import JSON_TYPE
from feed.item_fields import ITEM_FIELDS
from feed.operations import DEFAULT_HOURS, HISTORY_HOURS
from feed.orders import ORDERS
from feed.query import (
    KNOWN_PARAMETERS,
    LARGEST_LIMIT,
    LONGEST_SEARCH,
    OTHER_ORDERS,
    REQUIRED_FLAGS,
    STANDINGS,
)
from feed.stream_session import STREAM_PATH
from feed.token_routes import CANDLES, MOST_CANDLES, MOST_MINTS, MOST_TRADES, TRADES, WEBP

EVENTS, TEXT_TYPE = "text/event-stream", "text/plain"


@frozen(kw_only=True)
class Operation:
    """What one method of a path does."""

    path: str
    summary: str
    method: str = "get"
    name: str
    parameters: Sequence[Schema] = ()
    body: Schema | None = None
    status: int = 200
    media_type: str = JSON_TYPE
    schema: Schema | None = None
    example: Any = None
    statuses: Sequence[int] = ()  # beside the common ones
    is_tagged: bool = False  # has an ETag
    is_for_operators: bool = False


# Parameters.


def _query(name: str, schema: Schema, description: str = "", **more: Any) -> dict[str, Any]:
    told = {"description": description} if description else {}
    return {"name": name, "in": "query", "schema": schema, **told, **more}


MINT_IN_PATH: Schema = {
    "name": "mint",
    "in": "path",
    "required": True,
    "schema": refer_to("Mint"),
    "example": EXAMPLE_MINT,
}
FIELDS_PARAMETER = _query(
    "fields",
    {"type": "array", "items": {"type": "string", "enum": list(ITEM_FIELDS)}, "minItems": 1},
    "keys of an item, with commas between them: only these are told, and the mint",
    style="form",
    explode=False,
    example=["symbol", "priceUsd"],
)
NOT_BY_NAME: Mapping[str, Schema] = {
    "searchQuery": _query(
        "searchQuery",
        {"type": "string", "maxLength": LONGEST_SEARCH},
        "in the symbol or the name, or the start of the mint",
        example="cat",
    ),
    "sortBy": _query(
        "sortBy", {"enum": [*ORDERS, *OTHER_ORDERS], "default": "hot"}, "unknown values come last"
    ),
    "status": _query("status", {"enum": list(STANDINGS)}, "in any case"),
    "limit": _query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": 50},
        "tokens a list",
    ),
    "after": _query("after", {"type": "string"}, "the `next` of an answer: the page behind it"),
    "fields": FIELDS_PARAMETER,
    "launchpad": _query(
        "launchpad",
        {"type": "array", "items": {"type": "string", "enum": list(LAUNCHPADS)}, "minItems": 1},
        "where it was born: one of these",
        style="form",
        explode=False,
        example=["pumpfun"],
    ),
    "dexPaid": _query("dexPaid", {"type": "boolean"}, "no source tells of it: true gives nothing"),
}


def _list_feed_parameters() -> Iterator[Schema]:
    yield from NOT_BY_NAME.values()
    for name in sorted(KNOWN_PARAMETERS - NOT_BY_NAME.keys()):
        if name in REQUIRED_FLAGS:
            yield _query(name, {"type": "boolean"})
        elif name.startswith(("min", "max")):
            yield _query(name, {"type": "number"}, "with its end; unknown values are left out")
        else:
            yield _query(name, {"type": "string"})


def _limit(most: int, default: int) -> dict[str, Any]:
    return _query(
        "limit", {"type": "integer", "minimum": 1, "maximum": most, "default": default}, "at most"
    )


ITEM_EXAMPLE = make_example_item()
FEED_EXAMPLE = {
    "bonded": [],
    "graduating": [],
    "new": [ITEM_EXAMPLE],
    "next": None,
    "cursor": {"epoch": EXAMPLE_EPOCH, "offset": 1042},
}
ANY_OBJECT: Schema = {"type": "object"}
RULE: Schema = {
    "schema": refer_to("AlertRule"),
    "example": {"kind": "capAbove", "value": 69_000, "scope": [EXAMPLE_MINT]},
}
ENTRY_IN_PATH: Schema = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "example": "aa",
}


def _read(path: str, name: str, summary: str, **more: Any) -> Operation:
    return Operation(path=path, name=name, summary=summary, **more)


def _operate(path: str, name: str, summary: str, **more: Any) -> Operation:
    told = {"schema": ANY_OBJECT, "statuses": (404,), **more}
    return _read(path, name, summary, is_for_operators=True, **told)


def _order(path: str, name: str, method: str, statuses: tuple[int, ...]) -> Operation:
    """Something that is told to happen to what has the id of the path."""
    told = {"parameters": (ENTRY_IN_PATH,), "status": 202, "statuses": statuses}
    return _operate(path, name, "the order is on its way", method=method, **told)


def _read_token(path: str, name: str, summary: str, schema: str, **more: Any) -> Operation:
    parameters = (MINT_IN_PATH, *more.pop("parameters", ()))
    told = {"is_tagged": True, "statuses": (404,), **more}
    return _read(path, name, summary, parameters=parameters, schema=refer_to(schema), **told)


OPERATIONS: Sequence[Operation] = (
    _read(
        FEED_PATH,
        "getFeed",
        "three lists of tokens, a page of each",
        parameters=tuple(_list_feed_parameters()),
        schema=refer_to("Feed"),
        example=FEED_EXAMPLE,
        is_tagged=True,
    ),
    _read(
        "/api/tokens",
        "getTokens",
        "several tokens, without the unknown",
        parameters=(
            _query(
                "mints",
                {
                    "type": "array",
                    "items": refer_to("Mint"),
                    "minItems": 1,
                    "maxItems": MOST_MINTS,
                },
                "with commas between them",
                required=True,
                style="form",
                explode=False,
                example=[EXAMPLE_MINT],
            ),
            FIELDS_PARAMETER,
        ),
        schema=refer_to("Tokens"),
        example={"tokens": [ITEM_EXAMPLE]},
        is_tagged=True,
    ),
    _read_token(
        "/api/tokens/{mint}",
        "getToken",
        "one token",
        "Item",
        parameters=(FIELDS_PARAMETER,),
        example=ITEM_EXAMPLE,
    ),
    _read_token(
        "/api/tokens/{mint}/candles",
        "getCandles",
        "candles, oldest first",
        "Candles",
        parameters=(
            _query("interval", {"enum": list(CANDLE_SECONDS), "default": "1m"}),
            _limit(MOST_CANDLES, CANDLES),
        ),
    ),
    _read_token(
        "/api/tokens/{mint}/trades",
        "getTrades",
        "single trades, newest first",
        "Trades",
        parameters=(_limit(MOST_TRADES, TRADES),),
    ),
    _read(
        "/api/creators/{address}/tokens",
        "getCreatorTokens",
        "the tracked tokens of one wallet, newest first",
        parameters=({**MINT_IN_PATH, "name": "address"}, _limit(MOST_TOKENS, TOKENS)),
        schema=refer_to("CreatorTokens"),
        statuses=(404,),
    ),
    _read_token("/api/warp-pipes/token/{mint}", "getClientToken", "one token", "Item"),
    _read_token(
        "/api/warp-pipes/health/{mint}",
        "getTokenHealth",
        "what is known of a token's safety, and how old that is",
        "TokenHealth",
        is_tagged=False,
    ),
    Operation(
        path="/img/{mint}",
        name="getImage",
        summary="the coin's picture, 96 px",
        parameters=(MINT_IN_PATH,),
        media_type=WEBP,
        schema={"type": "string", "contentMediaType": WEBP},
        statuses=(404,),
        is_tagged=True,
    ),
    _read(
        STREAM_PATH,
        "followBoards",
        "boards, a view, a token as server-sent events, until one side leaves",
        parameters=(
            _query(
                "boards",
                {"type": "array", "items": {"enum": list(BOARD_NAMES)}, "minItems": 1},
                "with commas between them; all where neither view nor mint is given",
                style="form",
                explode=False,
                example=["new", "hot"],
            ),
            _query(
                "view",
                {"type": "string", "contentMediaType": JSON_TYPE},
                "a view as JSON, as in a subscribe of /ws; the event view tells its name",
                example='{"filters":{"minVolume1h":5000},"sort":"volume"}',
            ),
            _query("mint", refer_to("Mint"), "one token, with its trades and candles"),
            _query("since", {"type": "string"}, "the id of an event, epoch:offset"),
            {
                "name": "Last-Event-ID",
                "in": "header",
                "schema": {"type": "string"},
                "description": "goes before since",
            },
        ),
        media_type=EVENTS,
        schema={"type": "string"},
    ),
    _read("/livez", "getLiveness", "the process is sound", schema=ANY_OBJECT),
    _read("/readyz", "getReadiness", "the service serves", schema=refer_to("Readiness")),
    _read("/health", "getHealth", "the same as /readyz", schema=refer_to("Readiness")),
    _operate(
        "/api/activity",
        "tellUsers",
        "how many people use another server of the same tokens",
        method="post",
        body=USERS,
        status=202,
    ),
    _operate("/api/ops/actors", "getActors", "actors and mailboxes"),
    _operate("/api/ops/writes", "getWrites", "what is written to Postgres"),
    _operate("/api/ops/checkpoints", "getCheckpoints", "checkpoints of Postgres"),
    _operate("/api/ops/health", "getOperatorsHealth", "what is away"),
    _operate("/api/ops/problems", "getProblems", "what is wrong, in words, the worst first"),
    _operate("/api/ops/graph", "getGraph", "who sends to whom: actors, mailboxes, stores"),
    _operate("/api/ops/events", "getEvents", "what has happened, newest first"),
    _operate(
        "/api/ops/history",
        "getHistory",
        "figures over time, in columns",
        parameters=(
            _query(
                "hours",
                {"enum": list(HISTORY_HOURS), "default": DEFAULT_HOURS},
                "up to 6 in points of 15 s, beyond in points of five minutes",
            ),
        ),
    ),
    _operate("/api/ops/governor", "getGovernor", "budgets, and why a flush waits"),
    _operate(
        "/api/ops/governor",
        "setGovernor",
        "other budgets",
        method="post",
        body=GOVERNOR,
        status=202,
    ),
    _operate("/api/ops/quarantine", "getQuarantine", "what could not be handled"),
    _operate(
        "/api/ops/quarantine/{id}", "getEntry", "one entry, whole", parameters=(ENTRY_IN_PATH,)
    ),
    _order("/api/ops/quarantine/{id}", "dropEntry", "delete", (404, 409)),
    _order("/api/ops/quarantine/{id}/replay", "replayEntry", "post", (404, 409)),
    _operate(
        "/api/alerts",
        "getAlerts",
        "rules of webhooks, their endpoints, and alerts that have failed",
        schema=refer_to("Alerts"),
    ),
    _operate(
        "/api/alerts",
        "setAlertRule",
        "the rule is on its way, in place of the one with its id",
        method="post",
        body=RULE,
        status=202,
        statuses=(409,),
    ),
    _order("/api/alerts/{id}", "dropAlertRule", "delete", (404, 409)),
    _order("/api/alerts/failed/{id}", "resendAlert", "post", (404,)),
    _order("/api/alerts/failed/{id}", "dropFailedAlert", "delete", (404,)),
    _operate(
        "/metrics",
        "getMetrics",
        "Prometheus' text format",
        media_type=TEXT_TYPE,
        schema={"type": "string"},
    ),
)
