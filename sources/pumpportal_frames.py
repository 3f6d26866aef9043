"""PumpPortal's frames, as recorded from 2024 to 2026: text in, an event out. No I/O.

    text or bytes -> parse_frame -> TokenCreated, TradeSeen, MigrationSeen, or ControlFrame

Protocol: one JSON object a frame; `txType` names its kind. A control frame has `message` or
`errors` instead. No frame carries a time, a slot, a sequence number, decimals, an image or a
pool's address: the time of receipt is the only clock, and `migrate.pool` names a venue.

The curve. pump.fun frames carry virtual reserves. LaunchLab (`bonk`) frames carry the real
ones; its curve sells the same 793,100,000 of 1,000,000,000 tokens from the same virtual start,
so 73,000,000 tokens and 30 SOL are added and one progress formula fits both.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from attrs import frozen

from domain.errors import FrameRefused
from domain.lifecycle import CURVE_SOL_AT_BIRTH, CURVE_TOKENS_AT_BIRTH
from domain.messages import MigrationSeen, SourceEvent, TokenCreated, TradeSeen
from domain.values import Mint, Sol, UnixSeconds, parse_mint
from sources.fields import (
    decode_json,
    read_address,
    read_label,
    read_metadata_link,
    read_sol,
    read_tokens,
)
from sources.venues import LAUNCHLAB, PUMPFUN, UNKNOWN, name_venue

LONGEST_FRAME = 64 * 2**10  # characters or bytes; real ones have some hundreds
LONGEST_NAME = 128
LONGEST_SYMBOL = 64
LONGEST_SIGNATURE = 128
LONGEST_NOTICE = 500

SUPPLY = 1_000_000_000
MAYHEM_SUPPLY = 2_000_000_000
SUPPLY_TOLERANCE = 1.0  # tokens; the reserves are rounded
PUMPFUN_DECIMALS = 6
VIRTUAL_TOKENS_BEYOND_POOL = CURVE_TOKENS_AT_BIRTH - SUPPLY

Frame = Mapping[str, object]


@frozen(kw_only=True)
class ControlFrame:
    """What the server says of our subscriptions."""

    notice: str
    is_error: bool  # it stood under `errors`
    refuses_trades: bool  # trade streams need a funded account; that comes as a `message`


def parse_frame(text: str | bytes, seen_at: UnixSeconds) -> SourceEvent | ControlFrame:
    """What a frame says; `FrameRefused` or `MintRefused`, with the reason, if it is junk."""
    if len(text) > LONGEST_FRAME:
        raise FrameRefused(text[:LONGEST_NOTICE], reason="too_large")
    try:
        frame = decode_json(text)
    except ValueError as error:
        raise FrameRefused(text, reason="not_json") from error
    if not isinstance(frame, dict):
        raise FrameRefused(text, reason="not_an_object")
    kind = frame.get("txType")
    if kind is None:
        return _parse_control(frame)
    parse = PARSERS.get(kind) if isinstance(kind, str) else None
    if parse is None:
        raise FrameRefused(kind, reason="unknown_tx_type")
    return parse(frame, parse_mint(frame.get("mint")), seen_at)


def _parse_control(frame: Frame) -> ControlFrame:
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
    where = _read_venue(frame)
    total_supply = _infer_supply(frame, where)
    # Another supply than LaunchLab's usual one has another curve.
    has_known_curve = where != LAUNCHLAB or total_supply is not None
    curve_tokens, curve_sol = _read_curve(frame, where) if has_known_curve else (None, None)
    return TokenCreated(
        mint=mint,
        seen_at=seen_at,
        signature=_read_signature(frame),
        venue=where,
        name=read_label(frame.get("name"), LONGEST_NAME),
        symbol=read_label(frame.get("symbol"), LONGEST_SYMBOL),
        metadata_uri=read_metadata_link(frame.get("uri")),
        creator_wallet=read_address(frame.get("traderPublicKey")),
        bonding_curve_key=read_address(frame.get("bondingCurveKey")),
        decimals=PUMPFUN_DECIMALS if where == PUMPFUN else None,
        total_supply=total_supply,
        initial_buy_sol=read_sol(frame.get("solAmount")),
        curve_tokens=curve_tokens,
        curve_sol=curve_sol,
        market_cap_sol=_read_market_cap(frame),
    )


def _parse_trade(
    frame: Frame, mint: Mint, seen_at: UnixSeconds, side: Literal["buy", "sell"]
) -> TradeSeen:
    where = _read_venue(frame)
    curve_tokens, curve_sol = _read_curve(frame, where)
    return TradeSeen(
        mint=mint,
        seen_at=seen_at,
        signature=_read_signature(frame),
        side=side,
        sol=read_sol(frame.get("solAmount")),
        venue=None if where == UNKNOWN else where,
        # For the usual supply, of which a LaunchLab trade says nothing: ingest knows the coin's.
        curve_tokens=curve_tokens,
        curve_sol=curve_sol,
        # As stated, for the usual supply: a trade does not say that its coin is a mayhem coin.
        market_cap_sol=read_sol(frame.get("marketCapSol")),
    )


def _parse_migration(frame: Frame, mint: Mint, seen_at: UnixSeconds) -> MigrationSeen:
    return MigrationSeen(
        mint=mint,
        seen_at=seen_at,
        signature=_read_signature(frame),
        venue=name_venue(frame.get("pool")),
    )


PARSERS: Mapping[str, Callable[[Frame, Mint, UnixSeconds], SourceEvent]] = {
    "create": _parse_create,
    "buy": partial(_parse_trade, side="buy"),
    "sell": partial(_parse_trade, side="sell"),
    "migrate": _parse_migration,
}


def _read_signature(frame: Frame) -> str:
    value = frame.get("signature")
    if not isinstance(value, str) or read_label(value, LONGEST_SIGNATURE) != value:
        raise FrameRefused(value, reason="no_signature")
    return value


def _read_venue(frame: Frame) -> str:
    """Frames of 2024 name no pool: pump.fun's curve was the only one."""
    if frame.get("pool") is None and "vTokensInBondingCurve" in frame:
        return PUMPFUN
    return name_venue(frame.get("pool"))


def _read_curve(frame: Frame, where: str) -> tuple[float | None, Sol | None]:
    """Virtual tokens and SOL left in the bonding curve; a graduated pool's reserves are not it."""
    if where == PUMPFUN:
        tokens = read_tokens(frame.get("vTokensInBondingCurve"))
        return tokens, read_sol(frame.get("vSolInBondingCurve"))
    if where != LAUNCHLAB:
        return None, None
    tokens, sol = read_tokens(frame.get("tokensInPool")), read_sol(frame.get("solInPool"))
    if tokens is None or tokens > SUPPLY + SUPPLY_TOLERANCE:
        return None, None  # another supply than LaunchLab's usual one: another curve
    curve_sol = None if sol is None else Sol(sol + CURVE_SOL_AT_BIRTH)
    return tokens + VIRTUAL_TOKENS_BEYOND_POOL, curve_sol


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


def _read_market_cap(frame: Frame) -> Sol | None:
    """PumpPortal multiplies the price by 1e9 tokens; a mayhem coin has twice as many."""
    cap = read_sol(frame.get("marketCapSol"))
    if cap is None or not _is_mayhem(frame):
        return cap
    return read_sol(cap * MAYHEM_SUPPLY / SUPPLY)


def _is_mayhem(frame: Frame) -> bool:
    return frame.get("is_mayhem_mode") is True
