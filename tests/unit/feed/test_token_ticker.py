"""Trades and candles of followed tokens: each trade once, read once for all, whatever fails."""

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import trio
from attrs import Factory, define
from trio.testing import MockClock, wait_all_tasks_blocked

from domain.trading import CANDLE_SECONDS
from domain.values import Mint
from feed.history import render_candle, render_trade
from feed.token_ticker import AGAIN_SECONDS, CANDLES, READS_AT_ONCE, TRADES, TokenTicker
from tests.unit.feed.shelves import ListedHistory
from tests.unit.feed.test_history import make_candle, make_trade
from tests.unit.feed.tokens import mint_of

MINT = mint_of(1)


@define
class Listeners:
    """Clients, and what each was told."""

    followers: dict[Mint, list[int]]
    told: dict[int, list[dict[str, Any]]] = Factory(dict)

    def list_followers(self, mint: Mint) -> Collection[int]:
        return self.followers.get(mint, [])

    def deliver_to(self, clients: Iterable[int], mint: Mint, message: bytes) -> None:
        for client in clients:
            self.told.setdefault(client, []).append(orjson.loads(message))

    def trades_told(self, client: int) -> list[tuple[bool, list[float]]]:
        """Of each message with trades, whether it is whole, and their times."""
        return [
            (message["whole"], [trade["time"] for trade in message["trades"]])
            for message in self.told.get(client, [])
            if message["type"] == "trades"
        ]


@asynccontextmanager
async def ticking(history: ListedHistory, listeners: Listeners) -> AsyncIterator[TokenTicker]:
    ticker = TokenTicker()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ticker.tell_trades, history, listeners)
        yield ticker
        nursery.cancel_scope.cancel()


async def test_who_begins_to_follow_gets_all_and_then_what_is_new(
    autojump_clock: MockClock,
) -> None:
    history = ListedHistory(trades=[make_trade(2), make_trade(1)])
    listeners = Listeners({MINT: [7]})
    async with ticking(history, listeners) as ticker:
        ticker.note_newcomer(MINT, 7)
        await wait_all_tasks_blocked()
        history.trades = [make_trade(3), *history.trades]
        ticker.note_traded([MINT])
        await wait_all_tasks_blocked()
        ticker.note_traded([MINT])  # and nothing is new
        await wait_all_tasks_blocked()
    assert [(True, [2, 1]), (False, [3])] == listeners.trades_told(7)


async def test_another_newcomer_gets_all_once_and_the_others_only_what_is_new(
    autojump_clock: MockClock,
) -> None:
    history = ListedHistory(trades=[make_trade(1)])
    listeners = Listeners({MINT: [7]})
    async with ticking(history, listeners) as ticker:
        ticker.note_newcomer(MINT, 7)
        await wait_all_tasks_blocked()
        listeners.followers[MINT].append(8)
        history.trades = [make_trade(2), make_trade(1)]
        ticker.note_newcomer(MINT, 8)
        ticker.note_traded([MINT])
        await wait_all_tasks_blocked()
    assert [(True, [1]), (False, [2])] == listeners.trades_told(7)
    assert [(True, [2, 1])] == listeners.trades_told(8)
    assert 2 == history.asked.count((MINT, TRADES))  # once for both


async def test_messages_have_what_the_routes_have(autojump_clock: MockClock) -> None:
    history = ListedHistory(trades=[make_trade(1)], candles=[make_candle(60.0)])
    listeners = Listeners({MINT: [7]})
    async with ticking(history, listeners) as ticker:
        ticker.note_newcomer(MINT, 7)
        await wait_all_tasks_blocked()
    trades, candles = listeners.told[7]
    shown = render_trade(make_trade(1))
    assert {"type": "trades", "mint": MINT, "whole": True, "trades": [shown]} == trades
    by_interval = {each: [render_candle(make_candle(60.0))] for each in CANDLE_SECONDS}
    expected = {"type": "candles", "mint": MINT, "currency": "usd", "candles": by_interval}
    assert expected == candles
    assert {(MINT, each, CANDLES) for each in CANDLE_SECONDS} < {*history.asked}


async def test_a_token_without_trades_has_empty_messages(autojump_clock: MockClock) -> None:
    listeners = Listeners({MINT: [7]})
    async with ticking(ListedHistory(), listeners) as ticker:
        ticker.note_newcomer(MINT, 7)
        await wait_all_tasks_blocked()
    trades, candles = listeners.told[7]
    assert ([], None) == (trades["trades"], candles["currency"])


async def test_few_tokens_are_read_at_once_and_each_in_its_turn(
    autojump_clock: MockClock,
) -> None:
    history = ListedHistory(trades=[make_trade(1)], gate=trio.Event())
    mints = [mint_of(number) for number in range(3 * READS_AT_ONCE)]
    listeners = Listeners({mint: [at] for at, mint in enumerate(mints)})
    async with ticking(history, listeners) as ticker:
        for at, mint in enumerate(mints):
            ticker.note_newcomer(mint, at)
        await wait_all_tasks_blocked()
        ticker.note_traded([mints[-1]])
        assert history.gate is not None
        history.gate.set()
        await wait_all_tasks_blocked()
    assert READS_AT_ONCE == history.most_reading
    assert [[(True, [1])]] * len(mints) == [listeners.trades_told(at) for at in range(len(mints))]


async def test_what_could_not_be_read_is_told_as_a_whole_once_the_tape_is_back(
    autojump_clock: MockClock,
) -> None:
    history = ListedHistory(trades=[make_trade(1)], is_away=True)
    listeners = Listeners({MINT: [7]})
    async with ticking(history, listeners) as ticker:
        ticker.note_newcomer(MINT, 7)
        await trio.sleep(2.5 * AGAIN_SECONDS)
        assert 3 == history.asked.count((MINT, TRADES))
        history.is_away = False
        await trio.sleep(AGAIN_SECONDS)
    assert [(True, [1])] == listeners.trades_told(7)


async def test_nothing_is_told_or_tried_again_for_those_who_have_left(
    autojump_clock: MockClock,
) -> None:
    history = ListedHistory(trades=[make_trade(1)], is_away=True)
    listeners = Listeners({MINT: [7]})
    async with ticking(history, listeners) as ticker:
        ticker.note_newcomer(MINT, 7)
        await wait_all_tasks_blocked()
        listeners.followers.clear()
        await trio.sleep(1.5 * AGAIN_SECONDS)
        asked = len(history.asked)
        await trio.sleep(5 * AGAIN_SECONDS)
        assert asked == len(history.asked)
        history.is_away = False
        ticker.note_newcomer(MINT, 7)
        await wait_all_tasks_blocked()
        ticker.note_newcomer(MINT, 7)
        ticker.forget_token(MINT)
        await wait_all_tasks_blocked()
    assert {} == listeners.told
