"""The types of identifiers and quantities, and the check of a mint.

An address is the base58 of 32 bytes. The alphabet is in the order of ASCII, so of two texts of one
length the later one is the greater number, and the size of an address shows in its text: it need
not be decoded. A leading 1 is a zero byte (draft-msporny-base58-03).
"""

import re
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

ADDRESS_BYTES = 32
SHORTEST_MINT, LONGEST_MINT = 32, 44  # characters that 32 bytes can take in base58
BASE58 = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}")

SizedText = tuple[int, str]  # characters, and the text: ordered as the numbers are


def _size_text(number: int) -> SizedText:
    text = base58.b58encode_int(number, default_one=False).decode()
    return len(text), text


# The least and the greatest number of 32 bytes, by how many of its first bytes are zero.
ADDRESS_BOUNDS: tuple[tuple[SizedText, SizedText], ...] = tuple(
    (_size_text(256**size // 256), _size_text(256**size - 1))
    for size in range(ADDRESS_BYTES, -1, -1)
)
USUAL_CHARACTERS, USUAL_GREATEST = ADDRESS_BOUNDS[0][1]  # of addresses that begin with no zero


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
    if not BASE58.fullmatch(text):
        raise MintRefused(text, reason="not_base58")
    if not has_address_size(text):
        raise MintRefused(text, reason="not_32_bytes")
    return Mint(text)


def is_address(text: str) -> bool:
    """True for the base58 of 32 bytes."""
    return BASE58.fullmatch(text) is not None and has_address_size(text)


def has_address_size(text: str) -> bool:
    """True where base58 text is that of 32 bytes."""
    if len(text) == USUAL_CHARACTERS and text[0] != "1":
        return text <= USUAL_GREATEST  # the usual case: any shorter number has fewer characters
    digits = text.lstrip("1")
    zeros = len(text) - len(digits)
    if zeros > ADDRESS_BYTES:
        return False
    least, greatest = ADDRESS_BOUNDS[zeros]
    return least <= (len(digits), digits) <= greatest
