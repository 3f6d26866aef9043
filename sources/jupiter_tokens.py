"""What Jupiter's tokens API, version 2, says of a token, beside how many hold it.

    [{"id", "holderCount", "icon", "launchpad", "audit", "stats5m" .. "stats24h", ...}]
        -> parse_tokens -> HolderStats a token, and what of the answer could not be used

Any field may be absent, and often is: each is read for itself, and a token of which anything is
known is worth telling. Values that wander a little all the time are rounded here, so that noise
is no change. Schema: the recordings, and Jupiter's documentation of `/tokens/v2/search`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from domain.errors import SourceUnavailable
from domain.trading import WINDOW_SECONDS, WindowStatistics
from domain.values import Mint, Usd, Value
from sources import HolderStats
from sources.fields import (
    GREATEST_TOKENS,
    read_count,
    read_decimal,
    read_link,
    read_number,
    read_object,
    read_signed_number,
)
from sources.venues import CURVE_VENUES, LAUNCHLAB, METEORA_DBC, PUMPFUN, name_venue

Fields = Mapping[str, object]

PERCENT_DECIMALS = 2  # of shares and scores: what wanders below is noise
GREATEST_SHARE = 100.0  # per cent
GREATEST_DECIMALS = 18

# The launch-pads as Jupiter names them, by the curve that their tokens are born on. LetsBonk is
# a face of Raydium's LaunchLab; Believe, Bags and Jupiter's own Studio are faces of Meteora's.
LAUNCHPADS = {
    "pump.fun": PUMPFUN,
    "letsbonk.fun": LAUNCHLAB,
    "bonk.fun": LAUNCHLAB,
    "raydium": LAUNCHLAB,
    "met-dbc": METEORA_DBC,
    "bags.fun": METEORA_DBC,
    "believe": METEORA_DBC,
    "jup-studio": METEORA_DBC,
}


def parse_tokens(
    body: object, mints: Sequence[Mint]
) -> tuple[dict[Mint, HolderStats], Counter[str]]:
    """Stats of each token asked for of which anything is told, and what was unusable, by reason.

    A bad entry costs only itself, a bad field only that field. `SourceUnavailable` if the answer
    is no list.
    """
    if not isinstance(body, list):
        raise SourceUnavailable(f"Jupiter: not a list of tokens: {str(body)[:200]}")
    asked = frozenset(mints)
    found: dict[Mint, HolderStats] = {}
    unusable: Counter[str] = Counter()
    for entry in map(read_object, body):
        mint = entry.get("id")
        if not isinstance(mint, str) or mint not in asked:
            unusable["other_mint"] += 1
            continue
        stats = _read_stats(Mint(mint), entry, unusable)
        if stats is not None:
            found[Mint(mint)] = stats
    return found, unusable


def _read_stats(mint: Mint, entry: Fields, unusable: Counter[str]) -> HolderStats | None:
    """Everything that is told of one token; None if that is nothing."""
    holders = read_count(entry.get("holderCount"))
    if holders is None:
        unusable["no_holder_count"] += 1
    stats = HolderStats(
        mint=mint,
        holder_count=holders,
        more=_keep_known(_read_audit(read_object(entry.get("audit")), entry)),
        fillers=_keep_known(_read_fillers(entry, unusable)),
        windows=read_windows(entry),
    )
    is_empty = holders is None and not (stats.more or stats.fillers or stats.windows)
    return None if is_empty else stats


def _keep_known(values: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if value is not None}


def _read_audit(audit: Fields, entry: Fields) -> dict[str, Value | None]:
    """What nobody else tells of a token's safety, and of its day."""
    day = read_object(entry.get("stats24h"))
    return {
        "mint_renounced": _read_truth(audit.get("mintAuthorityDisabled")),
        "freeze_revoked": _read_truth(audit.get("freezeAuthorityDisabled")),
        "top_holders_percent": _read_share(audit.get("topHoldersPercentage")),
        "dev_balance_percent": _read_share(audit.get("devBalancePercentage")),
        "dev_mints": read_count(audit.get("devMints")),
        "dev_migrations": read_count(audit.get("devMigrations")),
        "organic_score": _read_share(entry.get("organicScore")),
        "volume_change_24h": _round(read_signed_number(day.get("volumeChange"))),
    }


def _read_fillers(entry: Fields, unusable: Counter[str]) -> dict[str, Value | None]:
    """What a stream, a pair or the token's own metadata tells better where it does."""
    cap = read_number(entry.get("mcap"))
    supply = read_number(entry.get("totalSupply"))
    decimals = read_count(entry.get("decimals"))
    return {
        "logo_uri": read_link(entry.get("icon")),
        "launchpad": _read_launchpad(entry.get("launchpad"), unusable),
        "price_usd": read_decimal(entry.get("usdPrice")),
        "market_cap_usd": read_number(entry.get("fdv")) if cap is None else cap,
        "liquidity_usd": read_number(entry.get("liquidity")),
        "unique_traders_24h": read_count(read_object(entry.get("stats24h")).get("numTraders")),
        "decimals": decimals if decimals is not None and decimals <= GREATEST_DECIMALS else None,
        "total_supply": str(int(supply)) if supply and supply <= GREATEST_TOKENS else None,
    }


def _read_launchpad(name: object, unusable: Counter[str]) -> str | None:
    """The curve where the token was born; None for a launch-pad without one that we know."""
    if name is None:
        return None
    known = LAUNCHPADS.get(name.strip().lower()) if isinstance(name, str) else None
    venue = known or name_venue(name)
    if venue in CURVE_VENUES:
        return venue
    unusable["unknown_launchpad"] += 1
    return None


def read_windows(entry: Fields) -> dict[str, WindowStatistics]:
    """`stats5m`, `stats1h`, `stats6h` and `stats24h`; those of which nothing is told are absent."""
    windows = {
        name: _read_window(read_object(entry.get(f"stats{name}"))) for name in WINDOW_SECONDS
    }
    return {name: window for name, window in windows.items() if window != WindowStatistics()}


def _read_window(stats: Fields) -> WindowStatistics:
    volumes = [read_number(stats.get(name)) for name in ("buyVolume", "sellVolume")]
    known = [volume for volume in volumes if volume is not None]
    return WindowStatistics(
        volume_usd=Usd(sum(known)) if known else None,
        buys=read_count(stats.get("numBuys")),
        sells=read_count(stats.get("numSells")),
        unique_traders=read_count(stats.get("numTraders")),
        price_change=read_signed_number(stats.get("priceChange")),
    )


def _read_truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _read_share(value: object) -> float | None:
    """Per cent from 0 to 100; anything else is no share."""
    share = _round(read_number(value))
    return None if share is None or share > GREATEST_SHARE else share


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, PERCENT_DECIMALS)
