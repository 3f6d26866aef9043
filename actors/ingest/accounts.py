"""Accounts: what several streams say of one token, and whose word counts for each field.

    TokenCreated, MigrationSeen, PoolCreated -> values -> Sight.take_better -> what is news

The first account of a birth makes the token. A later one adds the fields that it lacked, and
replaces those that a stream of lower rank had told: the chain knows better than PumpAPI, and that
better than PumpPortal. So the token ends the same in whatever order they come.
"""

from collections.abc import Mapping
from operator import attrgetter

from attrs import define

from domain.messages import TokenCreated
from domain.outline import ACCOUNT_FIELDS, TokenOutline
from domain.token import BIRTH_PROFILE_FIELDS
from domain.values import Value
from sources.names import CHAIN, PUMPAPI, PUMPPORTAL
from sources.venues import CURVE_VENUES, UNKNOWN

RANKS: Mapping[str, int] = {CHAIN: 4, PUMPAPI: 3, PUMPPORTAL: 2}
LOWEST_RANK = 1  # of any other stream
STORED_RANK = 4  # of what an earlier life has stored: it may be the chain's word
NOT_TOLD = 0

PLACE_FIELDS = ("pool_type", "pool_address")
RANK_BITS = 3
RANK_MASK = 0b111
SHIFTS = {name: RANK_BITS * place for place, name in enumerate(ACCOUNT_FIELDS)}

# Of a birth's profile, what is inferred from its event, and what that says as it is.
INFERRED_FIELDS = ("launchpad", "initial_buy_sol")
TOLD_FIELDS = tuple(name for name in BIRTH_PROFILE_FIELDS if name not in INFERRED_FIELDS)
_list_told = attrgetter(*TOLD_FIELDS)


def rank_source(source: str) -> int:
    """How much a stream's word counts."""
    return RANKS.get(source, LOWEST_RANK)


@define
class FieldRanks:
    """The rank of whoever told each field of one token, all in one number."""

    ranks: int = 0

    def read_rank(self, name: str) -> int:
        return self.ranks >> SHIFTS[name] & RANK_MASK

    def take_above(self, values: Mapping[str, Value], rank: int) -> dict[str, Value]:
        """Those of the values that nobody of this rank or a higher one has told before."""
        better: dict[str, Value] = {}
        ranks = self.ranks
        for name, value in values.items():
            shift = SHIFTS[name]
            if rank > ranks >> shift & RANK_MASK:
                ranks = ranks & ~(RANK_MASK << shift) | rank << shift
                better[name] = value
        self.ranks = ranks
        return better

    def forget_rank(self, name: str) -> None:
        """The field is anybody's to tell again."""
        self.ranks &= ~(RANK_MASK << SHIFTS[name])


def list_profile(event: TokenCreated, initial_buy_sol: float | None) -> dict[str, Value]:
    """What a birth says the token is; without what it does not know."""
    told = (*_list_told(event), name_launchpad(event.venue), initial_buy_sol)
    names = TOLD_FIELDS + INFERRED_FIELDS
    return {name: value for name, value in zip(names, told, strict=True) if value is not None}


def rank_stored(token: TokenOutline, rank: int) -> int:
    """The ranks of a token that somebody of this rank has told all of; as `FieldRanks` has them."""
    ranks = 0
    for place, shift in enumerate(SHIFTS.values()):
        if token.told >> place & 1:
            ranks |= rank << shift
    if token.pool_type == UNKNOWN:
        ranks &= ~(RANK_MASK << SHIFTS["pool_type"])
    return ranks


def list_place(venue: str, pool_address: str | None) -> dict[str, Value]:
    """Where a token trades, as far as an event knows."""
    place: dict[str, Value] = {} if venue == UNKNOWN else {"pool_type": venue}
    if pool_address is not None:
        place["pool_address"] = pool_address
    return place


def name_launchpad(venue: str) -> str | None:
    """The venue of a birth, where it is a launch-pad's curve."""
    return venue if venue in CURVE_VENUES else None
