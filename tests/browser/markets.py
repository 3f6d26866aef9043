"""Gateways with a market behind them, for the tests of the page: what a browser meets, no more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from time import time
from typing import Any

import attrs
import trio
from attrs import define

from domain.messages import StatisticsPublished, TokensPublished
from domain.token import Status, Token
from domain.trading import WINDOW_SECONDS, TokenStatistics, WindowStatistics
from domain.values import Mint, Sol, UnixSeconds, Usd
from tests.integration.feed.clients import port_of
from tests.unit.feed.tokens import make_token
from tests.unit.feed.worlds import World, running, until

BOARD_TOKENS = 500
PUBLICATIONS_A_SECOND = 20  # each of as many tokens as the pace wants


def listed_token(number: int, **values: Any) -> Token:
    """A token of which all is known that a card shows; every third stands on another board."""
    status = (Status.NEW, Status.GRADUATING, Status.BONDED)[number % 3]
    now = time()
    known: dict[str, Any] = {
        "first_seen_at": UnixSeconds(now - 60 - number),
        "symbol": f"COIN{number}",
        "name": f"Coin of number {number}",
        "launchpad": "pumpfun",
        "status": status,
        "status_changed_at": UnixSeconds(now - number),
        "bonding_curve_progress": {Status.NEW: 20.0, Status.GRADUATING: 90.0}.get(status, 100.0),
        "market_cap_usd": Usd(10_000.0 + number),
        "price_usd": Usd((10_000.0 + number) / 1e9),
        "price_change_24h": 3.0,
        "liquidity_usd": Usd(8_000.0),
        "volume_24h": Usd(5_000.0),
        "tx_count_24h": 321,
        "holder_count": 77,
        "top_holders_percent": 23.4,
        "dev_balance_percent": 4.5,
        "initial_buy_sol": Sol(1.47),
        "freeze_revoked": True,
        "mint_renounced": True,
        "hot_score": 100.0 + number / 1000,
        "twitter": "https://x.com/coin",
        "website": "https://coin.example",
    }
    return make_token(number, **(known | values))


def traded(token: Token, random: Random) -> Token:
    """The token after one more trade."""
    factor = random.choice((0.98, 0.99, 1.01, 1.03))
    assert token.market_cap_usd is not None
    assert token.price_usd is not None
    progress = token.bonding_curve_progress or 0.0
    return attrs.evolve(
        token,
        market_cap_usd=Usd(token.market_cap_usd * factor),
        price_usd=Usd(token.price_usd * factor),
        hot_score=(token.hot_score or 0.0) + random.random() / 100,
        tx_count_24h=(token.tx_count_24h or 0) + 1,
        bonding_curve_progress=min(progress + random.random() / 50, 99.0)
        if token.status is not Status.BONDED
        else progress,
        last_trade_at=UnixSeconds(time()),
    )


def make_statistics(buys: int, sells: int) -> TokenStatistics:
    """What is known of a token's trading, the same in all windows."""
    window = WindowStatistics(
        volume_usd=Usd(buys * 31.0), buys=buys, sells=sells, unique_traders=9, price_change=1.5
    )
    return TokenStatistics(
        observed_at=UnixSeconds(time()),
        windows=dict.fromkeys(WINDOW_SECONDS, window),
        sources=dict.fromkeys(WINDOW_SECONDS, "trades"),
        wash_score=0.1,
    )


@define
class Market:
    """A gateway and the tokens that it has been told of."""

    world: World
    tokens: list[Token]
    random: Random = attrs.field(factory=lambda: Random(7))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{port_of(self.world)}"

    async def list_tokens(self, *tokens: Token) -> None:
        """Tell of new tokens, and wait until clients can see them."""
        self.tokens += tokens
        await self.world.show(*tokens)
        await self.tell_statistics({token.mint: make_statistics(12, 5) for token in tokens})

    async def tell_statistics(self, statistics: dict[Mint, TokenStatistics]) -> None:
        await self.world.inbox.send(StatisticsPublished(statistics=statistics))

    async def trade(self, changes_a_second: float) -> None:
        """Let random tokens be traded, evenly over the boards, until cancelled."""
        each = round(changes_a_second / PUBLICATIONS_A_SECOND)
        while True:
            await self._publish_trades(each)
            await trio.sleep(1 / PUBLICATIONS_A_SECOND)

    async def trade_once(self, changes: int) -> None:
        """Let random tokens be traded, and wait until clients can see it."""
        await self._publish_trades(changes)
        inbox, boards = self.world.inbox, self.world.gateway.boards
        await until(lambda: not inbox.depth and boards.is_up_to_date)

    async def _publish_trades(self, count: int) -> None:
        random = self.random
        tokens, figures = {}, {}
        for _ in range(count):
            position = random.randrange(len(self.tokens))
            token = traded(self.tokens[position], random)
            self.tokens[position] = token
            tokens[token.mint] = token
            figures[token.mint] = make_statistics(random.randrange(200), random.randrange(200))
        await self.world.inbox.send(TokensPublished(tokens=tokens))
        await self.tell_statistics(figures)


@asynccontextmanager
async def open_market(listed: int = 0, **changes: Any) -> AsyncIterator[Market]:
    """A gateway as it runs in production, that knows so many tokens."""
    usual: dict[str, Any] = {
        "tokens": 100_000,
        "clock": lambda: UnixSeconds(time()),
        "board_tokens": BOARD_TOKENS,
        "delta_interval_seconds": 0.1,
        "delta_history": 1000,
        "client_queue_bytes": 1_048_576,
        "clients": 100,
    }
    async with running(**(usual | changes)) as world:
        market = Market(world, [])
        await market.list_tokens(*(listed_token(number) for number in range(1, listed + 1)))
        yield market
