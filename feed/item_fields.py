"""What clients may know of every key of an item: type, unit, source, and whether it may be null.

    ITEM_FIELDS  ->  /openapi.json, /asyncapi.json, the parameter `fields`, the table of docs/API.md

A test holds this to what feed/wire.py and feed/client_items.py make. The keys are those that the
sockets have, and behind them those of answers over HTTP alone.
"""

from collections.abc import Iterator, Mapping

from attrs import frozen

from feed.statistics import SHORT_WINDOWS

TEXT, INTEGER, NUMBER, TRUTH, TIME, OBJECT, NULL = (
    "string",
    "integer",
    "number",
    "boolean",
    "time",
    "object",
    "null",
)
STREAMS = "streams"
CHAIN = "streams, Solana RPC"
SAFETY = "streams, Solana RPC, Jupiter"
METADATA = "its `uri`"
MARKET = "streams, DexScreener, Jupiter"
DAY = "trades counted, else providers"
WINDOW = "trades counted, else Jupiter"
JUPITER = "Jupiter"
OWN = "this service"
NOBODY = "no source tells of it"


@frozen
class ItemField:
    """One key of an item."""

    key: str
    kind: str  # of JSON; TIME is a text in ISO 8601
    unit: str
    source: str
    meaning: str
    is_nullable: bool = True
    is_live: bool = True  # on the sockets, too; else in answers over HTTP alone

    @property
    def type_name(self) -> str:
        """Its type, for people."""
        return f"{self.kind} or null" if self.is_nullable and self.kind != NULL else self.kind


def _list_fields() -> Iterator[ItemField]:
    yield ItemField("mint", TEXT, "", STREAMS, "base58 of 32 bytes: the token's one name", False)
    yield ItemField("firstSeenAt", TIME, "", OWN, "when it was first seen", False)
    for key, source, meaning in (
        ("symbol", STREAMS, "ticker, as its birth tells it"),
        ("name", STREAMS, "name, as its birth tells it"),
        ("metadataUri", STREAMS, "where its document is"),
        ("creatorWallet", STREAMS, "who made it"),
        ("bondingCurveKey", STREAMS, "account of its curve"),
    ):
        yield ItemField(key, TEXT, "", source, meaning)
    yield ItemField("decimals", INTEGER, "digits", CHAIN, "of its amounts on the chain")
    yield ItemField("totalSupply", TEXT, "tokens", CHAIN, "whole tokens, in decimal digits")
    yield ItemField("freezeRevoked", TRUTH, "", SAFETY, "true: nobody can freeze accounts")
    yield ItemField("mintRenounced", TRUTH, "", SAFETY, "true: nobody can mint more")
    yield ItemField("quoteMint", TEXT, "", STREAMS, "mint of the currency that it is sold for")
    yield ItemField("launchpad", TEXT, "", STREAMS, "venue of its birth")
    yield ItemField("initialBuySol", NUMBER, "SOL", STREAMS, "bought by the creator with the birth")
    yield ItemField("status", TEXT, "", STREAMS, "NEW, GRADUATING, BONDED or DEAD", False)
    yield ItemField("state", TEXT, "", STREAMS, "the status in lower case", False)
    yield ItemField("previousState", TEXT, "", STREAMS, "the state before, in lower case")
    yield ItemField("stateChangedAt", TIME, "", STREAMS, "when the status changed last")
    yield ItemField("poolAddress", TEXT, "", "streams, DexScreener", "its pool")
    yield ItemField("poolType", TEXT, "", "streams, DexScreener", "venue where it trades now")
    yield ItemField("poolCreatedAt", TIME, "", "streams, DexScreener", "when the pool was made")
    for key, kind, unit, source, meaning in (
        ("bondingCurveProgress", NUMBER, "per cent", STREAMS, "of the curve's tokens sold"),
        ("solRaised", NUMBER, "SOL", STREAMS, "in the curve"),
        ("solToGraduate", NUMBER, "SOL", STREAMS, "that the curve still takes"),
        ("marketCapSol", NUMBER, "SOL", MARKET, "price times supply"),
        ("marketCapUsd", NUMBER, "USD", MARKET, "price times supply"),
        ("priceUsd", NUMBER, "USD", MARKET, "of one token"),
        ("priceChange24h", NUMBER, "per cent", "trades counted, else DexScreener", "within a day"),
        ("liquidityUsd", NUMBER, "USD", MARKET, "both sides of the pool, or the curve"),
        ("volume24h", NUMBER, "USD", DAY, "traded within a day"),
        ("volumeChange24h", NUMBER, "per cent", JUPITER, "against the day before"),
        ("volume24hSol", NUMBER, "SOL", DAY, "traded within a day"),
        ("txCount24h", INTEGER, "trades", DAY, "within a day"),
        ("buys24h", INTEGER, "trades", DAY, "within a day"),
        ("sells24h", INTEGER, "trades", DAY, "within a day"),
        ("uniqueTraders24h", INTEGER, "wallets", DAY, "an estimate beyond some dozens"),
        ("lastTradeTs", TIME, "", "streams, providers", "when it was last traded"),
        ("holderCount", INTEGER, "wallets", "Jupiter, Solana RPC", "that hold it"),
        ("topHoldersPercent", NUMBER, "per cent", JUPITER, "of the supply, of the largest holders"),
        ("devBalancePercent", NUMBER, "per cent", JUPITER, "of the supply, of the developer"),
        ("devMints", INTEGER, "tokens", JUPITER, "that the developer has made"),
        ("devMigrations", INTEGER, "tokens", JUPITER, "of these, that have graduated"),
        ("organicScore", NUMBER, "0 to 100", JUPITER, "how much of its trading looks human"),
        (
            "hotScore",
            NUMBER,
            "",
            "trades",
            "log2 of decayed trading: only its order counts",
        ),
    ):
        yield ItemField(key, kind, unit, source, meaning)
    yield ItemField("watcherCount", INTEGER, "clients", OWN, "that watch it on `/ws`", False)
    for key, meaning in (
        ("imageUrl", "its picture, at its origin; a small one is at `/img/{mint}`"),
        ("logoURI", "the same, under the name of token lists"),
        ("description", "in the words of its people"),
        ("twitter", "link"),
        ("telegram", "link"),
        ("website", "link"),
    ):
        yield ItemField(key, TEXT, "", METADATA, meaning)
    yield ItemField("lastUpdatedAt", TIME, "", OWN, "newest observation of any stored value")
    yield from _list_windows()
    yield ItemField("washScore", NUMBER, "0 to 1", "trades counted", "1: most suspicious")
    origin = "where each class of values came from last, and when"
    yield ItemField("provenance", OBJECT, "", OWN, origin, False)
    yield from _list_http_fields()


