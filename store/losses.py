"""What a store has not of the tokens that somebody knows from it.

Token (as it is known), Token (as it is stored) -> list_losses -> StoreLoss
"""

from collections.abc import Iterable, Mapping

from domain.token import STATUS_FIELDS, UPDATE_FIELDS, Token
from domain.values import Mint, Value
from store import StoreLoss
from store.columns import KINDS, Kind


def list_losses(
    tokens: Iterable[Token], stored: Mapping[Mint, Token], dead_band: float = 0.0
) -> list[StoreLoss]:
    """What `stored` has not of the tokens; numbers within the dead band count as stored."""
    losses: list[StoreLoss] = []
    for token in tokens:
        found = stored.get(token.mint)
        values = _list_missing_values(token, found, dead_band) if found else {}
        if found is None or found.id != token.id or values:
            losses.append(StoreLoss(mint=token.mint, id=found.id if found else None, values=values))
    return losses


def _list_missing_values(token: Token, found: Token, dead_band: float) -> dict[str, Value]:
    has_status = found.status >= token.status
    missing: dict[str, Value] = {}
    for name in UPDATE_FIELDS:
        value, known = getattr(token, name), getattr(found, name)
        if value is None or value == known or (has_status and name in STATUS_FIELDS):
            continue
        if not (dead_band and KINDS[name] is Kind.NUMBER and known is not None) or (
            abs(value - known) > abs(known) * dead_band
        ):
            missing[name] = value
    return missing
