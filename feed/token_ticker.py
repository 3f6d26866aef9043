"""Trades and candles of the tokens that clients follow, read from the tape as they come.

    a followed token was traded -> TokenTicker -> the tape (Redis) -> `trades`, `candles`

A token is read once for all who follow it, a few tokens at a time; under load each is read less
often, and what is due is never more than what is followed. Whoever begins to follow gets the newest
trades as a whole. While the tape is away nothing is told, and everything once it is back.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

import orjson
import trio
from attrs import define, field, frozen

from domain.errors import BufferUnavailable
from domain.trading import CANDLE_SECONDS, Candle, TradeRecord
from domain.values import Mint
from feed.history import TradeHistory, render_candle, render_trade
from feed.wire import encode_json

TRADES = 100  # most in one message; also what a client gets that begins to follow
CANDLES = 2  # of each length: the one that is open, and the one before, which may still change
READS_AT_ONCE = 4  # tokens
AGAIN_SECONDS = 1.0  # after the tape was away


class TokenAudience(Protocol):
    """The clients that follow tokens, by their numbers."""

    def list_followers(self, mint: Mint) -> Collection[int]:
        """Who follows a token now."""

    def deliver_to(self, clients: Iterable[int], mint: Mint, message: bytes) -> None:
        """Send a message about a token to some of those who follow it."""


@frozen
class TapeReading:
    """What the tape has of one token."""

    trades: Sequence[TradeRecord]  # newest first
    candles: Mapping[str, Sequence[Candle]]  # by interval, oldest first


@define(eq=False)
class TokenTicker:
    """What of the followed tokens is to be read from the tape, and what was told of it."""

    # To be read, longest due first, with the clients that are to be told everything.
    _due: dict[Mint, set[int]] = field(init=False, factory=dict)
    _told: dict[Mint, frozenset[TradeRecord]] = field(init=False, factory=dict)  # at the last read
    _is_due: trio.Event = field(init=False, factory=trio.Event)

    def note_traded(self, mints: Iterable[Mint]) -> None:
        """There are new trades of these followed tokens."""
        for mint in mints:
            self._note_due(mint)

    def note_newcomer(self, mint: Mint, client: int) -> None:
        """A client has begun to follow a token, or has lost what it was told."""
        self._note_due(mint).add(client)

    def forget_token(self, mint: Mint) -> None:
        """Nobody follows the token any more."""
        self._due.pop(mint, None)
        self._told.pop(mint, None)

    async def tell_trades(self, history: TradeHistory, audience: TokenAudience) -> None:
        """Read what is due, and deliver it."""
        while True:
            await self._is_due.wait()
            self._is_due = trio.Event()
            while self._due:
                if not await self._read_next(history, audience):
                    await trio.sleep(AGAIN_SECONDS)

    async def _read_next(self, history: TradeHistory, audience: TokenAudience) -> bool:
        """Read the tokens that are due longest; False where the tape is away."""
        mints = list(self._due)[:READS_AT_ONCE]
        due = {mint: self._due.pop(mint) for mint in mints}
        unread: list[Mint] = []

        async def read_token(mint: Mint) -> None:
            try:
                reading = await _read_tape(history, mint)
            except BufferUnavailable:
                unread.append(mint)
            else:
                self._tell_token(mint, reading, due[mint], audience)

        async with trio.open_nursery() as nursery:
            for mint in mints:
                nursery.start_soon(read_token, mint)
        for mint in unread:
            if audience.list_followers(mint):
                self._note_due(mint).update(due[mint])
        return not unread

    def _tell_token(
        self, mint: Mint, reading: TapeReading, newcomers: set[int], audience: TokenAudience
    ) -> None:
        clients = audience.list_followers(mint)
        if not clients:  # they have left meanwhile
            return
        told = self._told.get(mint, frozenset())
        self._told[mint] = frozenset(reading.trades)
        news = [trade for trade in reading.trades if trade not in told]
        if news:
            others = [client for client in clients if client not in newcomers]
            audience.deliver_to(others, mint, trades_message(mint, news, is_whole=False))
        if newcomers:
            whole = trades_message(mint, reading.trades, is_whole=True)
            audience.deliver_to(newcomers, mint, whole)
        audience.deliver_to(clients, mint, candles_message(mint, reading.candles))

    def _note_due(self, mint: Mint) -> set[int]:
        self._is_due.set()
        return self._due.setdefault(mint, set())


async def _read_tape(history: TradeHistory, mint: Mint) -> TapeReading:
    trades = await history.read_trades(mint, TRADES)
    candles = {each: await history.read_candles(mint, each, CANDLES) for each in CANDLE_SECONDS}
    return TapeReading(trades, candles)


def trades_message(mint: Mint, trades: Sequence[TradeRecord], *, is_whole: bool) -> bytes:
    """`{"type": "trades", "mint", "whole", "trades": [...]}`, newest first."""
    shown = [render_trade(trade) for trade in trades]
    return encode_json({"type": "trades", "mint": mint, "whole": is_whole, "trades": shown})


def candles_message(mint: Mint, candles: Mapping[str, Sequence[Candle]]) -> bytes:
    """`{"type": "candles", "mint", "currency", "candles": {"1m": [...], ...}}`, oldest first."""
    currencies = [each[-1].currency for each in candles.values() if each]
    shown = {each: [render_candle(candle) for candle in candles[each]] for each in candles}
    currency = currencies[0] if currencies else None
    return orjson.dumps({"type": "candles", "mint": mint, "currency": currency, "candles": shown})
