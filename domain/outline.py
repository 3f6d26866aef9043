"""An outline of a token: what is remembered of each of many that may never be heard of again.

Token, row of the store -> TokenOutline -> ingest, streams
"""

from typing import NamedTuple

from domain.token import BIRTH_PROFILE_FIELDS, Status, Token
from domain.values import Mint

# What the accounts of several streams may tell otherwise.
ACCOUNT_FIELDS = (*BIRTH_PROFILE_FIELDS, "pool_type", "pool_address")


class TokenOutline(NamedTuple):
    """What of a token decides which of the things told of it are news."""

    mint: Mint
    status: Status
    told: int  # a bit for each of `ACCOUNT_FIELDS` that is known, the first one's is 1
    launchpad: str | None
    quote_mint: Mint | None
    decimals: int | None
    total_supply: str | None
    pool_type: str | None
    pool_address: str | None


def outline_token(token: Token) -> TokenOutline:
    """The outline of a whole token."""
    told = 0
    for place, name in enumerate(ACCOUNT_FIELDS):
        if getattr(token, name) is not None:
            told |= 1 << place
    return TokenOutline(
        token.mint,
        token.status,
        told,
        token.launchpad,
        token.quote_mint,
        token.decimals,
        token.total_supply,
        token.pool_type,
        token.pool_address,
    )
