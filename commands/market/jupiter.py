"""Jupiter's tokens v2 search and price v3, in the shapes recorded in 2026.

`GET /tokens/v2/search?query=` up to 100 mints, the 101st is dropped; fields that are not known
are left out. `GET /price/v3?ids=` is keyed at top level and leaves unknown mints out.
"""

from datetime import UTC, datetime
from typing import Any

from commands.market.clock import MarketClock
from commands.market.keys import address
from commands.market.model import Market
from commands.market.quotes import WINDOWS_MINUTES, Window, cap_usd, sol_usd, window
from commands.market.token import MarketToken
from domain.values import WRAPPED_SOL, Mint

MINTS_PER_REQUEST = 100
INDEXING_SECONDS = 5.0
SLOTS_PER_SECOND = 2.5
SLOT_AT_START = 451_430_452
TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"  # noqa: S105  a public address
TOKEN_2022_PROGRAM = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"  # noqa: S105
LAUNCHPADS = {"pump": "pump.fun", "bonk": "letsbonk.fun"}
STATS = {"stats5m": "m5", "stats1h": "h1", "stats6h": "h6", "stats24h": "h24"}


def slot(now: float) -> int:
    return SLOT_AT_START + int(now * SLOTS_PER_SECOND)


def token_program(token: MarketToken) -> str:
    """Newer pump coins are Token-2022 mints; whoever asks the old program alone sees none."""
    return TOKEN_2022_PROGRAM if token.venue == "pump" else TOKEN_PROGRAM


def search(market: Market, clock: MarketClock, query: str) -> list[dict[str, Any]]:
    """The answer to a search for comma-separated mints."""
    wanted = [market.tokens.get(Mint(mint)) for mint in query.split(",")[:MINTS_PER_REQUEST]]
    return [
        _item(token, clock)
        for token in wanted
        if token is not None and clock.now() - token.born_at >= INDEXING_SECONDS
    ]


def _item(token: MarketToken, clock: MarketClock) -> dict[str, Any]:
    now = clock.now()
    cap = cap_usd(token, now)
    born = _iso(clock.wall_time(token.born_at))
    item: dict[str, Any] = {
        "id": token.mint,
        "name": token.name,
        "symbol": token.symbol,
        "icon": f"https://gateway.pinata.cloud/ipfs/{address('image', token.mint)}",
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
    item |= {"fdv": cap, "mcap": cap, "usdPrice": token.reserves.price_sol * sol_usd(now)}
    item |= {"priceBlockId": slot(now), "liquidity": 2 * token.reserves.sol * sol_usd(now)}
    for name, window_name in STATS.items():
        stats = _stats(window(token, WINDOWS_MINUTES[window_name], now), token, now)
        if stats:
            item[name] = stats
    item |= {
        "audit": {"mintAuthorityDisabled": True, "freezeAuthorityDisabled": True},
        "organicScore": 0,
        "organicScoreLabel": "low",
        "tags": ["unknown"] + ["token-2022"] * (token.venue == "pump"),
        "createdAt": born,
        "updatedAt": _iso(clock.wall_time(now)),
    }
    return item


def _stats(traded: Window, token: MarketToken, now: float) -> dict[str, Any]:
    rate = sol_usd(now)
    trades = traded.buys + traded.sells
    if trades == 0:
        return {}
    return {
        "priceChange": traded.price_change,
        "buyVolume": traded.volume_sol * rate * traded.buys / trades,
        "sellVolume": traded.volume_sol * rate * traded.sells / trades,
        "numBuys": traded.buys,
        "numSells": traded.sells,
        "numTraders": min(len(token.traders), trades),
    }


def prices(market: Market, clock: MarketClock, ids: str) -> dict[str, Any]:
    """The answer to a request for the prices of comma-separated mints."""
    now = clock.now()
    answer: dict[str, Any] = {}
    for mint in ids.split(",")[:MINTS_PER_REQUEST]:
        token = market.tokens.get(Mint(mint))
        if mint == WRAPPED_SOL:
            answer[mint] = _price(sol_usd(now), 9, now) | {"priceChange24h": 1.9}
        elif token is not None:
            answer[mint] = _price(token.reserves.price_sol * sol_usd(now), 6, now)
    return answer


def _price(usd: float, decimals: int, now: float) -> dict[str, Any]:
    return {"usdPrice": usd, "blockId": slot(now), "decimals": decimals}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
