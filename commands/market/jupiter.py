"""Jupiter's tokens v2 search and price v3, in the shapes recorded in September 2026.

`GET /tokens/v2/search?query=` up to 100 mints, the 101st is dropped; fields that are not known
are left out. `GET /price/v3?ids=` is keyed at top level and leaves unknown mints out. Both share
one bucket (`limits`): 30 requests a minute without a key, 60 with a free one.
"""

from datetime import UTC, datetime
from heapq import nlargest
from typing import Any

from commands.market.accounts import token_program
from commands.market.clock import MarketClock, slot
from commands.market.keys import address
from commands.market.model import Market
from commands.market.quotes import (
    WINDOWS_MINUTES,
    Window,
    cap_usd,
    dollars,
    price_usd,
    sol_usd,
    window,
)
from commands.market.token import MarketToken
from domain.values import WRAPPED_SOL, Mint

MINTS_PER_REQUEST = 100
INDEXING_SECONDS = 5.0
TOP_HOLDERS = 10
ORGANIC_TRADERS = 500  # with so many traders the organic score is full
LAUNCHPADS = {"pump": "pump.fun", "bonk": "letsbonk.fun"}
STATS = {"stats5m": "m5", "stats1h": "h1", "stats6h": "h6", "stats24h": "h24"}


def search(market: Market, clock: MarketClock, query: str) -> list[dict[str, Any]]:
    """The answer to a search for comma-separated mints."""
    wanted = [market.tokens.get(Mint(mint)) for mint in query.split(",")[:MINTS_PER_REQUEST]]
    return [
        _item(token, market, clock)
        for token in wanted
        if token is not None and clock.now() - token.born_at >= INDEXING_SECONDS
    ]


def _item(token: MarketToken, market: Market, clock: MarketClock) -> dict[str, Any]:
    now = clock.now()
    cap = cap_usd(token, now)
    born = _iso(clock.wall_time(token.born_at))
    place = address("pool" if token.in_pool else "curve", token.mint)
    item: dict[str, Any] = {
        "id": token.mint,
        "name": token.name,
        "symbol": token.symbol,
        "icon": token.image_url,
        "decimals": 6,
        "dev": address("wallet", token.creator),
        "circSupply": int(token.supply),
        "totalSupply": int(token.supply),
        "tokenProgram": token_program(token),
    }
    if token.venue in LAUNCHPADS:
        item["launchpad"] = LAUNCHPADS[token.venue]
    if token.owners:  # what is not known yet is left out
        item["holderCount"] = len(token.owners)
    item |= {"fdv": cap, "mcap": cap, "usdPrice": price_usd(token, now), "priceBlockId": slot(now)}
    item["liquidity"] = 2 * dollars(token, token.reserves.sol, now)
    for name, window_name in STATS.items():
        stats = _stats(window(token, WINDOWS_MINUTES[window_name], now), token, now)
        if stats:
            item[name] = stats
    organic = _organic_score(token)
    return item | {
        "firstPool": {"id": place, "createdAt": born},
        "audit": _audit(token, market),
        "organicScore": organic,
        "organicScoreLabel": "low" if organic < 30 else "medium" if organic < 70 else "high",
        "tags": ["unknown"] + ["token-2022"] * token.is_token_2022,
        "createdAt": born,
        "updatedAt": _iso(clock.wall_time(now)),
    }


def _audit(token: MarketToken, market: Market) -> dict[str, Any]:
    disabled = not token.has_free_authorities
    audit: dict[str, Any] = {
        "mintAuthorityDisabled": disabled,
        "freezeAuthorityDisabled": disabled,
        "devMints": market.launched[token.creator],
        "devMigrations": market.graduated[token.creator],
    }
    if token.balances:
        top = sum(nlargest(TOP_HOLDERS, token.balances.values()))
        owned = token.balances.get(token.creator, 0.0)
        audit["topHoldersPercentage"] = 100 * top / token.supply
        audit["devBalancePercentage"] = 100 * owned / token.supply
    return audit


def _organic_score(token: MarketToken) -> float:
    """0 to 100, by how many people ever traded it; circles are not organic."""
    return 0.0 if token.circle else min(100.0, 100 * len(token.traders) / ORGANIC_TRADERS)


def _stats(traded: Window, token: MarketToken, now: float) -> dict[str, Any]:
    trades = traded.buys + traded.sells
    if trades == 0:
        return {}
    volume = dollars(token, traded.volume_sol, now)
    stats: dict[str, Any] = {
        "priceChange": traded.price_change,
        "buyVolume": volume * traded.buys / trades,
        "sellVolume": volume * traded.sells / trades,
        "numBuys": traded.buys,
        "numSells": traded.sells,
        "numTraders": min(len(token.traders), trades),
        "numNetBuyers": max(traded.buys - traded.sells, 0),
    }
    if traded.opening_holders:
        change = len(token.owners) / traded.opening_holders - 1
        stats["holderChange"] = 100 * change
    return stats


def prices(market: Market, clock: MarketClock, ids: str) -> dict[str, Any]:
    """The answer to a request for the prices of comma-separated mints."""
    now = clock.now()
    answer: dict[str, Any] = {}
    for mint in ids.split(",")[:MINTS_PER_REQUEST]:
        token = market.tokens.get(Mint(mint))
        if mint == WRAPPED_SOL:
            answer[mint] = _price(sol_usd(now), 9, now) | {"priceChange24h": 1.9}
        elif token is not None:
            traded = window(token, WINDOWS_MINUTES["h24"], now)
            answer[mint] = _price(price_usd(token, now), 6, now) | {
                "createdAt": _iso(clock.wall_time(token.born_at)),
                "liquidity": 2 * dollars(token, token.reserves.sol, now),
                "priceChange24h": traded.price_change,
            }
    return answer


def _price(usd: float, decimals: int, now: float) -> dict[str, Any]:
    return {"usdPrice": usd, "blockId": slot(now), "decimals": decimals}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