def _list_windows() -> Iterator[ItemField]:
    for window in SHORT_WINDOWS:
        yield ItemField(f"volume{window}", NUMBER, "USD", WINDOW, f"traded within {window}")
        yield ItemField(f"volume{window}Sol", NUMBER, "SOL", WINDOW, f"traded within {window}")
        yield ItemField(f"buys{window}", INTEGER, "trades", WINDOW, f"within {window}")
        yield ItemField(f"sells{window}", INTEGER, "trades", WINDOW, f"within {window}")
        estimate = f"within {window}; an estimate beyond some dozens"
        yield ItemField(f"uniqueTraders{window}", INTEGER, "wallets", WINDOW, estimate)
        yield ItemField(f"priceChange{window}", NUMBER, "per cent", WINDOW, f"within {window}")


def _list_http_fields() -> Iterator[ItemField]:
    impact = (
        "that a trade worth 1 % of the pool's liquidity loses to its own size, fees aside: 1.96 in"
        " pools of constant product with known liquidity, else null"
    )
    for key, kind, unit, source, meaning, is_nullable in (
        ("liqUsd", NUMBER, "USD", "`liquidityUsd`", "the same", True),
        ("poolAgeMin", INTEGER, "minutes", "`poolCreatedAt`", "whole ones since then", True),
        ("priceImpactPctAt1pct", NUMBER, "per cent", "`liquidityUsd`, `poolType`", impact, True),
        ("priceImpact1Pct", NUMBER, "per cent", "`priceImpactPctAt1pct`", "the same", True),
        ("isWatched", TRUTH, "", "`watcherCount`", "by anybody", False),
        ("mintAuthorityRevoked", TRUTH, "", "`mintRenounced`", "the same", True),
        ("sellable", TRUTH, "", "its windows", "true: sold within a day; never false", True),
        ("creatorVerified", TRUTH, "", NOBODY, "always false", False),
        ("ath", NULL, "", NOBODY, "always null", True),
        ("top1HolderPct", NULL, "", NOBODY, "always null", True),
        ("top5HolderPct", NULL, "", NOBODY, "always null", True),
        ("tradeFailRate", NULL, "", NOBODY, "always null", True),
    ):
        yield ItemField(key, kind, unit, source, meaning, is_nullable, is_live=False)


ITEM_FIELDS: Mapping[str, ItemField] = {each.key: each for each in _list_fields()}


def write_table(*, is_live: bool) -> str:
    """The fields as a table in Markdown: those of the sockets, or those of HTTP alone."""
    rows = [
        f"| `{each.key}` | {each.type_name} | {each.unit} | {each.source} | {each.meaning} |"
        for each in ITEM_FIELDS.values()
        if each.is_live is is_live
    ]
    return "\n".join(["| key | type | unit | source | meaning |", "|---|---|---|---|---|", *rows])
