"""The types of identifiers and quantities, and the check of a mint."""

from typing import NewType

import base58

from domain.errors import MintRefused

Mint = NewType("Mint", str)  # base58 of exactly 32 bytes
UnixSeconds = NewType("UnixSeconds", float)  # wall clock, seconds since 1970 UTC
Sol = NewType("Sol", float)
Usd = NewType("Usd", float)
Version = NewType("Version", int)  # grows with every change the buffer accepts

NO_VERSION = Version(0)  # before every version that is given

Value = bool | int | float | str  # what a token's field can hold

WRAPPED_SOL = Mint("So11111111111111111111111111111111111111112")
USDC = Mint("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
USDT = Mint("Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB")
USD1 = Mint("USD1ttGY1N17NEEHLmELoaybftRBUSErhqYiQzvEmuB")
# Tokens of which one is one US dollar; all have 6 decimals.
DOLLAR_MINTS = frozenset({USDC, USDT, USD1})
QUOTE_MINTS = DOLLAR_MINTS | {WRAPPED_SOL}

SHORTEST_MINT, LONGEST_MINT = 32, 44  # characters that 32 bytes can take in base58


def parse_mint(text: object) -> Mint:
    """The mint of the coin that `text` names; `MintRefused` if it is none, or a known quote."""
    mint = parse_address(text)
    if mint in QUOTE_MINTS:
        raise MintRefused(text, reason="quote_mint")
    return mint


def parse_address(text: object) -> Mint:
    """`text`, if any mint can be written so; `MintRefused` otherwise."""
    if not isinstance(text, str) or not SHORTEST_MINT <= len(text) <= LONGEST_MINT:
        raise MintRefused(text, reason="not_a_mint")
    try:
        size = len(base58.b58decode(text))
    except ValueError as error:
        raise MintRefused(text, reason="not_base58") from error
    if not text.isalnum():  # the library passes over white space at the end
        raise MintRefused(text, reason="not_base58")
    if size != 32:
        raise MintRefused(text, reason="not_32_bytes")
    return Mint(text)
