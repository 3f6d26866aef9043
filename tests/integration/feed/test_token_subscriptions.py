"""Clients that follow one token on `/ws`: its item, its trades and its candles."""

from domain.messages import StatisticsPublished
from feed import Library
from feed.session import MOST_TOKENS
from feed.wire import make_item
from tests.integration.feed.clients import Frame, feed_client, serving
from tests.unit.feed.shelves import ListedHistory
from tests.unit.feed.test_history import make_candle, make_trade
from tests.unit.feed.tokens import make_statistics, make_token, mint_of
from tests.unit.feed.worlds import World, until

MINT = mint_of(1)
BOARD = f"token:{MINT}"


async def trade(world: World, history: ListedHistory, at: float) -> None:
    """One trade comes onto the tape, and is told of."""
    history.trades = [make_trade(at), *history.trades]
    message = StatisticsPublished(statistics={MINT: make_statistics(at)})
    await world.inbox.send(message)


def kind_of(frame: Frame) -> tuple[str, str]:
    return frame["type"], frame.get("board", "")


async def test_a_client_follows_a_token_with_its_trades_and_candles() -> None:
    history = ListedHistory(trades=[make_trade(1)], candles=[make_candle(60.0)])
    async with serving(library=Library(history=history)) as world, feed_client(world) as client:
        await world.show(make_token(1))
        await client.say({"type": "subscribe", "token": MINT, "encoding": "deflate"})
        snapshot, trades, candles = [await client.hear() for _ in range(3)]
        assert ("snapshot", BOARD) == kind_of(snapshot)
        assert [make_item(make_token(1))] == snapshot["items"]
        assert (True, [1]) == (trades["whole"], [each["time"] for each in trades["trades"]])
        assert 60 == candles["candles"]["1m"][0]["time"]
        assert client.binary_messages
        await trade(world, history, 2)
        delta, news, _ = [await client.hear() for _ in range(3)]
        assert ("delta", BOARD) == kind_of(delta)
        assert (False, [2]) == (news["whole"], [each["time"] for each in news["trades"]])


async def test_a_token_that_nobody_follows_costs_nothing() -> None:
    history = ListedHistory(trades=[make_trade(1)])
    async with serving(library=Library(history=history)) as world:
        await world.show(make_token(1))
        living = world.gateway.boards.of_tokens.living
        async with feed_client(world) as client, feed_client(world) as leaver:
            for each in (client, leaver):
                await each.say({"type": "subscribe", "token": MINT})
                await each.hear()
            assert 1 == world.gateway.snapshot().tokens_followed
            await client.say({"type": "unsubscribe", "token": MINT})
            await until(lambda: len(living[MINT].clients) == 1)
        await until(lambda: not living)
        asked = len(history.asked)
        await trade(world, history, 2)
        await world.show(make_token(2))
        assert asked == len(history.asked)


async def test_a_client_follows_few_tokens_at_once() -> None:
    async with serving() as world, feed_client(world) as client:
        for number in range(MOST_TOKENS):
            await client.subscribe(f"token:{mint_of(number)}")
        await client.say({"type": "subscribe", "token": mint_of(MOST_TOKENS)})
        assert "too_many_tokens" == (await client.hear())["code"]
        again = await client.subscribe(f"token:{mint_of(0)}")
        assert "snapshot" == again["type"]
        await client.say({"type": "unsubscribe", "token": mint_of(0)})
        assert "snapshot" == (await client.subscribe(f"token:{mint_of(MOST_TOKENS)}"))["type"]


async def test_who_looks_at_a_token_that_is_not_tracked_sees_its_birth() -> None:
    async with serving() as world, feed_client(world) as client:
        assert [] == (await client.subscribe(BOARD))["items"]
        await world.show(make_token(1))
        assert [make_item(make_token(1))] == (await client.hear())["changes"]
