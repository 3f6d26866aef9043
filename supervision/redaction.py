"""Any value as a few JSON values without secrets, for dumps and logs.

    message, summary, error text  ->  redaction  ->  dump document, log line

Bounded whatever comes in: strings are cut, collections shortened, and a budget of leaves ends
the largest trees.
"""

import math
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from itertools import islice

import attrs
from attrs import define

LONGEST_TEXT = 200  # characters
LONGEST_COLLECTION = 50  # items shown of one collection
DEEPEST = 6  # levels of nesting
LEAVES = 500  # values of one tree
HIDDEN = "[hidden]"
CUT = "..."

_WORDS = r"(?:api[-_]?key|secret|token|password|passwd|authorization|credentials?)"
# `token` and `auth_token` name secrets; `tokens` and `token_id` do not.
_HIDDEN_NAME = re.compile(rf"(?:.*[-_])?{_WORDS}", re.IGNORECASE)
_URL_CREDENTIALS = re.compile(r"(?<=://)[^\s/?#@]*@")
_HIDDEN_ASSIGNMENT = re.compile(
    rf"""(\b(?:[\w-]*[-_])?{_WORDS}(?:["']?\s*=|["']\s*:)\s*["']?)[^\s&"',;#)\]}}]+""",
    re.IGNORECASE,
)
_AUTHORIZATION = re.compile(r"(\b(?:bearer|basic)\s+)[\w.~+/=-]+", re.IGNORECASE)


def redact_text(text: str) -> str:
    """`text` without URL credentials and values of secret names, cut to `LONGEST_TEXT`."""
    # Cut before searching, with room for what hiding shortens: a text may have megabytes.
    cut = text[: 4 * LONGEST_TEXT]
    cut = _URL_CREDENTIALS.sub(HIDDEN + "@", cut)
    cut = _AUTHORIZATION.sub(rf"\g<1>{HIDDEN}", cut)
    cut = _HIDDEN_ASSIGNMENT.sub(rf"\g<1>{HIDDEN}", cut)
    if len(cut) <= LONGEST_TEXT and len(text) <= 4 * LONGEST_TEXT:
        return cut
    return cut[:LONGEST_TEXT] + CUT


def describe_value(value: object) -> object:
    """`value` as JSON values: its shape, bounded and without secrets.

    An attrs object becomes its known fields under its class's name; what JSON cannot say
    becomes its redacted `repr`.
    """
    return _Description().of(value, depth=0)


@define(kw_only=True)
class _Description:
    """One tree in the making."""

    leaves_left: int = LEAVES

    def of(self, value: object, depth: int) -> object:
        self.leaves_left -= 1
        if self.leaves_left < 0:
            return CUT
        if isinstance(value, Enum):
            return value.name
        if value is None or isinstance(value, bool | int):
            return _whole(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else repr(value)  # JSON knows no NaN
        if isinstance(value, str):
            return redact_text(value)
        return self._of_tree(value, depth + 1)

    def _of_tree(self, value: object, depth: int) -> object:
        if depth > DEEPEST:
            return CUT
        if isinstance(value, Mapping):
            return self._of_pairs(((str(key), item) for key, item in value.items()), depth)
        if attrs.has(type(value)):
            return {type(value).__name__: self._of_pairs(_known_fields(value), depth)}
        if isinstance(value, list | tuple | set | frozenset):
            return self._of_items(value, depth)
        return redact_text(_safe_repr(value))

    def _of_pairs(self, pairs: Iterable[tuple[str, object]], depth: int) -> dict[str, object]:
        pairs = iter(pairs)
        shown = {}
        for name, item in islice(pairs, LONGEST_COLLECTION):
            secret = isinstance(item, str | bytes) and _HIDDEN_NAME.fullmatch(name) and item
            shown[redact_text(name)] = HIDDEN if secret else self.of(item, depth)
            if self.leaves_left < 0:
                break
        if next(pairs, None) is not None:
            shown[CUT] = CUT
        return shown

    def _of_items(self, items: Iterable[object], depth: int) -> list[object]:
        items = iter(items)
        shown = []
        for item in islice(items, LONGEST_COLLECTION):
            shown.append(self.of(item, depth))
            if self.leaves_left < 0:
                return shown
        if next(items, None) is not None:
            shown.append(CUT)
        return shown


def _whole(value: bool | int | None) -> object:
    # JSON readers (and orjson) take 64 bits; amounts of chains can have more.
    return str(value) if isinstance(value, int) and abs(value) >= 2**63 else value


def _known_fields(value: object) -> Iterable[tuple[str, object]]:
    for attribute in attrs.fields(type(value)):  # type: ignore[arg-type]
        item = getattr(value, attribute.name, None)
        if item is not None:
            yield attribute.name, item if attribute.repr else HIDDEN


def _safe_repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # a dump must not end at somebody's broken repr
        return f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
