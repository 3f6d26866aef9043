"""From records of the named queries to tokens, a hundred thousand of them at a start.

record of `reading_list` -> Token;  record of `columns.render_outline` -> TokenOutline
"""

import sys
from collections.abc import Sequence
from typing import Any

from domain.outline import TokenOutline
from domain.records import make_filler
from domain.token import FIELDS, FIELDS_OF_TYPE_STATUS, Status, Token

# Texts of which there are only a few, shared by all tokens that are read.
SHARED_TEXTS = ("launchpad", "quote_mint", "total_supply", "pool_type")
_STATUSES = tuple(Status)
_PLACES = {name: place for place, name in enumerate(FIELDS)}
_STATUS_PLACES = tuple(_PLACES[name] for name in FIELDS_OF_TYPE_STATUS)
_SHARED_PLACES = tuple(_PLACES[name] for name in SHARED_TEXTS)
_fill_token = make_filler(Token, FIELDS)


def token_from_record(record: Sequence[Any]) -> Token:
    """The token in a record of `reading_list`'s columns."""
    values = list(record)
    for place in _STATUS_PLACES:
        if values[place] is not None:
            values[place] = _STATUSES[values[place]]
    for place in _SHARED_PLACES:
        if values[place] is not None:
            values[place] = sys.intern(values[place])
    return _fill_token(values)


def outline_from_record(record: Sequence[Any]) -> TokenOutline:
    """The outline in a record of `render_outline`'s columns."""
    values = dict(zip(TokenOutline._fields, record, strict=True))
    values["status"] = _STATUSES[values["status"]]
    for name in SHARED_TEXTS:
        if values[name] is not None:
            values[name] = sys.intern(values[name])
    return TokenOutline(**values)
