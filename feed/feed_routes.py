"""The feed over HTTP: three lists of tokens, a page of each.

GET /api/warp-pipes/feed  ->  parse_query  ->  find_matches, by turns  ->  lists, cursor, next
"""

import orjson
import trio
from attrs import define, field

from domain.chunks import chunks
from domain.errors import QueryRefused, RequestRefused
from domain.messages import FeedRequested
from domain.token import Token
from feed import Surroundings
from feed.board import Boards
from feed.client_items import encode_client_item
from feed.conditional import make_tagged_response
from feed.http import HttpRequest, HttpResponse
from feed.orders import ORDERS
from feed.page_cursor import write_page_cursor
from feed.query import LISTS, FeedQuery, find_matches, parse_query
from feed.ranking import Rank
from feed.token_routes import Route
from feed.turns import Turns

FEED_PATH = "/api/warp-pipes/feed"
QUERIES_AT_ONCE = 1  # between two steps of a query, others than queries have their turn
QUERIES_WAITING = 64  # more are refused
ITEMS_AT_ONCE = 50  # of an answer, between two checkpoints: a millisecond


@define(eq=False)
class FeedRoutes:
    """Answers what is asked for by filters and orders."""

    boards: Boards
    surroundings: Surroundings
    querying: Turns = field(init=False, factory=lambda: Turns(QUERIES_AT_ONCE, QUERIES_WAITING))

    def find_route(self, path: str) -> Route | None:
        """The route of a path; None for one that is not answered here."""
        return self._get_feed if path == FEED_PATH else None

    async def _get_feed(self, request: HttpRequest) -> HttpResponse:
        try:
            query = parse_query(request.query)
        except QueryRefused as refusal:
            raise RequestRefused(400, "bad_query", refusal.reason) from refusal
        self.surroundings.announce(FeedRequested())
        async with self.querying.take_turn(request.block):
            return await self._answer_query(query, request)

    async def _answer_query(self, query: FeedQuery, request: HttpRequest) -> HttpResponse:
        # Taken before the tokens: a client that resumes from it gets some changes twice, and misses
        # none.
        cursor = self.boards.cursor
        parts, places = [], dict[str, Rank]()
        for name in LISTS:
            tokens = self._find_tokens(query, name)
            parts.append(b'"%b":[%b]' % (name.encode(), await self._encode_tokens(tokens, query)))
            if len(tokens) == query.limit:
                places[name] = ORDERS[query.sort_by].rank_token(tokens[-1])
        rest = {"next": write_page_cursor(query.sort_by, places) if places else None}
        content = b"{%b,%b" % (b",".join(parts), orjson.dumps(rest)[1:-1])
        value = orjson.dumps({"epoch": cursor.epoch, "offset": cursor.offset})
        # The cursor is left out of the tag: who has seen the lists misses nothing with an old one.
        return make_tagged_response(request, b'%b,"cursor":%b}' % (content, value), content)

    def _find_tokens(self, query: FeedQuery, name: str) -> list[Token]:
        if query.after is not None and name not in query.after:
            return []  # the list has ended on a page before
        after = None if query.after is None else query.after[name]
        now = self.surroundings.clock()
        return find_matches(self.boards.catalogue, query, LISTS[name], now, after)

    async def _encode_tokens(self, tokens: list[Token], query: FeedQuery) -> bytes:
        now = self.surroundings.clock()
        encoded = []
        for some in chunks(tokens, ITEMS_AT_ONCE):
            items = self.boards.items
            encoded += [encode_client_item(items, token, now, query.keys) for token in some]
            await trio.lowlevel.checkpoint()
        return b",".join(encoded)
