"""What operators see, as JSON values: the one place where snapshots become JSON.

    Dump                                    ->  /api/ops/actors, SIGUSR1
    LedgerSnapshot, GovernorSnapshot        ->  /api/ops/writes
    CheckpointsSnapshot, GovernorSnapshot   ->  /api/ops/checkpoints, /api/ops/governor

Keys are the names of fields: in camelCase, but for the dump, which has always had them as they
are. What is no snapshot (an error, a connection of the server's) keeps its names everywhere.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

import attrs

from domain.errors import QueryRefused, RequestRefused
from domain.snapshots import Snapshot, read_fields
from feed.http import HttpRequest
from feed.parameters import read_parameter, read_parameters

DECIMALS = 6  # of every float: microseconds, millionths of a share
CAMEL_CASED_IN_DUMPS = frozenset({"governor"})  # reads there as under its own path

HISTORY_HOURS, DEFAULT_HOURS = (1, 6, 24, 168), 6

KeyOf = Callable[[str], str]  # the key of a field's name


def render_snapshot(snapshot: Snapshot) -> dict[str, object]:
    """A snapshot, and those inside it, under camelCase keys."""
    return _render_fields(snapshot, _camel_cased)


def read_hours(request: HttpRequest) -> int:
    """The span that a history is asked for; `RequestRefused` for another one."""
    try:
        given = read_parameters(request.query, ("hours",))
        return read_parameter(given, "hours", _parse_hours, DEFAULT_HOURS)
    except QueryRefused as refusal:
        raise RequestRefused(400, "bad_query", refusal.reason) from None


def _parse_hours(value: str) -> int:
    if value not in map(str, HISTORY_HOURS):
        raise ValueError(f"one of {', '.join(map(str, HISTORY_HOURS))}")
    return int(value)


def render_writes(ledger: Snapshot, governor: Snapshot) -> dict[str, object]:
    """The ledger's accounts, and the governor that holds them down."""
    return {**render_snapshot(ledger), "governor": render_snapshot(governor)}


def render_dump(dump: Snapshot) -> dict[str, object]:
    """A dump of the supervisor under the names of its fields."""
    return _render_fields(dump, _as_it_is)


def _render_fields(snapshot: Snapshot, key_of: KeyOf) -> dict[str, object]:
    return {
        key_of(name): _render(value, _camel_cased if name in CAMEL_CASED_IN_DUMPS else key_of)
        for name, value in read_fields(snapshot).items()
    }


def _render(value: object, key_of: KeyOf) -> object:
    if isinstance(value, Snapshot):
        return _render_fields(value, key_of)
    if isinstance(value, Mapping):
        return {str(key): _render(item, key_of) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_render(item, key_of) for item in value]
    if attrs.has(type(value)):
        return _render(attrs.asdict(value), key_of)  # type: ignore[arg-type]
    return _render_leaf(value)


def _render_leaf(value: object) -> object:
    if isinstance(value, float):
        return round(value, DECIMALS)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


def _as_it_is(name: str) -> str:
    return name


def _camel_cased(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
