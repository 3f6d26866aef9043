"""Messages and tokens as plain values that JSON can say, and back, exactly.

    TokenUpdated(mint="...", values={"price_usd": 1.0})
        <->  {"TokenUpdated": {"mint": "...", "values": {"price_usd": 1.0}}}

An object is its fields under its class's name, without those that are as its class has them by
default; a bare tuple is a list. What does not come back as it was cannot be said.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

import attrs

from domain import messages, trading
from domain.token import Status, Token

Plain = Any  # None, bool, int, float, str, list, and dict with texts for keys


def _is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_field_defaults")


CLASSES: Mapping[str, type] = {
    each.__name__: each
    for each in (*vars(messages).values(), *vars(trading).values(), Token)
    if isinstance(each, type) and (attrs.has(each) or _is_named_tuple(each))
}


def to_plain(value: object) -> Plain:
    """The value in plain values; `ValueError` where they could not tell it exactly."""
    plain = _say_value(value)
    if from_plain(plain) != value:
        raise ValueError(f"{type(value).__name__} does not come back from plain values as it was")
    return plain


def from_plain(plain: Plain) -> Any:
    """What `to_plain` has said; `ValueError` where it is none of that, or of another release."""
    match plain:
        case list():
            return tuple(from_plain(item) for item in plain)
        case {"Status": int(number)} if len(plain) == 1:
            return Status(number)
        case dict() if len(plain) == 1 and (kind := CLASSES.get(next(iter(plain)))) is not None:
            return _make_object(kind, next(iter(plain.values())))
        case dict():
            return {name: from_plain(item) for name, item in plain.items()}
        case _:
            return plain


def _make_object(kind: type, fields: Plain) -> Any:
    try:
        return kind(**from_plain(fields))
    except TypeError as error:
        raise ValueError(f"{kind.__name__} has other fields") from error


def _say_value(value: object) -> Plain:
    match value:
        case Status():
            return {"Status": int(value)}
        case tuple() if type(value) is tuple:
            return [_say_value(item) for item in value]
        case Mapping() if all(map(_is_text, value)):
            return {name: _say_value(item) for name, item in value.items()}
        case _ if CLASSES.get(type(value).__name__) is type(value):
            return {type(value).__name__: _say_fields(value)}
        case _ if not _is_leaf(value):
            raise ValueError(f"plain values cannot say this {type(value).__name__}")
    return value


def _say_fields(value: object) -> dict[str, Plain]:
    known = ((name, getattr(value, name), default) for name, default in _list_fields(type(value)))
    return {name: _say_value(item) for name, item, default in known if item != default}


def _list_fields(kind: Any) -> list[tuple[str, object]]:
    """The fields and their defaults; `NOTHING` where there is none."""
    if _is_named_tuple(kind):
        return [(name, kind._field_defaults.get(name, attrs.NOTHING)) for name in kind._fields]
    return [(each.name, each.default) for each in attrs.fields(kind)]


def _is_leaf(value: object) -> bool:
    if type(value) is int:
        return -(2**63) <= value < 2**64  # as orjson says it
    if type(value) is float:
        return isfinite(value)
    return value is None or type(value) is bool or _is_text(value)


def _is_text(value: object) -> bool:
    """True for a text that JSON can say: one without surrogates that have lost their partners."""
    if type(value) is not str:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
