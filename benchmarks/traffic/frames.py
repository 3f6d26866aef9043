"""What the source sends: births and trades of a few thousand coins, in a stream's own words.

    Traffic.birth, Traffic.trade -> an event of the simulated market -> a WebSocket frame

The trades of a coin are numbered by the SOL in its curve: each puts `STEP_SOL` on top. So whoever
sees a market cap knows which trade it is of (`Traffic.read_round`), whatever rounded it on the
way. Two thirds of the coins are young, the others graduate: both boards have work.
"""

import time
from collections.abc import Callable, Mapping
from math import sqrt
from random import Random

import orjson
from attrs import define, field

from commands.market.calibration import Fate
from commands.market.chain_logs import transaction_logs
from commands.market.clock import slot
from commands.market.events import Created, Traded
from commands.market.keys import mint_ending_in, transaction_signature
from commands.market.pumpapi import pumpapi_frame
from commands.market.pumpportal import frame_of
from commands.market.solana import notification
from commands.market.token import MarketToken
from domain.lifecycle import CURVE_PRODUCT
from domain.values import Mint

SEED = 7
STEP_SOL = 0.01
YOUNG_SOL, GRADUATING_SOL = 31.0, 85.0  # in a curve before its first trade
APART_SOL = 0.03  # between graduating coins: trades all around leave their order alone
GRADUATING_OF = 3  # one coin of so many graduates
PLACES = 700  # so many steps of them, well below a complete curve
TRADE_SOL, TRADE_TOKENS = 0.5, 12_345_678.901234
TRADERS = 5000
TOKENS_OF_CAP = 1e9  # a market cap is the price times so many
PUMP_SUBSCRIPTION = 1
FATE = Fate(  # no coin here lives by it
    dev_buy_sol=TRADE_SOL, peak_sol=0.0, peak_after_seconds=0.0, lifetime_seconds=0.0,
    trades=0, shape=1.0,
)  # fmt: skip
TEXT, LONG_LENGTH, LONGEST_SHORT = 0x81, 126, 125  # RFC 6455, 5.2

Event = Created | Traded


@define
class Traffic:
    """Coins and what happens to them, in order: births, then trades in rounds through all coins."""

    coins: int
    stream: str  # a name of STREAMS
    began_at: float = field(init=False, factory=time.monotonic)
    tokens: list[MarketToken] = field(init=False)
    mints: dict[Mint, int] = field(init=False)  # each coin's number

    def __attrs_post_init__(self) -> None:
        random = Random(SEED)
        self.tokens = [_make_token(number, random) for number in range(self.coins)]
        self.mints = {token.mint: token.number for token in self.tokens}

    def birth(self, number: int) -> bytes:
        """The frame of the birth of coin `number`."""
        token = self.tokens[number]
        event = Created(
            token=token, at=self._now(), transaction=number, buy_sol=TRADE_SOL,
            buy_tokens=TRADE_TOKENS, tokens=CURVE_PRODUCT / (30 + TRADE_SOL), sol=30 + TRADE_SOL,
        )  # fmt: skip
        return _frame(STREAMS[self.stream](event))

    def trade(self, number: int) -> bytes:
        """The frame of the trade `number` of all."""
        round_number, coin = divmod(number, self.coins)
        sol = _first_sol(coin) + round_number * STEP_SOL
        event = Traded(
            token=self.tokens[coin], at=self._now(), transaction=self.coins + number,
            side="sell" if number % 3 == 0 else "buy", trader=number % TRADERS,
            trade_sol=TRADE_SOL, trade_tokens=TRADE_TOKENS, balance=TRADE_TOKENS,
            tokens=CURVE_PRODUCT / sol, sol=sol, in_pool=False,
        )  # fmt: skip
        return _frame(STREAMS[self.stream](event))

    def _now(self) -> float:
        """Seconds of the market's life."""
        return time.monotonic() - self.began_at

    def read_round(self, mint: Mint, market_cap_sol: float) -> int:
        """Which of its coin's trades, from 0, a market cap is of; negative: of its birth."""
        sol = sqrt(market_cap_sol * CURVE_PRODUCT / TOKENS_OF_CAP)
        return round((sol - _first_sol(self.mints[mint])) / STEP_SOL)


def _first_sol(coin: int) -> float:
    order, rest = divmod(coin, GRADUATING_OF)
    return YOUNG_SOL if rest else GRADUATING_SOL + order % PLACES * APART_SOL


def _make_token(number: int, random: Random) -> MarketToken:
    mint = mint_ending_in("pump", random)
    return MarketToken(
        mint=mint, number=number, name=f"Coin {number}", symbol=f"C{number}",
        uri=f"https://metadata.example/{mint}.json", venue="pump", mayhem=False,
        born_at=0.0, creator=number, fate=FATE,
    )  # fmt: skip


def _pumpportal(event: Event) -> bytes:
    return orjson.dumps(frame_of(event))


def _pumpapi(event: Event) -> bytes:
    return orjson.dumps(pumpapi_frame(event, time.time()))


def _chain(event: Event) -> bytes:
    value = {
        "signature": transaction_signature(event.transaction),
        "err": None,
        "logs": transaction_logs([event], int(time.time())),
    }
    context = {"slot": slot(event.at)}
    return notification(PUMP_SUBSCRIPTION, orjson.dumps({"context": context, "value": value}))


STREAMS: Mapping[str, Callable[[Event], bytes]] = {
    "PumpPortal": _pumpportal,
    "PumpAPI": _pumpapi,
    "chain": _chain,
}


def _frame(text: bytes) -> bytes:
    """A text frame of a server, which masks nothing."""
    if len(text) <= LONGEST_SHORT:
        return bytes((TEXT, len(text))) + text
    assert len(text) < 2**16
    return bytes((TEXT, LONG_LENGTH)) + len(text).to_bytes(2, "big") + text
