"""Whose trades are streamed: the newest mints, up to a limit, and what to tell the server.

    follow_mint, follow_older -> take_requests -> {"method": "subscribeTokenTrade", "keys": [...]}

PumpPortal allows 200 subscribe messages a second; a caller that sends what `take_requests` gives
once in `REQUEST_INTERVAL_SECONDS` stays at 8.
"""

from collections.abc import Iterable

import orjson
from attrs import define, field

from domain.values import Mint

KEYS_PER_REQUEST = 100
REQUEST_INTERVAL_SECONDS = 0.25


@define(kw_only=True)
class TradeSubscriptions:
    """The wanted mints, and how far the server knows of them."""

    limit: int
    wanted: dict[Mint, None] = field(factory=dict, init=False)  # oldest first
    missing: dict[Mint, None] = field(factory=dict, init=False)  # wanted, not yet subscribed
    surplus: dict[Mint, None] = field(factory=dict, init=False)  # subscribed, no longer wanted

    def follow_mint(self, mint: Mint) -> None:
        """Want a newborn; beyond the limit the oldest one makes room."""
        if mint in self.wanted or self.limit == 0:
            return
        self.wanted[mint] = None
        if mint in self.surplus:  # the server has not been told yet, and never will be
            del self.surplus[mint]
        else:
            self.missing[mint] = None
        if len(self.wanted) > self.limit:
            oldest = next(iter(self.wanted))
            del self.wanted[oldest]
            if oldest in self.missing:
                del self.missing[oldest]
            else:
                self.surplus[oldest] = None

    def follow_older(self, mints: Iterable[Mint]) -> None:
        """Want older mints, newest first, as far as there is room."""
        fresh = [mint for mint in dict.fromkeys(mints) if mint not in self.wanted]
        oldest_first = fresh[: self.limit - len(self.wanted)][::-1]
        unknown = [mint for mint in oldest_first if mint not in self.surplus]
        self.wanted = dict.fromkeys(oldest_first) | self.wanted
        self.missing = dict.fromkeys(unknown) | self.missing
        self.surplus = {mint: None for mint in self.surplus if mint not in self.wanted}

    def start_over(self) -> None:
        """A new connection knows of no subscription."""
        self.missing = dict(self.wanted)
        self.surplus = {}

    def take_requests(self) -> list[bytes]:
        """At most one request to subscribe, the newest first, and one to unsubscribe."""
        requests = []
        for method, mints in (
            ("subscribeTokenTrade", self.missing),
            ("unsubscribeTokenTrade", self.surplus),
        ):
            keys = [mints.popitem()[0] for _ in range(min(len(mints), KEYS_PER_REQUEST))]
            if keys:
                requests.append(orjson.dumps({"method": method, "keys": keys}))
        return requests
