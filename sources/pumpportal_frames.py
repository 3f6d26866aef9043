"""PumpPortal's frames, as recorded from 2024 to 2026: text in, an event out. No I/O.

    text or bytes -> parse_frame -> TokenCreated, TradeSeen, MigrationSeen, or ControlFrame

Protocol: one JSON object a frame; `txType` names its kind. A control frame has `message` or
`errors` instead. No frame carries a time, a slot, a sequence number, decimals, an image or a
pool's address: the time of receipt is the only clock, and `migrate.pool` names a venue.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from attrs import frozen

from domain.errors import FrameRefused
from domain.messages import MigrationSeen, SourceEvent, TokenCreated, TradeSeen
from domain.values import WRAPPED_SOL, Mint, UnixSeconds, parse_mint
from sources.fields import (
    read_address,
    read_label,
    read_metadata_link,
    read_sol,
    read_tokens,
    read_usd,
)
from sources.launchpad_frames import (
    CAP_KEYS,
    LONGEST_NAME,
    LONGEST_NOTICE,
    LONGEST_SYMBOL,
    MAYHEM_SUPPLY,
    NO_SUM,
    PUMPFUN_DECIMALS,
    SIZE_KEYS,
    SUPPLY,
    SUPPLY_TOLERANCE,
    Frame,
    QuotedSum,
    decode_frame,
    read_curve,
    read_quote,
    read_signature,
    read_sum,
    read_venue,
)
from sources.names import PUMPPORTAL
from sources.venues import LAUNCHLAB, PUMPFUN, UNKNOWN, name_venue


@frozen(kw_only=True)
class ControlFrame:
    """What the server says of our subscriptions."""

    notice: str
    is_error: bool  # it stood under `errors`
    refuses_trades: bool  # trade streams need a funded account; that comes as a `message`


def parse_frame(text: str | bytes, seen_at: UnixSeconds) -> SourceEvent | ControlFrame:
    """What a frame says; `FrameRefused` or `MintRefused`, with the reason, if it is junk."""
    frame = decode_frame(text)
    kind = frame.get("txType")
    if kind is None:
        return parse_control(frame)
    parse = PARSERS.get(kind) if isinstance(kind, str) else None
    if parse is None:
        raise FrameRefused(kind, reason="unknown_tx_type")
    return parse(frame, parse_mint(frame.get("mint")), seen_at)


def parse_control(frame: Frame) -> ControlFrame:
    """What a frame without an event says; `FrameRefused` if that is nothing."""
    is_error = "errors" in frame
    if not is_error and "message" not in frame:
        raise FrameRefused(frame, reason="no_tx_type")
    words = frame["errors"] if is_error else frame["message"]
    notice = read_label(words if isinstance(words, str) else repr(words), LONGEST_NOTICE) or ""
    return ControlFrame(notice=notice, is_error=is_error, refuses_trades=_refuses_trades(notice))


def _refuses_trades(notice: str) -> bool:
    """True for "'subscribeTokenTrade' and ... are only available ... an API key funded ..."."""
    words = notice.lower()
    is_about_trades = "subscribetokentrade" in words or "subscribeaccounttrade" in words
    return is_about_trades and any(word in words for word in ("only available", "funded"))


def _parse_create(frame: Frame, mint: Mint, seen_at: UnixSeconds) -> TokenCreated:
    where = read_venue(frame)
    total_supply = _infer_supply(frame, where)
    # Another supply than LaunchLab's usual one has another curve.
    has_known_curve = where != LAUNCHLAB or total_supply is not None
    quote = read_quote(frame)
    size, cap = read_sum(frame, SIZE_KEYS, quote), _read_market_cap(frame, quote)
    curve_tokens, in_curve = read_curve(frame, where, quote) if has_known_curve else (None, NO_SUM)
    return TokenCreated(
        mint=mint,
        seen_at=seen_at,
        signature=read_signature(frame),
        source=PUMPPORTAL,
        venue=where,
        quote_mint=quote or WRAPPED_SOL,
        name=read_label(frame.get("name"), LONGEST_NAME),
        symbol=read_label(frame.get("symbol"), LONGEST_SYMBOL),
        metadata_uri=read_metadata_link(frame.get("uri")),
        creator_wallet=read_address(frame.get("traderPublicKey")),
        bonding_curve_key=read_address(frame.get("bondingCurveKey")),
        decimals=PUMPFUN_DECIMALS if where == PUMPFUN else None,
        total_supply=total_supply,
        initial_buy_sol=size.sol,
        initial_buy_usd=size.usd,
        curve_tokens=curve_tokens,
        curve_sol=in_curve.sol,
        curve_usd=in_curve.usd,
        market_cap_sol=cap.sol,
        market_cap_usd=cap.usd,
    )


def _parse_trade(
    frame: Frame, mint: Mint, seen_at: UnixSeconds, side: Literal["buy", "sell"]
) -> TradeSeen:
    where, quote = read_venue(frame), read_quote(frame)
    size, cap = read_sum(frame, SIZE_KEYS, quote), read_sum(frame, CAP_KEYS, quote)
    curve_tokens, in_curve = read_curve(frame, where, quote)
    return TradeSeen(
        mint=mint,
        seen_at=seen_at,
        signature=read_signature(frame),
        source=PUMPPORTAL,
        side=side,
        trader=read_address(frame.get("traderPublicKey")),
        tokens=read_tokens(frame.get("tokenAmount")),
        sol=size.sol,
        usd=size.usd,
        quote_mint=quote,
        venue=None if where == UNKNOWN else where,
        # For the usual supply, of which a LaunchLab trade says nothing: ingest knows the coin's.
        curve_tokens=curve_tokens,
        curve_sol=in_curve.sol,
        curve_usd=in_curve.usd,
        # As stated, for the usual supply: a trade does not say that its coin is a mayhem coin.
        market_cap_sol=cap.sol,
        market_cap_usd=cap.usd,
    )


def _parse_migration(frame: Frame, mint: Mint, seen_at: UnixSeconds) -> MigrationSeen:
    return MigrationSeen(
        mint=mint,
        seen_at=seen_at,
        signature=read_signature(frame),
        source=PUMPPORTAL,
        venue=name_venue(frame.get("pool")),
    )


PARSERS: Mapping[str, Callable[[Frame, Mint, UnixSeconds], SourceEvent]] = {
    "create": _parse_create,
    "buy": partial(_parse_trade, side="buy"),
    "sell": partial(_parse_trade, side="sell"),
    "migrate": _parse_migration,
}


def _infer_supply(frame: Frame, where: str) -> str | None:
    """What the launch-pad mints; no frame says it.

    LaunchLab lets a creator choose supply and decimals (a tokenised stock came as a `bonk`
    create, with 8 decimals). Its usual billion shows in what lies in the pool and what the
    creator bought of it; decimals show nowhere, so none are claimed.
    """
    if where == PUMPFUN:
        return str(MAYHEM_SUPPLY if _is_mayhem(frame) else SUPPLY)
    pool, bought = read_tokens(frame.get("tokensInPool")), read_tokens(frame.get("initialBuy"))
    if where == LAUNCHLAB and pool is not None and bought is not None:
        return str(SUPPLY) if abs(pool + bought - SUPPLY) <= SUPPLY_TOLERANCE else None
    return None


def _read_market_cap(frame: Frame, quote: Mint | None) -> QuotedSum:
    """PumpPortal multiplies the price by 1e9 tokens; a mayhem coin has twice as many."""
    cap = read_sum(frame, CAP_KEYS, quote)
    if not _is_mayhem(frame):
        return cap
    factor = MAYHEM_SUPPLY / SUPPLY
    return QuotedSum(
        sol=None if cap.sol is None else read_sol(cap.sol * factor),
        usd=None if cap.usd is None else read_usd(cap.usd * factor),
    )


def _is_mayhem(frame: Frame) -> bool:
    return frame.get("is_mayhem_mode") is True
