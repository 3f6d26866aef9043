"""PumpAPI's frames: text in, events out. No I/O.

    text or bytes -> parse_frame -> TokenCreated, TradeSeen, MigrationSeen, PoolCreated,
                                    or ControlFrame

Protocol (https://pumpapi.io/stream): one JSON object a frame; every event of every venue comes,
unasked. The kind is in `txType` until the winter of 2025/26, in `action` since. Each has the
chain's time (`timestamp`, milliseconds), the slot (`block`), the pool's address (`poolId`) and
the mint's authorities: null is renounced, absent is not known. Frames with `txType` name the
quote, and call sums `quote...`, only where it is not SOL; those with `action` always. A market
cap is the price times the supply that the mint really has.

A frame tells of one pool in one transaction. Later frames may have a `breakdown`: each wallet's
trades, of which `tokenAmount` is the sum. They count one by one, as on the chain.

Curve figures count on curves only, and only where the one formula of progress fits. Anyone can
make launch-pads of their own on LaunchLab and Meteora, with other curves; `migrationThreshholds`
(so spelled) is what such a curve has to raise. A LaunchLab curve ends at the price at which its
pool opens. If it sells S of N tokens, its virtual reserves therefore begin at S^2 / (2 S - N),
and what they exceed the pool by tells S and N: 73,025,605.6 for the usual ones.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

from domain.errors import FrameRefused
from domain.lifecycle import CURVE_SOL_AT_BIRTH, CURVE_SOL_AT_COMPLETION, CURVE_TOKENS_FOR_SALE
from domain.messages import MigrationSeen, PoolCreated, SourceEvent, TokenCreated, TradeSeen
from domain.values import WRAPPED_SOL, Mint, UnixSeconds, parse_mint
from sources.fields import (
    read_address,
    read_array,
    read_count,
    read_label,
    read_metadata_link,
    read_number,
    read_object,
    read_tokens,
)
from sources.launchpad_frames import (
    CAP_KEYS,
    LONGEST_NAME,
    LONGEST_SYMBOL,
    MAYHEM_SUPPLY,
    NO_SUM,
    SIZE_KEYS,
    SUPPLY,
    Frame,
    QuotedSum,
    decode_frame,
    make_sum,
    read_curve,
    read_quote,
    read_signature,
    read_sum,
    read_venue,
)
from sources.names import PUMPAPI
from sources.pumpportal_frames import ControlFrame, parse_control
from sources.venues import CURVE_VENUES, LAUNCHLAB, PUMPFUN, UNKNOWN

IGNORED_KINDS = frozenset({"transfer", "add", "remove"})  # nothing of them is shown
MOST_TRADES = 64  # of one breakdown; a longer one counts as one trade
OTHER_POOL = "custom"  # `poolCreatedBy` of a pool that a person opened
CHAIN_BEGAN_AT = 1.58e9  # 2020-01-26; the chain's first block is younger
MILLISECONDS_FROM = 1e11  # seconds would be in the year 5138

VIRTUAL_TOKENS_AT_BIRTH = CURVE_TOKENS_FOR_SALE**2 / (2 * CURVE_TOKENS_FOR_SALE - SUPPLY)
VIRTUAL_TOLERANCE = 2.0  # tokens; the reserves are rounded
USUAL_THRESHOLD = CURVE_SOL_AT_COMPLETION - CURVE_SOL_AT_BIRTH  # SOL
THRESHOLD_TOLERANCE = 0.01

Events = tuple[SourceEvent, ...]
Parser = Callable[[Frame, Mint, UnixSeconds], Events]


def parse_frame(text: str | bytes, seen_at: UnixSeconds) -> Events | ControlFrame:
    """What a frame says, nothing where that is of no interest here.

    `FrameRefused` or `MintRefused`, with the reason, if it is junk.
    """
    frame = decode_frame(text)
    kind = frame.get("action") or frame.get("txType")
    if kind is None:
        return parse_control(frame)
    if not isinstance(kind, str):
        raise FrameRefused(kind, reason="unknown_tx_type")
    if kind in IGNORED_KINDS:
        return ()
    parse = PARSERS.get(kind)
    if parse is None:
        raise FrameRefused(kind, reason="unknown_tx_type")
    return parse(frame, parse_mint(frame.get("mint")), seen_at)


def _parse_create(frame: Frame, mint: Mint, seen_at: UnixSeconds) -> Events:
    """A birth, and the purchase that its creator made in the same transaction."""
    where, quote = read_venue(frame), read_quote(frame)
    size, cap = read_sum(frame, SIZE_KEYS, quote), read_sum(frame, CAP_KEYS, quote)
    curve_tokens, in_curve = _read_usual_curve(frame, where, quote)
    birth = TokenCreated(
        mint=mint,
        seen_at=seen_at,
        signature=read_signature(frame),
        source=PUMPAPI,
        at=_read_time(frame, seen_at),
        slot=read_count(frame.get("block")),
        venue=where,
        quote_mint=quote or WRAPPED_SOL,
        name=read_label(frame.get("name"), LONGEST_NAME),
        symbol=read_label(frame.get("symbol"), LONGEST_SYMBOL),
        metadata_uri=read_metadata_link(frame.get("uri")),
        creator_wallet=read_address(frame.get("txSigner")),
        bonding_curve_key=_read_pool(frame) if where in CURVE_VENUES else None,
        decimals=read_count(frame.get("decimals")),
        total_supply=_read_supply(frame, where),
        freeze_revoked=_read_revoked(frame, "freezeAuthority"),
        mint_renounced=_read_revoked(frame, "mintAuthority"),
        initial_buy_sol=size.sol,
        initial_buy_usd=size.usd,
        curve_tokens=curve_tokens,
        curve_sol=in_curve.sol,
        curve_usd=in_curve.usd,
        market_cap_sol=cap.sol,
        market_cap_usd=cap.usd,
    )
    if read_tokens(frame.get("initialBuy")):
        return birth, *_parse_trades(frame, mint, seen_at, side="buy", amount_key="initialBuy")
    return (birth,)


def _parse_trades(
    frame: Frame,
    mint: Mint,
    seen_at: UnixSeconds,
    *,
    side: Literal["buy", "sell"],
    amount_key: str = "tokenAmount",
) -> Events:
    """One trade, or those of its breakdown; curve and cap are as they were after the last one."""
    where, quote = read_venue(frame), read_quote(frame)
    size, cap = read_sum(frame, SIZE_KEYS, quote), _read_cap_of_usual_supply(frame, quote)
    curve_tokens, in_curve = _read_usual_curve(frame, where, quote)
    build = partial(
        TradeSeen,
        mint=mint,
        seen_at=seen_at,
        signature=read_signature(frame),
        source=PUMPAPI,
        at=_read_time(frame, seen_at),
        slot=read_count(frame.get("block")),
        quote_mint=quote or WRAPPED_SOL,
        venue=None if where == UNKNOWN else where,
        pool_address=None if where in CURVE_VENUES else _read_pool(frame),
        curve_tokens=curve_tokens,
        curve_sol=in_curve.sol,
        curve_usd=in_curve.usd,
        market_cap_sol=cap.sol,
        market_cap_usd=cap.usd,
    )
    tokens = read_tokens(frame.get(amount_key))
    parts = _read_breakdown(frame, side, tokens)
    if parts is None:
        trader = _read_trader(frame)
        return (build(side=side, trader=trader, tokens=tokens, sol=size.sol, usd=size.usd),)
    return tuple(_number_parts(build, parts, quote))


def _number_parts(
    build: "partial[TradeSeen]", parts: Sequence[Frame], quote: Mint | None
) -> list[TradeSeen]:
    """The trades of a breakdown; those of one side are counted from 0."""
    trades: list[TradeSeen] = []
    ordinals = {"buy": 0, "sell": 0}
    for part in parts:
        side: Literal["buy", "sell"] = "sell" if part["action"] == "sell" else "buy"
        size = read_sum(part, SIZE_KEYS, quote)
        trader, tokens = read_address(part.get("trader")), read_tokens(part.get("tokenAmount"))
        trades.append(
            build(
                side=side,
                ordinal=ordinals[side],
                trader=trader,
                tokens=tokens,
                sol=size.sol,
                usd=size.usd,
            )
        )
        ordinals[side] += 1
    return trades


def _parse_migration(frame: Frame, mint: Mint, seen_at: UnixSeconds) -> Events:
    event = MigrationSeen(
        mint=mint,
        seen_at=seen_at,
        signature=read_signature(frame),
        source=PUMPAPI,
        at=_read_time(frame, seen_at),
        venue=read_venue(frame),
        pool_address=_read_pool(frame),
    )
    return (event,)


def _parse_pool(frame: Frame, mint: Mint, seen_at: UnixSeconds) -> Events:
    """A pool that somebody opened; `FrameRefused` without its address."""
    address = _read_pool(frame)
    if address is None:
        raise FrameRefused(frame.get("poolId"), reason="no_pool_address")
    at = _read_time(frame, seen_at)
    opened_by = frame.get("poolCreatedBy")
    event = PoolCreated(
        mint=mint,
        seen_at=seen_at,
        signature=read_signature(frame),
        source=PUMPAPI,
        venue=read_venue(frame),
        pool_address=address,
        created_at=seen_at if at is None else at,
        is_migration=isinstance(opened_by, str) and opened_by != OTHER_POOL,
        decimals=read_count(frame.get("decimals")),
        quote_mint=read_quote(frame) or WRAPPED_SOL,
    )
    return (event,)


PARSERS: Mapping[str, Parser] = {
    "create": _parse_create,
    "buy": partial(_parse_trades, side="buy"),
    "sell": partial(_parse_trades, side="sell"),
    "migrate": _parse_migration,
    "createPool": _parse_pool,
}


# Reading one thing.


def _read_pool(frame: Frame) -> str | None:
    return read_address(frame.get("poolId"))


def _read_time(frame: Frame, seen_at: UnixSeconds) -> UnixSeconds | None:
    """The chain's time in whole seconds; none that the chain cannot have had.

    The clock of this machine may be wrong, so what is later than it is kept: ingest bounds it.
    """
    told = read_number(frame.get("timestamp"))
    if told is None:
        return None
    seconds = told // 1000 if told >= MILLISECONDS_FROM else told // 1
    return UnixSeconds(seconds) if CHAIN_BEGAN_AT <= seconds < MILLISECONDS_FROM else None


def _read_revoked(frame: Frame, key: str) -> bool | None:
    """Whether an authority over the mint is given up; None: the frame does not say."""
    if key not in frame:
        return None
    value = frame[key]
    if value is None:
        return True
    return None if read_address(value) is None else False


def _read_supply(frame: Frame, where: str) -> str | None:
    """The mint's supply in whole tokens, as text; what pump.fun mints where it is not told."""
    told = read_tokens(frame.get("supply"))
    if told is not None:
        return str(int(told)) if told == int(told) else repr(told)
    if where != PUMPFUN:
        return None
    return str(MAYHEM_SUPPLY if frame.get("mayhemMode") is True else SUPPLY)


