"""Raydium LaunchLab's events and accounts, as bytes.

    Created, Traded -> PoolCreateEvent, TradeEvent -> chain_logs;  MarketToken -> pool account

Layouts: the program's published IDL, checked against a recorded creation (October 2026): its
PoolCreateEvent of 249 and TradeEvent of 147 bytes. Neither names the mint: only the instruction's
accounts and the pool's account do. TradeEvent has the same discriminator as pump.fun's.
"""

import struct

from commands.market.chain_events import raw_tokens
from commands.market.events import Created, Traded
from commands.market.keys import address, key_bytes
from commands.market.layouts import string_bytes
from commands.market.programs import BONK_PLATFORM, LAUNCHLAB_CONFIG
from commands.market.token import MarketToken
from domain.lifecycle import (
    CURVE_SOL_AT_BIRTH,
    CURVE_SOL_AT_COMPLETION,
    CURVE_TOKENS_AT_BIRTH,
    CURVE_TOKENS_FOR_SALE,
)

POOL_CREATE_EVENT = bytes.fromhex("97d7e20976a173ae")
TRADE_EVENT = bytes.fromhex("bddb7fd34ee661ee")
POOL_ACCOUNT = bytes.fromhex("f7ede3f5d7c3de46")
SUPPLY = 1e9
SOL_RAISED = CURVE_SOL_AT_COMPLETION - CURVE_SOL_AT_BIRTH
CONSTANT_CURVE = 0
TO_CPMM = 1
FUNDING, MIGRATING, TRADING = 0, 1, 2  # status of a pool
BUY, SELL = 0, 1
NO_VESTING = bytes(24)


def pool_create_event(event: Created) -> bytes:
    """A new coin with its curve."""
    token = event.token
    keys = (address("curve", token.mint), address("wallet", token.creator), LAUNCHLAB_CONFIG)
    coin = b"\6" + b"".join(map(string_bytes, (token.name, token.symbol, token.uri)))
    goal = token.pair.raw(SOL_RAISED)
    curve = struct.pack(
        "<BQQQB",
        CONSTANT_CURVE,
        raw_tokens(SUPPLY),
        raw_tokens(CURVE_TOKENS_FOR_SALE),
        goal,
        TO_CPMM,
    )
    return POOL_CREATE_EVENT + b"".join(map(key_bytes, keys)) + coin + curve + NO_VESTING + b"\0"


def launchlab_trade_event(event: Traded) -> bytes:
    """A trade on the curve; no fees are taken in this market."""
    pair = event.token.pair
    is_buy = event.side == "buy"
    tokens, quote = raw_tokens(event.trade_tokens), pair.raw(event.trade_sol)
    sold_after = max(raw_tokens(CURVE_TOKENS_AT_BIRTH - event.tokens), 0)
    raised_after = max(pair.raw(event.sol - CURVE_SOL_AT_BIRTH), 0)
    sign = 1 if is_buy else -1
    numbers = (
        raw_tokens(CURVE_TOKENS_FOR_SALE),
        raw_tokens(CURVE_TOKENS_AT_BIRTH),
        pair.raw(CURVE_SOL_AT_BIRTH),
        max(sold_after - sign * tokens, 0),
        max(raised_after - sign * quote, 0),
        sold_after,
        raised_after,
        quote if is_buy else tokens,
        tokens if is_buy else quote,
    )
    tail = (0, 0, 0, 0, BUY if is_buy else SELL, MIGRATING if event.completes else FUNDING, True)
    pool = key_bytes(address("curve", event.token.mint))
    return TRADE_EVENT + pool + struct.pack("<9Q4QBB?", *numbers, *tail)


def pool_account(token: MarketToken) -> bytes:
    """The account of a curve: both mints stand at bytes 205 and 237."""
    pair, curve = token.pair, token.reserves
    status = FUNDING if token.completed_at is None else TRADING if token.in_pool else MIGRATING
    sold = SUPPLY if token.in_pool else CURVE_TOKENS_AT_BIRTH - curve.tokens
    raised = SOL_RAISED if token.in_pool else curve.sol - CURVE_SOL_AT_BIRTH
    head = struct.pack("<QBBBBB", 800, 254, status, 6, pair.decimals, TO_CPMM)
    amounts = (
        raw_tokens(SUPPLY),
        raw_tokens(CURVE_TOKENS_FOR_SALE),
        raw_tokens(CURVE_TOKENS_AT_BIRTH),
        pair.raw(CURVE_SOL_AT_BIRTH),
        max(raw_tokens(min(sold, CURVE_TOKENS_FOR_SALE)), 0),
        max(pair.raw(raised), 0),
        pair.raw(SOL_RAISED),
        0,  # protocol fee
        0,  # platform fee
        0,  # migration fee
        *(0, 0, 0, 0, 0),  # vesting
    )
    keys = (
        LAUNCHLAB_CONFIG,
        BONK_PLATFORM,
        token.mint,
        pair.mint,
        address("base-vault", token.mint),
        address("quote-vault", token.mint),
        address("wallet", token.creator),
    )
    return POOL_ACCOUNT + head + struct.pack("<15Q", *amounts) + b"".join(map(key_bytes, keys))
