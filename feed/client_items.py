"""What the React client of the feed reads beside an item's own keys. Pure.

    a token's item, as JSON  --append_client_keys-->  the same item with the client's keys behind

They stand in answers over HTTP alone. On the sockets they would be bytes in every frame that say
nothing new: they are other names of an item's keys, constants, or times that pass by themselves.
A client that folds deltas into an answer derives them from the item as it then is:

    liqUsd                liquidityUsd
    poolAgeMin            whole minutes since poolCreatedAt; null without a known pool
    isWatched             watcherCount > 0, as the filter `onlyWatched`: watched by anybody, since
                          there are no accounts here
    mintAuthorityRevoked  mintRenounced
    sellable              true where sales were seen in one of its windows; else null: nobody knows
    priceImpactPctAt1pct, priceImpact1Pct   see `find_price_impact`
    creatorVerified       false: nobody is verified here
    ath, top1HolderPct, top5HolderPct, tradeFailRate    null: no source tells of them
"""

from collections.abc import Collection
from difflib import get_close_matches
from math import isfinite

from domain.token import Token
from domain.values import UnixSeconds
from feed.item_fields import ITEM_FIELDS
from feed.wire import Item, ItemCache, encode_json, to_milliseconds

# Venues (see `Token.pool_type`) whose pools keep the product of their two reserves.
CONSTANT_PRODUCT_VENUES = frozenset({"pumpswap", "raydium", "raydium-cpmm"})
TRADED_SHARE = 0.01  # of the liquidity, both reserves together
LONGEST_KEY_SHOWN = 60  # characters
# Its reserves are worth the same, so that such a trade adds a fiftieth to one of them.
IMPACT_PERCENT = round(100 * 2 * TRADED_SHARE / (1 + 2 * TRADED_SHARE), 2)
UNKNOWN_OR_CONSTANT: Item = {
    "creatorVerified": False,
    "ath": None,
    "top1HolderPct": None,
    "top5HolderPct": None,
    "tradeFailRate": None,
}
ALWAYS = "mint"  # of the keys: without it nobody knows whose the others are


def encode_client_item(
    items: ItemCache, token: Token, now: UnixSeconds, keys: Collection[str] | None = None
) -> bytes:
    """The token's item as JSON, as answers over HTTP have it; of its keys only some, if told so."""
    if keys is None:
        return append_client_keys(items.get_json(token), token, now)
    item = {**items.get_item(token), **_make_client_keys(token, now)}
    return encode_json({key: value for key, value in item.items() if key in keys})


def parse_item_keys(text: str) -> frozenset[str]:
    """The keys of an item that are asked for; `ValueError` says what is wrong with one."""
    keys = text.split(",")
    for key in keys:
        if key not in ITEM_FIELDS:
            shown = key[:LONGEST_KEY_SHOWN]
            (nearest,) = get_close_matches(shown, ITEM_FIELDS, n=1, cutoff=0.0)
            wanted = "keys of an item with commas between them"
            raise ValueError(f"{wanted}; {shown} is none: did you mean {nearest}?")
    return frozenset((ALWAYS, *keys))


def append_client_keys(item: bytes, token: Token, now: UnixSeconds) -> bytes:
    """The token's item as JSON, with the client's keys behind its own."""
    return b"%b,%b" % (item[:-1], encode_json(_make_client_keys(token, now))[1:])


def _make_client_keys(token: Token, now: UnixSeconds) -> Item:
    impact = find_price_impact(token)
    return {
        "liqUsd": token.liquidity_usd,
        "poolAgeMin": minutes_between(token.pool_created_at, now),
        "priceImpactPctAt1pct": impact,
        "priceImpact1Pct": impact,
        "isWatched": token.watcher_count > 0,
        "mintAuthorityRevoked": token.mint_renounced,
        "sellable": is_sellable(token),
        **UNKNOWN_OR_CONSTANT,
    }


def find_price_impact(token: Token) -> float | None:
    """Per cent by which a trade worth 1 % of its pool's liquidity falls short of the price before.

    dx / (x + dx), fees aside, for a trade of dx into a reserve of x. Source: G. Angeris, H.-T. Kao,
    R. Chiang, C. Noyes, T. Chitra: "An analysis of Uniswap markets", 2019, on constant product
    markets. It is the same for every such pool: how much 1 % is, `liquidityUsd` says. None where
    the liquidity is not known, or concentrated (CLMM, Whirlpools, DLMM), or on a curve.
    """
    liquidity = token.liquidity_usd
    is_known = liquidity is not None and isfinite(liquidity) and liquidity > 0
    return IMPACT_PERCENT if is_known and token.pool_type in CONSTANT_PRODUCT_VENUES else None


def is_sellable(token: Token) -> bool | None:
    """True where somebody has sold it within a day; None where that is not known. Never False."""
    counts = [token.sells_24h]
    if token.statistics is not None:
        counts += [window.sells for window in token.statistics.windows.values()]
    return True if any(counts) else None


def minutes_between(at: UnixSeconds | None, now: UnixSeconds) -> int | None:
    """Whole minutes from `at` to now, and 0 where it lies ahead; None where an item has null."""
    if at is None or to_milliseconds(at) is None:
        return None
    return max(int((now - at) // 60), 0)