def _read_trader(frame: Frame) -> str | None:
    """Who traded: the one wallet involved, or the one of several that signed; else nobody knows."""
    signer = read_address(frame.get("txSigner"))
    involved = read_object(frame.get("tradersInvolved"))
    if not involved or signer in involved:
        return signer
    return read_address(next(iter(involved))) if len(involved) == 1 else None


def _read_breakdown(frame: Frame, side: str, tokens: float | None) -> Sequence[Frame] | None:
    """The single trades of a frame, where it has several, and they come to what it says."""
    parts = [read_object(part) for part in read_array(frame.get("breakdown"))]
    if not 1 < len(parts) <= MOST_TRADES or tokens is None:
        return None
    signed = 0.0
    for part in parts:
        amount = read_tokens(part.get("tokenAmount"))
        if amount is None or part.get("action") not in ("buy", "sell"):
            return None
        signed += amount if part["action"] == side else -amount
    return parts if abs(signed - tokens) <= 1e-6 * max(tokens, 1.0) else None


def _read_cap_of_usual_supply(frame: Frame, quote: Mint | None) -> QuotedSum:
    """What a billion tokens are worth, which is how a trade tells its market cap."""
    price = read_number(frame.get("price"))
    return NO_SUM if price is None else make_sum(price * SUPPLY, quote)


def _read_usual_curve(
    frame: Frame, where: str, quote: Mint | None
) -> tuple[float | None, QuotedSum]:
    """What is left in a curve that the one formula of progress fits; nothing of any other."""
    if where == LAUNCHLAB and not _sells_usual_tokens(frame):
        return None, NO_SUM
    tokens, in_curve = read_curve(frame, where, quote)
    threshold = read_number(read_object(frame.get("migrationThreshholds")).get("quote"))
    is_usual = threshold is None or abs(threshold - USUAL_THRESHOLD) < THRESHOLD_TOLERANCE
    if in_curve.sol is not None and not is_usual:
        return tokens, NO_SUM
    return tokens, in_curve


def _sells_usual_tokens(frame: Frame) -> bool:
    """True where a LaunchLab curve is seen to sell 793,100,000 of 1,000,000,000 tokens."""
    virtual = read_tokens(frame.get("vTokensInBondingCurve"))
    pool = read_tokens(frame.get("tokensInPool"))
    if virtual is None or pool is None:
        return False
    return abs(virtual - pool - (VIRTUAL_TOKENS_AT_BIRTH - SUPPLY)) <= VIRTUAL_TOLERANCE
