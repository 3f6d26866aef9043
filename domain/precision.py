"""Which precision of a value is kept, everywhere alike.

    observed value  ->  round_value  ->  buffer, board and Postgres

Sync rounds once, before an update is durable. So what clients see is what Postgres holds, a
difference that is only rounding is never a change, and hot columns take four bytes a value:
`real` gives back every number of six significant digits as it was.
"""

from collections.abc import Mapping
from math import floor
from operator import attrgetter

from domain.token import FIELDS, UPDATE_FIELDS, Group, Token, replace_fields
from domain.values import UnixSeconds, Value

SIGNIFICANT_DIGITS = 6  # of prices, volumes, SOL and per cent: what `real` keeps for certain
SCORE_DECIMALS = 4  # 1e-4 of a half-life; scores are large and close together
SMALLEST_NUMBER, GREATEST_NUMBER = 1e-37, 3.4e38  # beyond, `real` has fewer digits, or none

_AS_KEPT = f"%.{SIGNIFICANT_DIGITS}g"
_list_values = attrgetter(*UPDATE_FIELDS)
_TIMES = frozenset(name for name in UPDATE_FIELDS if FIELDS[name].is_time)
_SCORES = frozenset(name for name in UPDATE_FIELDS if FIELDS[name].group is Group.SCORE)
_ROUNDED_OTHERWISE = _TIMES | _SCORES


def round_value(name: str, value: Value) -> Value:
    """The value of a field that changes, as it is kept; what is no finite number stays as it is."""
    if type(value) is not float or value - value != 0:
        return value
    if name in _TIMES:
        return floor_time(UnixSeconds(value))
    if name in _SCORES:
        return round(value, SCORE_DECIMALS)
    if abs(value) < SMALLEST_NUMBER:
        return 0.0
    return float(_AS_KEPT % value)


def round_values(values: Mapping[str, Value]) -> dict[str, Value]:
    """The values of some fields that change, as they are kept."""
    rounded = dict(values)
    for name, value in values.items():
        if type(value) is not float:
            continue
        if name not in _ROUNDED_OTHERWISE and SMALLEST_NUMBER <= value <= GREATEST_NUMBER:
            rounded[name] = float(_AS_KEPT % value)  # the usual case, without a call
        else:
            rounded[name] = round_value(name, value)
    return rounded


def floor_time(moment: UnixSeconds) -> UnixSeconds:
    """The second it fell in: nothing seems later than it was. Only births are kept exactly."""
    return UnixSeconds(float(floor(moment)))


def round_token(token: Token) -> Token:
    """A token whose values are as they are kept; identity and times of its birth stay exact."""
    changed = {
        name: rounded
        for name, value in zip(UPDATE_FIELDS, _list_values(token), strict=True)
        if type(value) is float and (rounded := round_value(name, value)) != value
    }
    return replace_fields(token, changed) if changed else token
