"""What is answered about tokens by mint: items, candles, trades and pictures.

    GET /api/tokens?mints=, /api/tokens/{mint}, .../candles, .../trades, /img/{mint}

Candles, trades and pictures are read from where they are kept, beside the loop: a few at a time,
some waiting, more refused. Nothing here ever asks an upstream.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import trio
from attrs import define, field

from config.settings import GatewaySettings
from domain.errors import BufferUnavailable, MintRefused, QueryRefused, RequestRefused
from domain.messages import FeedRequested
from domain.token import Token
from domain.trading import CANDLE_SECONDS
from domain.values import Mint, parse_address
from feed import Library, Surroundings
from feed.board import Boards
from feed.client_items import encode_client_item, parse_item_keys
from feed.conditional import make_tagged_response, require_match, was_seen
from feed.history import encode_candles, encode_trades
from feed.http import HttpRequest, HttpResponse, add_headers, error_response
from feed.images import StoredImage
from feed.parameters import parse_limit, read_parameter, read_parameters
from feed.turns import Turns

Read = TypeVar("Read")
Default = TypeVar("Default")
Route = Callable[[HttpRequest], Awaitable[HttpResponse]]

WEBP = "image/webp"
TOKENS_PATH, IMAGES_PATH = "/api/tokens", "/img/"
MOST_MINTS = 100  # a request
MOST_CANDLES, CANDLES = 1000, 500
MOST_TRADES, TRADES = 200, 100
READS_AT_ONCE = 8  # of what is kept elsewhere; more of them wait
READS_WAITING = 256  # a page asks for a hundred pictures at once; more are refused

# A picture's address does not change with the picture: it is fresh for a day, and shown for a week
# while the next one is asked for by its ETag. `immutable` would keep a changed one away for ever.
IMAGE_CACHING = "public, max-age=86400, stale-while-revalidate=604800"
NO_IMAGE_CACHING = "public, max-age=30"  # most come within a minute


@define(eq=False)
class TokenRoutes:
    """Answers by mint."""

    settings: GatewaySettings
    boards: Boards
    library: Library
    surroundings: Surroundings
    _reading: Turns = field(init=False, factory=lambda: Turns(READS_AT_ONCE, READS_WAITING))

    def find_route(self, path: str) -> Route | None:
        """The route of a path; None for one that is not answered here."""
        if path == TOKENS_PATH:
            return self._get_tokens
        if path.startswith(IMAGES_PATH):
            return partial(self._get_image, path.removeprefix(IMAGES_PATH))
        if not path.startswith(f"{TOKENS_PATH}/"):
            return None
        mint, slash, view = path.removeprefix(f"{TOKENS_PATH}/").partition("/")
        if not slash:
            return partial(self._get_token, mint)
        if view == "candles":
            return partial(self._get_candles, mint)
        return partial(self._get_trades, mint) if view == "trades" else None

    # From memory.

    async def _get_token(self, text: str, request: HttpRequest) -> HttpResponse:
        token = require_known(self.boards, text)
        keys = _read_keys(_read_query(request, ("fields",)))
        return make_tagged_response(request, self._encode_item(token, keys))

    async def _get_tokens(self, request: HttpRequest) -> HttpResponse:
        given = _read_query(request, ("mints", "fields"))
        keys = _read_keys(given)
        mints = [_parse_mint(text) for text in _split_mints(given.get("mints", ""))]
        self.surroundings.announce(FeedRequested())
        tokens = self.boards.catalogue.tokens
        known = [tokens[mint] for mint in dict.fromkeys(mints) if mint in tokens]
        items = b",".join(self._encode_item(token, keys) for token in known)
        return make_tagged_response(request, b'{"tokens":[%b]}' % items)

    def _encode_item(self, token: Token, keys: frozenset[str] | None) -> bytes:
        return encode_client_item(self.boards.items, token, self.surroundings.clock(), keys)

    # From elsewhere.

    async def _get_candles(self, text: str, request: HttpRequest) -> HttpResponse:
        mint = require_known(self.boards, text).mint
        given = _read_query(request, ("interval", "limit"))
        interval = _read_value(given, "interval", _parse_interval, "1m")
        limit = _read_value(given, "limit", partial(parse_limit, most=MOST_CANDLES), CANDLES)
        self.surroundings.announce(FeedRequested())
        history = self.library.history
        if history is None:
            raise _history_away("candles are not kept by this service")
        candles = await self._read(request, partial(history.read_candles, mint, interval, limit))
        return make_tagged_response(request, encode_candles(mint, interval, candles))

    async def _get_trades(self, text: str, request: HttpRequest) -> HttpResponse:
        mint = require_known(self.boards, text).mint
        given = _read_query(request, ("limit",))
        limit = _read_value(given, "limit", partial(parse_limit, most=MOST_TRADES), TRADES)
        self.surroundings.announce(FeedRequested())
        history = self.library.history
        if history is None:
            raise _history_away("trades are not kept by this service")
        trades = await self._read(request, partial(history.read_trades, mint, limit))
        return make_tagged_response(request, encode_trades(mint, trades))

    async def _get_image(self, text: str, request: HttpRequest) -> HttpResponse:
        mint = _parse_mint(text)
        images = self.library.images
        image: StoredImage | None = None
        if mint in self.boards.catalogue.tokens:
            self.surroundings.announce(FeedRequested())
            if images is not None:
                image = await self._read(request, partial(images.read_image, mint))
        if image is None:
            refusal = RequestRefused(404, "no_image", "there is no picture of this coin yet")
            return add_headers(error_response(refusal), (("Cache-Control", NO_IMAGE_CACHING),))
        tag = f'"{image.etag}"'
        headers = (("ETag", tag), ("Cache-Control", IMAGE_CACHING))
        require_match(request, tag)
        if was_seen(request, tag):
            return HttpResponse(status=304, headers=headers)
        return HttpResponse(content_type=WEBP, body=image.body, headers=headers)

    async def _read(self, request: HttpRequest, read: Callable[[], Awaitable[Read]]) -> Read:
        """What `read` gives, in its turn; `RequestRefused` where that cannot be had now."""
        with trio.move_on_after(self.settings.request_timeout_seconds):
            async with self._reading.take_turn(request.block):
                try:
                    return await read()
                except BufferUnavailable as error:
                    raise _history_away("the store of trades is away; try again") from error
        raise RequestRefused(503, "busy", "this could not be read in time; try again")


def require_known(boards: Boards, text: str) -> Token:
    """The token of a mint; `RequestRefused` for what is no mint, or one that is not tracked."""
    token = boards.catalogue.tokens.get(_parse_mint(text))
    if token is None:
        raise RequestRefused(404, "unknown_mint", "no token of this mint is tracked")
    return token


def _read_query(request: HttpRequest, known: tuple[str, ...]) -> dict[str, str]:
    try:
        return read_parameters(request.query, known)
    except QueryRefused as refusal:
        raise _bad_query(refusal.reason) from refusal


def _read_value(
    given: dict[str, str], name: str, parse: Callable[[str], Read], default: Default
) -> Read | Default:
    try:
        return read_parameter(given, name, parse, default)
    except QueryRefused as refusal:
        raise _bad_query(refusal.reason) from refusal


def _read_keys(given: dict[str, str]) -> frozenset[str] | None:
    """Which keys of an item are asked for; None: all."""
    return _read_value(given, "fields", parse_item_keys, None)


def _split_mints(text: str) -> list[str]:
    texts = text.split(",") if text else []
    if not 1 <= len(texts) <= MOST_MINTS:
        raise _bad_query(f"mints must be 1 to {MOST_MINTS} mints with commas between them")
    return texts


def _parse_interval(value: str) -> str:
    if value not in CANDLE_SECONDS:
        raise ValueError(f"one of {', '.join(CANDLE_SECONDS)}")
    return value


def _parse_mint(text: str) -> Mint:
    try:
        return parse_address(text)
    except MintRefused as refusal:
        raise RequestRefused(400, "bad_mint", "a mint is base58 of 32 bytes") from refusal


def _bad_query(reason: str) -> RequestRefused:
    return RequestRefused(400, "bad_query", reason)


def _history_away(message: str) -> RequestRefused:
    return RequestRefused(503, "history_away", message)
