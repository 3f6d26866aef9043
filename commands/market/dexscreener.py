"""DexScreener's `GET /tokens/v1/solana/{mints}`, in the shape recorded in September 2026.

A bare array with one main pair a token, in no particular order; unknown mints are dropped and
everything after the 30th mint is cut silently. Prices are strings, caps and volumes numbers;
priceUsd, marketCap, liquidity and priceChange are really absent at times.
"""

from random import Random
from typing import Any

from commands.market.clock import MarketClock
from commands.market.keys import address
from commands.market.model import Market
from commands.market.names import handle_of
from commands.market.quotes import WINDOWS_MINUTES, cap_usd, dollars, price_usd, window
from commands.market.token import MarketToken
from domain.values import Mint

MINTS_PER_REQUEST = 30
INDEXING_SECONDS = 5.0  # a token is unknown for so long after its birth
ABSENT_SHARE = 0.02  # of answers, for each field that may be absent
PROFILE_SHARE = 0.3  # of tokens whose people have filled in a profile
DEX_IDS = {
    "pump": ("pumpfun", "pumpswap"),
    "bonk": ("launchlab", "raydium"),
    "pump-amm": ("pumpfun", "pumpswap"),
}
QUOTE_NAMES = {"SOL": "Wrapped SOL", "USDC": "USD Coin", "USD1": "World Liberty Financial USD"}


def tokens(market: Market, clock: MarketClock, mints: str, random: Random) -> list[dict[str, Any]]:
    """The answer to a request for comma-separated mints."""
    now = clock.now()
    wanted = [market.tokens.get(Mint(mint)) for mint in mints.split(",")[:MINTS_PER_REQUEST]]
    found = [
        pair(token, clock, random)
        for token in wanted
        if token is not None and now - token.born_at >= INDEXING_SECONDS
    ]
    random.shuffle(found)
    return found


def pair(token: MarketToken, clock: MarketClock, random: Random) -> dict[str, Any]:
    """The main pair of a token: its curve, or the pool that it has graduated to."""
    now = clock.now()
    pool = address("pool" if token.in_pool else "curve", token.mint)
    answer: dict[str, Any] = {
        "chainId": "solana",
        "dexId": _dex_id(token),
        "url": f"https://dexscreener.com/solana/{pool.lower()}",
        "pairAddress": pool,
        "baseToken": {"address": token.mint, "name": token.name, "symbol": token.symbol},
        "quoteToken": {
            "address": token.pair.mint,
            "name": QUOTE_NAMES[token.pair.symbol],
            "symbol": token.pair.symbol,
        },
        "priceNative": _plain(token.pair.amount(token.reserves.price_sol)),
    }
    answer |= _windows(token, now)
    answer |= _optional(token, now, random)
    opened = token.pool_opened_at if token.pool_opened_at is not None else token.born_at
    answer["pairCreatedAt"] = int(clock.wall_time(opened) * 1000)
    if profile := _profile(token):
        answer["info"] = profile
    return answer


def _dex_id(token: MarketToken) -> str:
    on_curve, graduated = DEX_IDS.get(token.venue, ("raydium", "raydium"))
    return graduated if token.in_pool else on_curve


def _windows(token: MarketToken, now: float) -> dict[str, Any]:
    windows = {name: window(token, minutes, now) for name, minutes in WINDOWS_MINUTES.items()}
    return {
        "txns": {name: {"buys": w.buys, "sells": w.sells} for name, w in windows.items()},
        "volume": {
            name: round(dollars(token, w.volume_sol, now), 2) for name, w in windows.items()
        },
        "priceChange": {
            name: w.price_change for name, w in windows.items() if w.price_change or name == "h24"
        },
    }


def _optional(token: MarketToken, now: float, random: Random) -> dict[str, Any]:
    """Fields that are absent at times; a curve never has liquidity."""
    cap = cap_usd(token, now)
    fields: dict[str, Any] = {
        "priceUsd": _plain(price_usd(token, now)),
        "fdv": round(cap, 2) if cap < 10_000 else round(cap),
        "marketCap": round(cap, 2) if cap < 10_000 else round(cap),
    }
    if token.in_pool:
        fields["liquidity"] = {
            "usd": round(2 * dollars(token, token.reserves.sol, now), 2),
            "base": round(token.reserves.tokens),
            "quote": round(token.pair.amount(token.reserves.sol), 4),
        }
    return {
        name: value
        for name, value in fields.items()
        if name == "fdv" or random.random() > ABSENT_SHARE
    }


def _profile(token: MarketToken) -> dict[str, Any] | None:
    key = address("profile", token.mint)
    if sum(key.encode()) % 100 >= PROFILE_SHARE * 100:
        return None
    handle = handle_of(token.name)
    image = f"https://cdn.dexscreener.com/cms/images/{key[:16]}?width=800&height=800&quality=95"
    return {
        "imageUrl": image,
        "websites": [{"url": f"https://{handle}.fun", "label": "Website"}],
        "socials": [
            {"url": f"https://x.com/{handle}", "type": "twitter"},
            {"url": f"https://t.me/{handle}", "type": "telegram"},
        ],
    }


def _plain(price: float) -> str:
    """A price as the provider writes it: four digits, never an exponent."""
    text = f"{price:.4g}"
    if "e" in text:
        digits = 3 - int(text.partition("e")[2])
        text = f"{price:.{digits}f}".rstrip("0")
    return text
