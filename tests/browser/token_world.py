"""A gateway with one token of which everything is known, for the tests of its page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import time
from typing import Any

import attrs
from attrs import Factory, define, field

from domain.token import Status, Token
from domain.trading import TradeRecord
from domain.values import Sol, UnixSeconds, Usd
from feed import Library
from tests.browser.markets import Market, listed_token, make_statistics, open_market
from tests.unit.feed.shelves import ListedHistory
from tests.unit.feed.test_history import make_candle
from tests.unit.feed.tokens import mint_of

CREATOR = mint_of(900)


def make_record(number: int, side: Any = "buy", **values: Any) -> TradeRecord:
    """A trade that came so many seconds ago."""
    known: dict[str, Any] = {
        "at": UnixSeconds(time() - number),
        "signature": f"signature{number}",
        "trader": mint_of(800 + number % 5),
        "tokens": 1000.0 * number,
        "sol": Sol(0.25),
        "usd": Usd(30.0),
        "price_usd": Usd(0.00001),
    }
    return TradeRecord(side=side, **(known | values))


@define
class TokenMarket:
    """The gateway, its one token, and the tape behind it."""

    market: Market
    token: Token
    history: ListedHistory = field(default=Factory(ListedHistory))

    @property
    def url(self) -> str:
        return f"{self.market.url}/token/{self.token.mint}"

    async def change(self, **values: Any) -> None:
        """Let some of the token's values change."""
        self.token = attrs.evolve(self.token, **values)
        await self.market.world.publish(self.token)

    async def trade(self, *records: TradeRecord) -> None:
        """Let trades come onto the tape, and be told of."""
        self.history.trades = [*records, *self.history.trades]
        await self.market.tell_statistics({self.token.mint: make_statistics(13, 5)})


@asynccontextmanager
async def open_token(**values: Any) -> AsyncIterator[TokenMarket]:
    """A gateway that knows one token, two others of its creator, and a few more."""
    minute = time() // 60 * 60
    history = ListedHistory(
        trades=[make_record(number, ("buy", "sell")[number % 2]) for number in range(1, 21)],
        candles=[make_candle(minute - 60 * number) for number in range(30, -1, -1)],
    )
    known: dict[str, Any] = {
        "status": Status.GRADUATING,
        "bonding_curve_progress": 91.27,
        "market_cap_usd": Usd(43_210.0),
        "price_usd": Usd(0.00004321),
        "total_supply": "1000000000",
        "creator_wallet": CREATOR,
        "provenance": {
            "market": ("chain", UnixSeconds(time() - 5)),
            "holders": ("jupiter", UnixSeconds(time() - 65)),
        },
    }
    async with open_market(library=Library(history=history)) as market:
        token = listed_token(1, **(known | values))
        others = [listed_token(number, creator_wallet=CREATOR) for number in (31, 32)]
        await market.list_tokens(token, *others, *(listed_token(each) for each in (33, 36, 39)))
        yield TokenMarket(market, token, history)
