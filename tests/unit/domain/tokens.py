"""Tokens, mints and values for tests of the domain."""

from typing import Any

import base58
from hypothesis import strategies as st

from domain.token import Token
from domain.values import Mint, UnixSeconds

BIRTH = UnixSeconds(1_780_000_000.0)


def mint(number: int) -> Mint:
    """A valid mint, one for each number."""
    return Mint(base58.b58encode(number.to_bytes(32, "big")).decode())


def token(number: int = 1, **fields: Any) -> Token:
    return Token(mint=mint(number), first_seen_at=fields.pop("first_seen_at", BIRTH), **fields)


times = st.integers(0, 8).map(lambda step: UnixSeconds(BIRTH + step))  # few, so that many tie
