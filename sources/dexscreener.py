"""DexScreener: price, cap, liquidity and volume of up to 30 tokens a request.

    GET {base}/tokens/v1/solana/{mints} -> parse_pairs -> MarketQuote a token

The answer is a bare array of pairs, in any order, without unknown mints; older routes wrap it in
`{"pairs": [...]}`, and a refusal is a page of HTML inside a JSON string. Which pair speaks for a
token: one where it is the BASE; on an exchange rather than on the curve it has left for ever;
against a quote of known worth (against others the prices were seen wrong a thousandfold); then
the most liquid one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from attrs import define, field, frozen

from domain.errors import SourceUnavailable
from domain.trading import WINDOW_SECONDS, WindowStatistics
from domain.values import QUOTE_MINTS, WRAPPED_SOL, Mint, Usd, Value
from sources import MarketQuote
from sources.fields import (
    read_address,
    read_array,
    read_count,
    read_decimal,
    read_link,
    read_number,
    read_object,
    read_signed_number,
    read_sol,
)
from sources.http import JsonHttp
from sources.refusals import LastingRefusal
from sources.venues import CURVE_VENUES, GRADUATED_VENUES, UNKNOWN, name_venue

MINTS_PER_REQUEST = 30  # the provider silently drops what is beyond

# Its names of the windows.
WINDOW_NAMES = {name: name[-1] + name[:-1] for name in WINDOW_SECONDS}  # 5m: m5, 24h: h24

Fields = Mapping[str, object]


def _new_refusal() -> LastingRefusal:
    return LastingRefusal(url_setting="market_data.url")


@define(kw_only=True)
class DexScreener:
    """The `QuoteProvider` of DexScreener."""

    url: str  # base address
    http: JsonHttp
    refusal: LastingRefusal = field(factory=_new_refusal)
    name: str = field(default="dexscreener", init=False)
    mints_per_request: int = field(default=MINTS_PER_REQUEST, init=False)
    unusable: Counter[str] = field(factory=Counter, init=False)  # pairs, by reason

    async def fetch_quotes(self, mints: Sequence[Mint]) -> Mapping[Mint, MarketQuote]:
        if not mints:
            return {}
        url = f"{self.url.rstrip('/')}/tokens/v1/solana/{','.join(mints)}"
        quotes, refused = parse_pairs(await self.http.get(url), mints)
        self.unusable.update(refused)
        return quotes


@frozen(kw_only=True)
class Pair:
    """One pair whose base token was asked for."""

    mint: Mint
    venue: str
    quote: str
    raw: Fields

    @property
    def liquidity_usd(self) -> float | None:
        """Absent for pairs on a curve."""
        return read_number(read_object(self.raw.get("liquidity")).get("usd"))

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """The pair that ranks highest speaks for its token."""
        liquidity = self.liquidity_usd
        is_on_curve = self.venue in CURVE_VENUES or (self.venue == UNKNOWN and liquidity is None)
        return not is_on_curve, self.quote in QUOTE_MINTS, liquidity or 0.0


def parse_pairs(
    body: object, mints: Iterable[Mint]
) -> tuple[dict[Mint, MarketQuote], Counter[str]]:
    """A quote for each mint that has a usable pair, and the pairs refused, by reason."""
    entries = body.get("pairs", body) if isinstance(body, dict) else body
    if entries is None:
        return {}, Counter()
    if not isinstance(entries, list):
        raise SourceUnavailable(f"DexScreener: not a list of pairs: {str(body)[:200]}")
    asked = frozenset(mints)
    refused: Counter[str] = Counter()
    pairs: list[Pair] = []
    for entry in entries:
        found = _parse_pair(entry, asked)
        if isinstance(found, Pair):
            pairs.append(found)
        else:
            refused[found] += 1
    pairs.sort(key=lambda pair: pair.mint)
    by_mint = groupby(pairs, key=lambda pair: pair.mint)
    quotes = {mint: _make_quote(max(group, key=lambda pair: pair.rank)) for mint, group in by_mint}
    return quotes, refused


def _parse_pair(entry: object, asked: frozenset[Mint]) -> Pair | str:
    """The pair, or the reason why it is refused."""
    if not isinstance(entry, dict):
        return "not_an_object"
    if entry.get("chainId") != "solana":
        return "other_chain"
    base = read_object(entry.get("baseToken")).get("address")
    if not isinstance(base, str) or base not in asked:
        return "other_base"
    return Pair(
        mint=Mint(base),
        venue=name_venue(entry.get("dexId"), entry.get("labels")),
        quote=str(read_object(entry.get("quoteToken")).get("address")),
        raw=entry,
    )


def _make_quote(pair: Pair) -> MarketQuote:
    sol_usd = _read_sol_usd(pair)
    latest = read_object(read_object(pair.raw.get("txns")).get("m5"))
    profile = _read_profile(read_object(pair.raw.get("info")))
    values = _read_market(pair, sol_usd) | _read_pool(pair) | profile
    return MarketQuote(
        mint=pair.mint,
        values={name: value for name, value in values.items() if value is not None},
        traded_lately=bool(read_count(latest.get("buys")) or read_count(latest.get("sells"))),
        sol_usd=sol_usd,
        windows=_read_windows(pair.raw),
    )


def _read_windows(raw: Fields) -> dict[str, WindowStatistics]:
    """The windows of which anything is told; how many traded, and SOL, the provider never says."""
    trades, volumes = read_object(raw.get("txns")), read_object(raw.get("volume"))
    changes = read_object(raw.get("priceChange"))
    windows: dict[str, WindowStatistics] = {}
    for name, theirs in WINDOW_NAMES.items():
        counts, volume = read_object(trades.get(theirs)), read_number(volumes.get(theirs))
        window = WindowStatistics(
            volume_usd=None if volume is None else Usd(volume),
            buys=read_count(counts.get("buys")),
            sells=read_count(counts.get("sells")),
            price_change=read_signed_number(changes.get(theirs)),
        )
        if window != WindowStatistics():
            windows[name] = window
    return windows


def _read_sol_usd(pair: Pair) -> Usd | None:
    """SOL's price, as a pair against SOL implies it."""
    dollars = read_decimal(pair.raw.get("priceUsd"))
    sol = read_decimal(pair.raw.get("priceNative"))
    if pair.quote != WRAPPED_SOL or not dollars or not sol:
        return None
    return Usd(dollars / sol)


