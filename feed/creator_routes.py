"""What is answered about a creator: the coins of one wallet.

    GET /api/creators/{address}/tokens?limit=50

Every tracked token is looked at, a part between others' turns: there is no index by creator, since
few ask, and most creators have one coin.
"""

from functools import partial

import trio
from attrs import define

from domain.chunks import chunks
from domain.errors import MintRefused, QueryRefused, RequestRefused
from domain.messages import FeedRequested
from domain.token import Token
from domain.values import parse_address
from feed import Surroundings
from feed.board import Boards
from feed.client_items import encode_client_item
from feed.http import HttpRequest, HttpResponse
from feed.parameters import parse_limit, read_parameter, read_parameters
from feed.token_routes import Route
from feed.turns import Turns
from feed.wire import encode_json

PREFIX, SUFFIX = "/api/creators/", "/tokens"
MOST_TOKENS, TOKENS = 100, 50
TOKENS_AT_ONCE = 10_000  # looked at between two checkpoints: about half a millisecond


@define(eq=False)
class CreatorRoutes:
    """Answers by a creator's wallet."""

    boards: Boards
    surroundings: Surroundings
    querying: Turns

    def find_route(self, path: str) -> Route | None:
        """The route of a path; None for one that is not answered here."""
        if not (path.startswith(PREFIX) and path.endswith(SUFFIX)):
            return None
        address = path.removeprefix(PREFIX).removesuffix(SUFFIX)
        return None if "/" in address else partial(self._get_tokens, address)

    async def _get_tokens(self, text: str, request: HttpRequest) -> HttpResponse:
        try:
            creator = parse_address(text)
            given = read_parameters(request.query, ("limit",))
            limit = read_parameter(given, "limit", partial(parse_limit, most=MOST_TOKENS), TOKENS)
        except MintRefused as refusal:
            raise RequestRefused(
                400, "bad_address", "an address is base58 of 32 bytes"
            ) from refusal
        except QueryRefused as refusal:
            raise RequestRefused(400, "bad_query", refusal.reason) from refusal
        self.surroundings.announce(FeedRequested())
        async with self.querying.take_turn(request.block):
            tokens = await self._find_tokens(creator)
        head = encode_json({"creator": creator, "total": len(tokens)})
        now = self.surroundings.clock()
        items = [encode_client_item(self.boards.items, token, now) for token in tokens[:limit]]
        return HttpResponse(body=b'%b,"tokens":[%b]}' % (head[:-1], b",".join(items)))

    async def _find_tokens(self, creator: str) -> list[Token]:
        """The creator's coins, the newest first."""
        found: list[Token] = []
        for tokens in chunks(list(self.boards.catalogue.tokens.values()), TOKENS_AT_ONCE):
            found += [token for token in tokens if token.creator_wallet == creator]
            await trio.lowlevel.checkpoint()
        return sorted(found, key=lambda token: (-token.first_seen_at, token.mint))
