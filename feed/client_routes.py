"""What the React client asks beside the feed: one token, its health, and users' watches.

    GET /api/warp-pipes/token/{mint}, /api/warp-pipes/health/{mint}

Watches belong to users, who have their accounts in another backend: every method on their paths
is answered 501 with a word on where they are, so that nobody takes "there are none" for an answer.
"""

from datetime import datetime
from functools import partial

from attrs import define

from domain.errors import RequestRefused
from domain.messages import FeedRequested
from domain.token import Token
from domain.values import UnixSeconds
from feed import Surroundings
from feed.board import Boards
from feed.client_items import encode_client_item, is_sellable, minutes_between
from feed.conditional import make_tagged_response
from feed.http import HttpRequest, HttpResponse
from feed.token_routes import Route, require_known
from feed.wire import Item, encode_json

TOKEN_PREFIX, HEALTH_PREFIX = "/api/warp-pipes/token/", "/api/warp-pipes/health/"
WATCH_PATHS = ("/api/warp-pipes/watch", "/api/warp-pipes/watches")
WATCH_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
WATCHES_ELSEWHERE = (
    "watches belong to user accounts, which this service does not have: send /api/warp-pipes/watch*"
    ' to the backend that does; to follow a mint without an account, send {"type":"watch","mint"}'
    " on /ws"
)
# What an item says of a token's health, under the same keys.
HEALTH_KEYS = (
    "mint",
    "state",
    "status",
    "freezeRevoked",
    "mintRenounced",
    "topHoldersPercent",
    "devBalancePercent",
    "holderCount",
    "liquidityUsd",
    "washScore",
    "firstSeenAt",
    "lastTradeTs",
    "lastUpdatedAt",
)


@define(eq=False)
class ClientRoutes:
    """Answers what one existing client asks."""

    boards: Boards
    surroundings: Surroundings

    def find_route(self, path: str) -> Route | None:
        """The route of a path; None for one that is not answered here."""
        if is_watch_path(path):
            return _refuse_watches
        for prefix, route in ((TOKEN_PREFIX, self._get_token), (HEALTH_PREFIX, self._get_health)):
            mint = path.removeprefix(prefix)
            if mint != path and "/" not in mint:
                return partial(route, mint)
        return None

    async def _get_token(self, text: str, request: HttpRequest) -> HttpResponse:
        token = require_known(self.boards, text)
        self.surroundings.announce(FeedRequested())
        now = self.surroundings.clock()
        return make_tagged_response(request, encode_client_item(self.boards.items, token, now))

    async def _get_health(self, text: str, request: HttpRequest) -> HttpResponse:
        token = require_known(self.boards, text)
        self.surroundings.announce(FeedRequested())
        item = self.boards.items.get_item(token)
        return HttpResponse(body=encode_json(report_token(token, item, self.surroundings.clock())))


def is_watch_path(path: str) -> bool:
    """True for the paths of users' watches."""
    return path in WATCH_PATHS or path.startswith(tuple(f"{watch}/" for watch in WATCH_PATHS))


async def _refuse_watches(request: HttpRequest) -> HttpResponse:
    raise RequestRefused(501, "not_served_here", WATCHES_ELSEWHERE)


def report_token(token: Token, item: Item, now: UnixSeconds) -> Item:
    """What is known of a token's health, without a verdict; null is "not known".

    Ages are whole minutes. `freshness` is the item's provenance with `ageSeconds`: how old the
    figures of each class are.
    """
    report = {key: item[key] for key in HEALTH_KEYS}
    return report | {
        "creatorVerified": False,
        "sellable": is_sellable(token),
        "ageMin": minutes_between(token.first_seen_at, now),
        "poolAgeMin": minutes_between(token.pool_created_at, now),
        "freshness": _add_ages(item["provenance"], now),
    }


def _add_ages(provenance: object, now: UnixSeconds) -> object:
    if not isinstance(provenance, dict):
        return provenance
    if "at" not in provenance:  # the classes of fields, or the windows of one
        return {name: _add_ages(part, now) for name, part in provenance.items()}
    at = provenance["at"]
    age = None if at is None else round(max(now - datetime.fromisoformat(at).timestamp(), 0.0), 1)
    return {**provenance, "ageSeconds": age}
