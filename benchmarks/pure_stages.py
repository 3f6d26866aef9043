"""The pure stages of the hot path, each as work that can be repeated: what `instructions` counts.

`python -m benchmarks.pure_stages REPEATS` does each stage so many times, and twice as often again,
with a call of getppid(2) as a mark before, between and behind, for a tool that watches.
"""

import gc
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import trio
from attrs import evolve

from actors.ingest.intake import Intake
from actors.ingest.memory import IngestMemory
from actors.ingest.news import IngestOutboxes
from actors.ingest.sights import Sights
from benchmarks.traffic.frames import Traffic
from buffer.redis import flatten_batch
from commands.storm.trace import STARTED_AT, Population, changed_values
from domain.merging import Observations
from domain.messages import TradeSeen
from domain.token import Status
from domain.values import UnixSeconds, Usd
from feed.board import Boards
from feed.catalogue import Catalogue
from feed.query import find_matches, parse_query
from feed.views import Views
from feed.wire import ItemCache
from sources import pumpapi_frames, pumpportal_frames
from sources.pump_chain.market import read_transaction
from sources.pump_chain.notifications import parse_notification
from sources.pump_chain.pools import PoolTable
from sources.pump_chain.reading import Transaction
from wiring.mailboxes import Mailboxes

COINS = 200
SEEN_AT = UnixSeconds(STARTED_AT)
FRAME_HEAD_BYTES = 4  # of a frame that is longer than 125 bytes
BOARD_TOKENS = 100
CHANGED_TOKENS = 10  # between two rounds of deltas
BATCH_TOKENS, BATCH_VARIANTS = 100, 7  # of one append
QUERIES = ("sortBy=new&limit=50", "sortBy=marketcap&minMarketCap=1000&limit=50")
WARM_UP = 40  # repetitions before the first mark: caches fill, the interpreter specialises
MARK = os.getppid

Work = Callable[[int], Awaitable[None]]  # does the repetition of that number


# Parse.


def _render_texts(stream: str, repeats: int) -> list[str]:
    traffic = Traffic(COINS, stream)
    return [traffic.trade(number)[FRAME_HEAD_BYTES:].decode() for number in range(repeats)]


def _parse_pumpportal(repeats: int) -> Work:
    texts = _render_texts("PumpPortal", repeats)

    async def work(number: int) -> None:
        pumpportal_frames.parse_frame(texts[number], SEEN_AT)

    return work


def _parse_pumpapi(repeats: int) -> Work:
    texts = _render_texts("PumpAPI", repeats)

    async def work(number: int) -> None:
        pumpapi_frames.parse_frame(texts[number], SEEN_AT)

    return work


def _parse_chain(repeats: int) -> Work:
    texts, pools = _render_texts("chain", repeats), PoolTable(limit=1)

    async def work(number: int) -> None:
        transaction = parse_notification(texts[number], SEEN_AT)
        assert isinstance(transaction, Transaction)
        read_transaction(transaction, pools)

    return work


# Ingest.


def _fold_trade(repeats: int) -> Work:
    """A trade of a token that is known, into the mailboxes of sync and trading."""
    mailboxes = Mailboxes(COINS)
    outboxes = IngestOutboxes(
        sync=mailboxes.updates, trades=mailboxes.trades, quarantine=mailboxes.quarantine
    )
    sights = Sights(limit=COINS)
    intake = Intake(outboxes=outboxes, memory=IngestMemory(), sights=sights, counts=Counter())
    for token, coin in zip(Population(7, COINS), Traffic(COINS, "PumpPortal").tokens, strict=True):
        sights.remember_token(evolve(token, mint=coin.mint))
    texts = _render_texts("PumpPortal", repeats)
    parsed = [pumpportal_frames.parse_frame(text, SEEN_AT) for text in texts]
    trades = [trade for trade in parsed if isinstance(trade, TradeSeen)]
    assert len(trades) == repeats

    async def work(number: int) -> None:
        await intake.take_events([trades[number]])

    return work


# Boards and queries.


def _fill_catalogue() -> Catalogue:
    catalogue = Catalogue(COINS)
    for token in Population(7, COINS):
        catalogue.put_token(token)
    return catalogue


def _publish_boards(_: int) -> Work:
    """Some tokens of a board change, and its deltas are made."""
    catalogue = _fill_catalogue()
    boards = Boards(
        catalogue=catalogue,
        views=Views(catalogue=catalogue, clock=lambda: SEEN_AT, most=0),
        board_tokens=BOARD_TOKENS,
        history_limit=BOARD_TOKENS,
        epoch="e",
    )
    boards.publish_changes()
    newest = list(Population(7, COINS))[-CHANGED_TOKENS:]

    async def work(number: int) -> None:
        for token in newest:
            catalogue.put_token(evolve(token, market_cap_usd=Usd(1000.0 + number)))
        boards.publish_changes()

    return work


def _encode_item(repeats: int) -> Work:
    token = Population(7, 1).token(0)
    tokens = [evolve(token, market_cap_usd=Usd(1000.0 + number)) for number in range(repeats)]
    items = ItemCache(BOARD_TOKENS)

    async def work(number: int) -> None:
        items.get_json(tokens[number])

    return work


def _answer_query(_: int) -> Work:
    catalogue = _fill_catalogue()

    async def work(number: int) -> None:
        query = parse_query(QUERIES[number % len(QUERIES)])
        list(find_matches(catalogue, query, Status.NEW, SEEN_AT))

    return work


# Append.


def _encode_append(_: int) -> Work:
    """What some tokens changed by, as append.lua wants it."""
    mints = [token.mint for token in Population(7, BATCH_TOKENS)]
    values = [changed_values(f"variant/{number}") for number in range(BATCH_VARIANTS)]

    async def work(number: int) -> None:
        changed = values[number % BATCH_VARIANTS]
        flatten_batch({mint: Observations(changed, SEEN_AT) for mint in mints}, ())

    return work


# Each with how many repetitions count for one: what handles many at once takes longer.
STAGES: Mapping[str, tuple[Callable[[int], Work], int]] = {
    "parse a PumpPortal trade": (_parse_pumpportal, 1),
    "parse a PumpAPI trade": (_parse_pumpapi, 1),
    "parse a trade of the chain": (_parse_chain, 1),
    "ingest a trade": (_fold_trade, 1),
    "publish a board": (_publish_boards, 10),
    "encode an item": (_encode_item, 1),
    "answer a query": (_answer_query, 10),
    "encode an append": (_encode_append, 10),
}


async def _repeat_all(repeats: int) -> None:
    for build, slowness in STAGES.values():
        once = repeats // slowness
        warm = WARM_UP // slowness
        work = build(warm + 3 * once)
        await _repeat(work, range(warm))
        MARK()
        await _repeat(work, range(warm, warm + once))
        MARK()
        await _repeat(work, range(warm + once, warm + 3 * once))
        MARK()


async def _repeat(work: Work, numbers: range) -> None:
    for number in numbers:
        await work(number)


if __name__ == "__main__":
    gc.disable()  # when it runs depends on everything else
    trio.run(_repeat_all, int(sys.argv[1]))