def _read_market(pair: Pair, sol_usd: Usd | None) -> dict[str, Value | None]:
    """Zeros are values: a token nobody trades has a volume of 0, not an unknown one."""
    raw = pair.raw
    cap = read_number(raw.get("marketCap"))
    volume = read_number(read_object(raw.get("volume")).get("h24"))
    trades = read_object(read_object(raw.get("txns")).get("h24"))
    buys, sells = read_count(trades.get("buys")), read_count(trades.get("sells"))
    return {
        "price_usd": read_decimal(raw.get("priceUsd")),
        "market_cap_usd": read_number(raw.get("fdv")) if cap is None else cap,
        "liquidity_usd": pair.liquidity_usd,
        "volume_24h": volume,
        "volume_24h_sol": None if volume is None or sol_usd is None else read_sol(volume / sol_usd),
        "price_change_24h": read_signed_number(read_object(raw.get("priceChange")).get("h24")),
        "buys_24h": buys,
        "sells_24h": sells,
        "tx_count_24h": None if buys is None or sells is None else read_count(buys + sells),
    }


def _read_pool(pair: Pair) -> dict[str, Value | None]:
    """The pool of a graduated venue; a curve is none."""
    if pair.venue not in GRADUATED_VENUES:
        return {}
    milliseconds = read_number(pair.raw.get("pairCreatedAt"))
    return {
        "pool_address": read_address(pair.raw.get("pairAddress")),
        "pool_type": pair.venue,
        "pool_created_at": None if milliseconds is None else milliseconds / 1000,
    }


def _read_profile(info: Fields) -> dict[str, Value | None]:
    """What the token's people have told DexScreener."""
    websites = [
        read_link(read_object(site).get("url")) for site in read_array(info.get("websites"))
    ]
    socials: dict[object, str] = {}
    for social in map(read_object, read_array(info.get("socials"))):
        kind, address = social.get("type", social.get("platform")), read_link(social.get("url"))
        if isinstance(kind, str) and address is not None:
            socials.setdefault(kind.lower(), address)
    return {
        "image_url": read_link(info.get("imageUrl")),
        "website": next((site for site in websites if site is not None), None),
        "twitter": socials.get("twitter"),
        "telegram": socials.get("telegram"),
    }
