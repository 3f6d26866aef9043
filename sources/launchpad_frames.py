"""What the frames of PumpPortal and PumpAPI have in common: how they are read. No I/O.

    text or bytes -> decode_frame -> read_quote, read_sum, read_curve ... -> fields of an event

Both send one JSON object a frame, with the same words for the same things. Sums are in the coin's
quote: SOL, unless `quoteMint` names another token. PumpAPI says `sol...` or `quote...` for them,
by the age of its frames: `solAmount`, `quoteAmount`.

The curve. pump.fun frames carry virtual reserves. LaunchLab frames carry the real ones; its curve
sells the same 793,100,000 of 1,000,000,000 tokens from the same virtual start, so 73,000,000
tokens and 30 SOL are added and one progress formula fits both.
"""

from collections.abc import Mapping
from typing import NamedTuple

from domain.errors import FrameRefused
from domain.lifecycle import CURVE_SOL_AT_BIRTH, CURVE_TOKENS_AT_BIRTH
from domain.values import DOLLAR_MINTS, WRAPPED_SOL, Mint, Sol, Usd
from sources.fields import (
    GREATEST_SOL,
    SMALLEST_NUMBER,
    decode_json,
    read_address,
    read_label,
    read_sol,
    read_tokens,
    read_usd,
)
from sources.venues import LAUNCHLAB, PUMPFUN, name_venue

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

NAMES_OF_SOL = frozenset(
    {
        WRAPPED_SOL,
        "So11111111111111111111111111111111111111111",  # as explorers write SOL itself
        "11111111111111111111111111111111",  # all zeros, as the pump programs write it
    }
)
# Where a sum may stand, the likeliest key first.
SIZE_KEYS = ("solAmount", "quoteAmount")
VIRTUAL_KEYS = ("vSolInBondingCurve", "vQuoteInBondingCurve")
POOL_KEYS = ("solInPool", "quoteInPool")
CAP_KEYS = ("marketCapSol", "marketCapQuote")

Frame = Mapping[str, object]


class QuotedSum(NamedTuple):
    """A sum in a coin's quote: in SOL, in dollars, or (another quote) in neither."""

    sol: Sol | None = None
    usd: Usd | None = None


NO_SUM = QuotedSum()


def decode_frame(text: str | bytes) -> dict[str, object]:
    """The object in a frame; `FrameRefused` if it is too large, or none."""
    if len(text) > LONGEST_FRAME:
        raise FrameRefused(text[:LONGEST_NOTICE], reason="too_large")
    try:
        frame = decode_json(text)
    except ValueError as error:
        raise FrameRefused(text, reason="not_json") from error
    if not isinstance(frame, dict):
        raise FrameRefused(text, reason="not_an_object")
    return frame


def read_signature(frame: Frame) -> str:
    """The transaction's signature; `FrameRefused` without one."""
    value = frame.get("signature")
    if isinstance(value, str) and value.isalnum() and len(value) <= LONGEST_SIGNATURE:
        return value  # the usual case: base58
    if not isinstance(value, str) or read_label(value, LONGEST_SIGNATURE) != value:
        raise FrameRefused(value, reason="no_signature")
    return value


def read_venue(frame: Frame) -> str:
    """Frames of 2024 name no pool: pump.fun's curve was the only one."""
    if frame.get("pool") is None and "vTokensInBondingCurve" in frame:
        return PUMPFUN
    return name_venue(frame.get("pool"))


def read_quote(frame: Frame) -> Mint | None:
    """The token that the frame's sums are in; None where it does not say.

    A name that cannot be read is refused: the sums might be in anything.
    """
    told = frame.get("quoteMint")
    if told is None:
        return None
    if isinstance(told, str) and told in NAMES_OF_SOL:
        return WRAPPED_SOL
    address = read_address(told)
    if address is None:
        raise FrameRefused(told, reason="bad_quote")
    return Mint(address)


def read_sum(frame: Frame, keys: tuple[str, str], quote: Mint | None) -> QuotedSum:
    """What stands at the keys of SOL and of any quote.

    Dollars stand only at the key of any quote: at the other might be SOL all the same.
    """
    sol_key, quote_key = keys
    told = frame.get(sol_key) if is_sol(quote) else None
    if type(told) is float and SMALLEST_NUMBER <= told <= GREATEST_SOL:
        return QuotedSum(Sol(told))  # the usual case, without the questions that the others need
    return make_sum(frame.get(quote_key) if told is None else told, quote)


def make_sum(told: object, quote: Mint | None) -> QuotedSum:
    """A number of a frame, in the quote; nothing where it is no credible one."""
    if is_sol(quote):
        return QuotedSum(sol=read_sol(told))
    return QuotedSum(usd=read_usd(told)) if quote in DOLLAR_MINTS else NO_SUM


def is_sol(quote: Mint | None) -> bool:
    """True for SOL; a frame that names no quote means SOL, too."""
    return quote is None or quote == WRAPPED_SOL


def read_curve(frame: Frame, where: str, quote: Mint | None) -> tuple[float | None, QuotedSum]:
    """Virtual tokens, and the quote, in the bonding curve; a graduated pool's reserves are not it.

    Of a LaunchLab curve the dollars are those that the frame calls virtual, where it does.
    """
    if where == PUMPFUN:
        return read_tokens(frame.get("vTokensInBondingCurve")), read_sum(frame, VIRTUAL_KEYS, quote)
    if where != LAUNCHLAB:
        return None, NO_SUM
    tokens = read_tokens(frame.get("tokensInPool"))
    if tokens is None or tokens > SUPPLY + SUPPLY_TOLERANCE:
        return None, NO_SUM  # another supply than LaunchLab's usual one: another curve
    in_curve = QuotedSum(usd=read_sum(frame, VIRTUAL_KEYS, quote).usd)
    raised = read_sum(frame, POOL_KEYS, quote).sol
    if raised is not None:
        in_curve = QuotedSum(sol=Sol(raised + CURVE_SOL_AT_BIRTH))
    return tokens + VIRTUAL_TOKENS_BEYOND_POOL, in_curve
