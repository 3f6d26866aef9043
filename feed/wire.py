"""A token as JSON, under the names of the Prisma model that existing clients know.

Keys come from the metadata of `domain.token`. An unknown value is null, a zero is a zero, a time
is ISO 8601 in UTC with milliseconds, as Prisma writes it. Two keys describe the status: `status`
("NEW", ... or "DEAD" for a silent token) and `state`, the same in lower case.

Its trading follows (feed/statistics.py), then `provenance`: where each class of fields came from
last, and when. `{"market": {"source": "chain", "at": "2026-..."}, ..., "windows": {"5m": ...}}`
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter

import orjson
from attrs import Factory, define, field

from domain.lifecycle import shown_status
from domain.token import FIELDS, Group, Status, Token
from domain.values import Mint, UnixSeconds
from feed.statistics import NO_STATISTICS, render_counted_day, render_statistics

Item = dict[str, object]
Origin = dict[str, str | None]  # {"source", "at"}

_SHOWN = [(rule.name, rule.wire) for rule in FIELDS.values() if rule.wire is not None]
_KEYS = [wire for _, wire in _SHOWN]
_TIMES = [(rule.name, rule.wire) for rule in FIELDS.values() if rule.wire and rule.is_time]
_values_of = attrgetter(*(name for name, _ in _SHOWN))

# The classes of fields whose origin is shown, each with a way to read all of its values.
_ORIGINS = [
    (group.value, attrgetter(*(n for n, rule in FIELDS.items() if rule.group is group)))
    for group in (Group.LIFECYCLE, Group.MARKET, Group.HOLDERS, Group.PROFILE)
]
LIVE_KEYS = frozenset({*NO_STATISTICS, "provenance"})  # of what is in no store
STORED = "stored"  # the source of values that came back from Postgres, which keeps no sources

AFTER_LAST_TIME = 253_402_300_800  # the year 10000, which ISO 8601 cannot write


def to_milliseconds(at: UnixSeconds | None) -> int | None:
    """Whole milliseconds since 1970; None for an unknown time, or one that JSON cannot show."""
    if at is None or not 0 <= at < AFTER_LAST_TIME:
        return None
    return min(round(at * 1000), AFTER_LAST_TIME * 1000 - 1)


@lru_cache(maxsize=16_384)  # some 2 MB; most times of an item are those it had before its change
def to_iso_time(at: UnixSeconds | None) -> str | None:
    """`2026-07-30T12:00:00.250Z`; None where the time is unknown or cannot be written."""
    whole = to_milliseconds(at)
    if whole is None:
        return None
    minute, rest = divmod(whole, 60_000)
    seconds, milliseconds = divmod(rest, 1000)
    return f"{_write_minute(minute)}{seconds:02d}.{milliseconds:03d}Z"


@lru_cache(maxsize=4096)  # most times shown are of the last two days' minutes
def _write_minute(minute: int) -> str:
    return f"{datetime.fromtimestamp(minute * 60, UTC):%Y-%m-%dT%H:%M:}"


def make_item(token: Token) -> Item:
    """The token under its JSON names, every key present."""
    item: Item = dict(zip(_KEYS, _values_of(token), strict=True))
    for name, key in _TIMES:
        item[key] = to_iso_time(getattr(token, name))
    status = shown_status(token)
    item["status"] = status
    item["state"] = status.lower()
    before = token.previous_status
    item["previousState"] = None if before is None else Status(before).name.lower()
    statistics = token.statistics
    if statistics is not None:
        item.update(render_counted_day(statistics))
    item.update(render_statistics(statistics))
    item["provenance"] = _render_provenance(token)
    return item


def _render_provenance(token: Token) -> dict[str, object]:
    shown: dict[str, object] = {}
    provenance = token.provenance
    for name, values_of in _ORIGINS:
        origin = provenance.get(name)
        if origin is not None:
            shown[name] = {"source": origin[0], "at": to_iso_time(origin[1])}
        elif _has_values(values_of(token)):
            shown[name] = {
                "source": STORED,
                "at": to_iso_time(token.last_updated_at or token.first_seen_at),
            }
    statistics = token.statistics
    if statistics is not None and statistics.sources:
        at = to_iso_time(statistics.observed_at)
        shown["windows"] = {
            window: {"source": source, "at": at} for window, source in statistics.sources.items()
        }
    return shown


def _has_values(values: object) -> bool:
    if isinstance(values, tuple):
        return values.count(None) < len(values)
    return values is not None


def find_changes(before: Item, after: Item) -> Item:
    """The keys of `after` whose values differ from `before`."""
    return {key: value for key, value in after.items() if before[key] != value}


def tell_of_times_alone(changes: Item, before: Item) -> bool:
    """True when nothing has changed but when the values were last told, by the same sources."""
    if changes.keys() != {"provenance"}:
        return False
    return _list_sources(changes["provenance"]) == _list_sources(before["provenance"])


def _list_sources(provenance: object) -> object:
    """The provenance without its times."""
    if not isinstance(provenance, dict):
        return provenance
    return {name: _list_sources(part) for name, part in provenance.items() if name != "at"}


def encode_json(value: Mapping[str, object]) -> bytes:
    """JSON; NaN and infinities become null."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        # One odd value (see `_tame_value`) must not stop the feed.
        return orjson.dumps({key: _tame_value(odd) for key, odd in value.items()})


def _tame_value(value: object) -> object:
    """The nearest value that orjson encodes: no integer past 64 bits, no lone surrogate."""
    if isinstance(value, int) and value.bit_length() > 63:
        return float(value) if value.bit_length() < 1000 else None
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


@define(eq=False)
class ShownToken:
    """A token as clients see it."""

    token: Token
    item: Item  # callers must not change it
    _json: bytes | None = field(init=False, default=None)
    # The change that was described last, which other boards want as well.
    _newer: "ShownToken | None" = field(init=False, default=None)
    _change: bytes | None = field(init=False, default=None)

    def describe_change(self, newer: "ShownToken") -> bytes | None:
        """The mint with what differs, as JSON: empty for nothing, None for times alone."""
        if self._newer is not newer:
            changes = find_changes(self.item, newer.item)
            self._newer = newer
            self._change = encode_json({"mint": newer.token.mint, **changes}) if changes else b""
            if tell_of_times_alone(changes, self.item):
                self._change = None
        return self._change

    def to_json(self) -> bytes:
        """The item as JSON, encoded once."""
        if self._json is None:
            self._json = encode_json(self.item)
        return self._json


@define
class ItemCache:
    """Tokens as clients see them; at most `limit`, the longest unused go first."""

    limit: int
    _shown: OrderedDict[Mint, ShownToken] = Factory(OrderedDict)

    def show(self, token: Token) -> ShownToken:
        """The token with its item, which is made once."""
        shown = self._shown.get(token.mint)
        if shown is None or shown.token is not token:
            shown = self._shown[token.mint] = ShownToken(token, make_item(token))
            if len(self._shown) > self.limit:
                self._shown.popitem(last=False)
        self._shown.move_to_end(token.mint)
        return shown

    def get_item(self, token: Token) -> Item:
        """The token's item; callers must not change it."""
        return self.show(token).item

    def get_json(self, token: Token) -> bytes:
        """The token's item as JSON."""
        return self.show(token).to_json()
