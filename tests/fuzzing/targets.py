"""The parsers, by name: each takes any bytes, and raises nothing but what its callers expect.

What a parser makes of them must be fit to be stored and shown: finite numbers, and texts that
UTF-8 and Postgres know.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, cast

import attrs
import orjson
import trio

from buffer.activity_keys import interpret_values
from buffer.codec import decode_token
from config.postgres_url import parse_postgres_url
from config.redis_url import parse_redis_url
from config.table_name import parse_table_name
from config.web_address import require_web_address, show_web_address
from domain.errors import (
    InputRefused,
    QueryRefused,
    RequestRefused,
    SourceUnavailable,
)
from domain.values import Mint, UnixSeconds, parse_mint
from feed.commands import parse_command
from feed.connection import HttpConnection
from feed.control import parse_governor_set, parse_users_elsewhere
from feed.origins import parse_origin
from feed.query import parse_query
from feed.targets import is_host, parse_host, parse_target
from sources import pumpapi_frames, pumpportal_frames, raydium_logs, solana_pubsub
from sources.dexscreener import parse_pairs
from sources.fields import decode_json
from sources.holders import parse_owners
from sources.jupiter_tokens import parse_tokens
from sources.metadata import parse_document
from sources.metadata_links import plan_fetch
from sources.mint_accounts import parse_mint_accounts
from sources.pump_chain.events import decode_event
from sources.pump_chain.market import read_transaction
from sources.pump_chain.notifications import parse_notification
from sources.pump_chain.pools import PoolTable
from sources.pump_chain.programs import LAYOUTS
from sources.pump_chain.reading import Transaction
from sources.rates import read_pause_seconds
from sources.sol_price import parse_sol_usd

NOW = UnixSeconds(1_790_000_000.0)
BONK = Mint("DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263")
GATEWAYS = ("https://ipfs.io/ipfs/",)
GREATEST_NUMBER = 3e38  # Postgres' real
Target = Callable[[bytes], object]
TARGETS: dict[str, Target] = {}  # by the name of the function below
EVERY = "every"  # all of them: the first byte of the input chooses one


def require_fit(value: object) -> None:
    """Raise where something in the value could neither be stored nor be shown."""
    match value:
        case str():
            assert "\0" not in value, value
            value.encode("utf-8")
        case bool() | int() | None:
            pass
        case float():
            assert isfinite(value), value
            assert abs(value) < GREATEST_NUMBER, value
        case Mapping():
            require_fit(list(value.keys()))
            require_fit(list(value.values()))
        case list() | tuple() | frozenset():
            for each in value:
                require_fit(each)
        case _ if attrs.has(type(value)):
            require_fit(list(attrs.asdict(cast(Any, value), recurse=False).values()))


def expecting(*errors: type[Exception]) -> Callable[[Target], Target]:
    """Make a parser a target: it may refuse its input by these errors, and its results are fit."""

    def register(parse: Target) -> Target:
        def try_input(data: bytes) -> None:
            try:
                parsed = parse(data)
            except errors:
                return
            require_fit(parsed)

        TARGETS[parse.__name__] = try_input
        return parse

    return register


def find_target(name: str) -> Target:
    """The target of this name, or `EVERY`."""
    if name != EVERY:
        return TARGETS[name]
    targets = list(TARGETS.values())

    def try_one(data: bytes) -> object:
        return targets[data[0] % len(targets)](data[1:]) if data else None

    return try_one


def read_json(data: bytes) -> object:
    """As the HTTP client gives a body to its parsers, which never see what is no JSON."""
    try:
        return decode_json(data)
    except ValueError as error:
        raise SourceUnavailable from error


def read_text(data: bytes) -> str:
    return data.decode("latin-1")


# Streams.


@expecting(InputRefused)
def pumpportal_frame(data: bytes) -> object:
    return pumpportal_frames.parse_frame(data, NOW)


@expecting(InputRefused)
def pumpapi_frame(data: bytes) -> object:
    return pumpapi_frames.parse_frame(data, NOW)


@expecting(InputRefused, SourceUnavailable)
def pools_notification(data: bytes) -> object:
    return solana_pubsub.parse_notification(data, NOW)


@expecting(InputRefused, SourceUnavailable)
def pools_transaction(data: bytes) -> object:
    return raydium_logs.parse_pools(read_json(data), "signature", NOW)


@expecting(InputRefused, SourceUnavailable)
def chain_notification(data: bytes) -> object:
    told = parse_notification(data, NOW)
    if isinstance(told, Transaction):
        return read_transaction(told, PoolTable(limit=10)).events
    return told


@expecting()
def chain_event(data: bytes) -> object:
    found = (decode_event(data, layouts) for layouts in LAYOUTS.values())
    return [each for each in found if each is not None and each.unread_bytes < 0]


# Providers.


@expecting(SourceUnavailable)
def dexscreener_pairs(data: bytes) -> object:
    return parse_pairs(read_json(data), [BONK])


@expecting(SourceUnavailable)
def jupiter_tokens(data: bytes) -> object:
    return parse_tokens(read_json(data), [BONK])


@expecting(SourceUnavailable)
def holders(data: bytes) -> object:
    return sorted(map(bytes.hex, parse_owners(read_json(data))))


@expecting(SourceUnavailable)
def mint_accounts(data: bytes) -> object:
    return parse_mint_accounts(read_json(data), [BONK])


@expecting(SourceUnavailable)
def sol_price(data: bytes) -> object:
    return parse_sol_usd(read_json(data))


@expecting(SourceUnavailable)
def metadata_document(data: bytes) -> object:
    found = parse_document(data)
    links = [] if found.image_link is None else [plan_fetch(found.image_link, GATEWAYS)]
    return found, links


@expecting()
def metadata_link(data: bytes) -> object:
    return plan_fetch(read_text(data).replace("\0", ""), GATEWAYS)


@expecting()
def pause_headers(data: bytes) -> object:
    names = ("retry-after", "x-ratelimit-reset", "date")
    return read_pause_seconds(dict(zip(names, read_text(data).split("\n"), strict=False)))


# Clients.


class OneInput(trio.abc.ReceiveStream):
    """A connection whose client sends the input in two pieces, and is gone."""

    def __init__(self, data: bytes) -> None:
        half = len(data) // 2
        self.pieces = [data[half:], data[:half]]

    @property
    def socket(self) -> Any:
        raise OSError

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        return self.pieces.pop() if self.pieces else b""

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


class TakesAnything:
    """The way back to a client that is gone."""

    def put_piece(self, data: bytes) -> None:
        assert data


@expecting(RequestRefused)
def http_request(data: bytes) -> object:
    async def receive() -> object:
        new_connection: Any = HttpConnection
        connection = new_connection(OneInput(data), TakesAnything(), 10.0)
        head = await connection.receive_head()
        return None if head is None else (await connection.receive_body(head)).path

    return trio.run(receive)


@expecting(RequestRefused)
def http_target(data: bytes) -> object:
    visible = bytes(each for each in data if 0x20 <= each < 0x7F)  # h11 passes nothing else on
    method, _, target = read_text(visible).partition(" ")
    path, query = parse_target(method, target)
    assert "#" not in path
    return path, query


@expecting()
def http_host(data: bytes) -> object:
    text = read_text(data)
    return parse_host(text) if is_host(text) else parse_origin(text)


@expecting(QueryRefused)
def feed_query(data: bytes) -> object:
    parse_query(read_text(data))
    return None


@expecting(InputRefused)
def client_command(data: bytes) -> object:
    return parse_command(data.decode("utf-8", errors="replace"))


@expecting(RequestRefused)
def governor_body(data: bytes) -> object:
    return parse_governor_set(data)


@expecting(RequestRefused)
def users_body(data: bytes) -> object:
    return parse_users_elsewhere(data)


# Redis, and settings.


@expecting()
def activity_keys(data: bytes) -> object:
    users, _, moment = data.partition(b"\n")
    return interpret_values(users, moment)


@expecting(ValueError, KeyError, TypeError)
def spooled_token(data: bytes) -> object:
    row = orjson.loads(data)
    return decode_token(row) if isinstance(row, dict) else None


@expecting(InputRefused)
def mint(data: bytes) -> object:
    return parse_mint(read_text(data))


@expecting(ValueError)
def postgres_address(data: bytes) -> object:
    parse_postgres_url("postgresql://" + read_text(data))
    return None


@expecting(ValueError)
def redis_address(data: bytes) -> object:
    parse_redis_url("redis://" + read_text(data))
    return None


@expecting(ValueError)
def table_name(data: bytes) -> object:
    parse_table_name(read_text(data))
    return None


@expecting(ValueError)
def web_address(data: bytes) -> object:
    text = read_text(data)
    require_web_address(text, ("https", "wss"), with_query=True)
    return show_web_address(text)
