"""Any value as a few JSON values without secrets, for dumps and logs.

    message, summary, error text  ->  describe_value  ->  dump document, log line

Bounded whatever comes in: strings are cut, collections shortened, and a budget of values ends
the largest trees.
"""

import math
import re
from collections import deque
from collections.abc import Iterable, Mapping
from enum import Enum
from itertools import islice
from typing import Any

import attrs
from attrs import define

from config.redaction import HIDDEN, is_secret_name, longest_registered_secret, redact_text

LONGEST_TEXT = 200  # characters
LONGEST_SEARCHED = 4 * LONGEST_TEXT  # looked at for secrets before a text is cut
LONGEST_COLLECTION = 50  # items shown of one collection
DEEPEST = 6  # levels of nesting
MOST_VALUES = 500  # of one tree
LONGEST_NUMBER = 256  # bits; what chains count in has that many at most
CUT = "..."

_ADDRESS_AT_THE_END = re.compile(r"(?<=://)\S*\Z")


def shorten_text(text: str) -> str:
    """`text` without secrets, cut to `LONGEST_TEXT`."""
    searched = text[:LONGEST_SEARCHED]  # a text may have megabytes; hiding shortens it
    # Half of a surrogate pair is no text in UTF-8, and so none in JSON.
    shown = redact_text(searched.encode(errors="backslashreplace").decode())
    if len(text) > len(searched):
        # What the cut has halved is not recognised: an address, and a registered secret.
        shown = _ADDRESS_AT_THE_END.sub(HIDDEN, shown)
        shown = shown[: max(0, len(shown) - longest_registered_secret())]
    elif len(shown) <= LONGEST_TEXT:
        return shown
    return shown[:LONGEST_TEXT] + CUT


def describe_value(value: object) -> object:
    """`value` as JSON values: its shape, bounded and without secrets.

    An attrs object, or a named tuple, becomes its known fields under its class's name; what JSON
    cannot say becomes its redacted `repr`.
    """
    return _Description().describe_any(value, depth=0)


@define(kw_only=True)
class _Description:
    """One tree in the making."""

    values_left: int = MOST_VALUES

    def describe_any(self, value: object, depth: int) -> object:
        self.values_left -= 1
        if self.values_left < 0:
            return CUT
        try:
            return self._describe_known(value, depth)
        except Exception as error:  # one broken value must not cost the whole dump
            return f"<{type(value).__name__} that raises {type(error).__name__}>"

    def _describe_known(self, value: object, depth: int) -> object:
        if isinstance(value, Enum):
            return value.name
        if value is None or isinstance(value, bool | int):
            return _fit_in_64_bits(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else repr(value)  # JSON knows no NaN
        if isinstance(value, str):
            return shorten_text(value)
        if isinstance(value, bytes | bytearray):
            return shorten_text(repr(value[: LONGEST_SEARCHED + 1]))
        return self._describe_tree(value, depth + 1)

    def _describe_tree(self, value: object, depth: int) -> object:
        if depth > DEEPEST:
            return CUT
        if isinstance(value, Mapping):
            return self._describe_pairs(_named_items(value), depth)
        if attrs.has(type(value)):
            return {type(value).__name__: self._describe_pairs(_known_fields(value), depth)}
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return {type(value).__name__: self._describe_pairs(_named_parts(value), depth)}
        if isinstance(value, list | tuple | set | frozenset | deque):
            return self._describe_items(value, depth)
        return shorten_text(repr(value))

    def _describe_pairs(self, pairs: Iterable[tuple[str, object]], depth: int) -> dict[str, object]:
        pairs = iter(pairs)
        shown = {}
        for name, item in islice(pairs, LONGEST_COLLECTION):
            secret = isinstance(item, str | bytes) and is_secret_name(name) and item
            shown[shorten_text(name)] = HIDDEN if secret else self.describe_any(item, depth)
            if self.values_left < 0:
                break
        if next(pairs, None) is not None:
            shown[CUT] = CUT
        return shown

    def _describe_items(self, items: Iterable[object], depth: int) -> list[object]:
        items = iter(items)
        shown = []
        for item in islice(items, LONGEST_COLLECTION):
            shown.append(self.describe_any(item, depth))
            if self.values_left < 0:
                return shown
        if next(items, None) is not None:
            shown.append(CUT)
        return shown


def _fit_in_64_bits(value: bool | int | None) -> object:
    # JSON readers (and orjson) take 64 bits; amounts of chains can have more.
    if value is None or abs(value) < 2**63:
        return value
    bits = value.bit_length()
    return str(value) if bits <= LONGEST_NUMBER else f"<a number of {bits} bits>"


def _named_items(value: Mapping[object, object]) -> Iterable[tuple[str, object]]:
    for key, item in value.items():
        yield key if isinstance(key, str) else str(describe_value(key)), item


def _named_parts(value: Any) -> Iterable[tuple[str, object]]:
    return ((name, item) for name, item in value._asdict().items() if item is not None)


def _known_fields(value: object) -> Iterable[tuple[str, object]]:
    for attribute in attrs.fields(type(value)):  # type: ignore[arg-type]
        item = getattr(value, attribute.name, None)
        if item is not None:
            yield attribute.name, item if attribute.repr else HIDDEN
