"""How updates of one token combine: the newest observation of a field wins, status only grows.

One rule, three places: mailboxes conflate with it, the buffer merges by it (update.lua repeats it
on the server, and the contract suite holds the two together), sync folds with it.
"""

from collections.abc import Mapping

from attrs import evolve

from domain.messages import TokenUpdated
from domain.token import GREATEST_WINS
from domain.values import Value


def supersedes(name: str, new: Value, new_at: float, old: Value, old_at: float) -> bool:
    """True when an observation of field `name` replaces an older one."""
    if name in GREATEST_WINS:
        return float(new) > float(old)
    return new_at >= old_at


def combined(older: TokenUpdated, newer: TokenUpdated) -> TokenUpdated:
    """Both updates of one token as one; the later `observed_at` wins field by field.

    Updates of different times combine into one time, the later one; that is exact as long as
    a field has one observer, who observes in order, which is so for every actor here.
    """
    if newer.observed_at < older.observed_at:
        older, newer = newer, older
    return evolve(newer, values=_merged(older.values, newer.values))


def _merged(older: Mapping[str, Value], newer: Mapping[str, Value]) -> dict[str, Value]:
    values = {**older, **newer}
    for name in GREATEST_WINS & older.keys() & newer.keys():
        values[name] = max(older[name], newer[name])
    return values
