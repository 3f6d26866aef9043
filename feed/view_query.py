"""A view as a client describes it, checked and brought into one form. Pure.

    {"boards": ["new"], "filters": {"minVolume1h": 5000}, "sort": "hot", "limit": 100}
        --parse_view--> ViewQuery

Filters are the feed's parameters (feed/query.py), as JSON numbers, booleans or texts. Two
descriptions that mean the same have one form, and so one name: `view:` and a hash of the form.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from hashlib import sha256

import orjson
from attrs import evolve, field, frozen

from domain.errors import FrameRefused, QueryRefused
from feed.orders import ORDERS, Order
from feed.query import (
    KNOWN_PARAMETERS,
    LISTS,
    NUMBER_PARAMETERS,
    OTHER_ORDERS,
    REQUIRED_FLAGS,
    TEXT_COLUMNS,
    read_filters,
    use_first_names,
)
from feed.selection import Filters
from feed.token_columns import flag_of

PREFIX, NAME_DIGITS = "view:", 12
FIELDS = ("boards", "filters", "sort", "limit")
FILTER_NAMES = KNOWN_PARAMETERS - {"sortBy", "limit"}
LARGEST_LIMIT, USUAL_LIMIT = 500, 100
USUAL_SORT = "hot"
LONGEST_SHOWN = 60  # characters of a wrong name or value that are repeated
LARGEST_INTEGER = 2**53  # the numbers of JavaScript are whole as far as that

Document = Mapping[str, object]


@frozen(kw_only=True)
class ViewQuery:
    """A view's filters, order and size, and how it is called."""

    document: Document  # the one form; what follows is read from it
    filters: Filters = field(eq=False)
    order: Order = field(eq=False)
    limit: int
    name: str


def parse_view(described: object) -> ViewQuery:
    """The view that is described; `FrameRefused` names the field that is wrong."""
    given = _require_object(described, "view")
    for name in given:
        if name not in FIELDS:
            raise _refuse(name, f"view.{_unknown(name, FIELDS)}")
    boards = _read_boards(given.get("boards"))
    filters, shown_filters = _read_filters(given.get("filters"))
    sort, limit = _read_sort(given.get("sort")), _read_limit(given.get("limit"))
    document = {"boards": boards, "filters": shown_filters, "sort": sort, "limit": limit}
    digits = sha256(orjson.dumps(document)).hexdigest()[:NAME_DIGITS]
    statuses = sum(flag_of(LISTS[board]) for board in boards)
    if len(boards) < len(LISTS):
        filters = evolve(filters, any_flags=statuses)
    return ViewQuery(
        document=document,
        filters=filters,
        order=ORDERS[sort],
        limit=limit,
        name=f"{PREFIX}{digits}",
    )


def is_view_name(text: str) -> bool:
    """Whether a board of this name could be a view."""
    digits = text.removeprefix(PREFIX)
    return len(text) == len(PREFIX) + NAME_DIGITS and set(digits) <= set("0123456789abcdef")


def _read_boards(given: object) -> list[str]:
    """The lists from which tokens are taken, each once and in one order."""
    if given is None:
        return sorted(LISTS)
    if not isinstance(given, list) or not given:
        raise _refuse(given, f"boards is a list of {', '.join(sorted(LISTS))}, or left out")
    for board in given:
        if not isinstance(board, str) or board not in LISTS:
            raise _refuse(board, f"boards: {_unknown(board, LISTS)}")
    return sorted(set(given))


def _read_filters(given: object) -> tuple[Filters, Document]:
    """What a token must be, and the same in the one form."""
    written: dict[str, str] = {}
    for name, value in _require_object({} if given is None else given, "filters").items():
        if name in ("sortBy", "limit"):
            beside = {"sortBy": "sort"}.get(name, name)
            raise _refuse(name, f"filters.{name} is no filter: give {beside} beside filters")
        if name not in FILTER_NAMES:
            raise _refuse(name, f"filters.{_unknown(name, FILTER_NAMES)}")
        written[name] = _write_value(name, value)
    try:
        parameters = use_first_names(written)
        filters = read_filters(parameters)
    except QueryRefused as refusal:
        raise _refuse(given, f"filters.{refusal.reason}") from refusal
    shown = {
        name: _shown_value(name, text, filters)
        for name, value in sorted(parameters.items())
        if (text := value.strip())
    }
    return filters, {
        name: value for name, value in shown.items() if value is not False and value != ""
    }


def _write_value(name: str, value: object) -> str:
    """A value as a query string has it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        if name in REQUIRED_FLAGS:
            return "true" if value else "false"
    elif isinstance(value, int | float):
        return repr(value)
    elif isinstance(value, str):
        return value
    raise _refuse(value, f"filters.{name} must be {_kind_of(name)}")


def _kind_of(name: str) -> str:
    if name in NUMBER_PARAMETERS:
        return "a number"
    return "true or false" if name in REQUIRED_FLAGS else "a text"


def _shown_value(name: str, text: str, filters: Filters) -> bool | int | float | str:
    """A filter's value in the one form; false or empty where it filters nothing."""
    if name in NUMBER_PARAMETERS:
        number = float(text)
        is_whole = number.is_integer() and abs(number) <= LARGEST_INTEGER
        return int(number) if is_whole else number
    if name in REQUIRED_FLAGS:
        return text.lower() in ("true", "1")
    if name in TEXT_COLUMNS:
        return ",".join(sorted(filters.texts.get(TEXT_COLUMNS[name], ())))
    return text.upper() if name == "status" else text


def _read_sort(given: object) -> str:
    if given is None:
        return USUAL_SORT
    sort = OTHER_ORDERS.get(given, given) if isinstance(given, str) else given
    if not isinstance(sort, str) or sort not in ORDERS:
        raise _refuse(given, f"sort: {_unknown(given, ORDERS)}")
    return sort


def _read_limit(given: object) -> int:
    if given is None:
        return USUAL_LIMIT
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= LARGEST_LIMIT:
        raise _refuse(given, f"limit is a whole number from 1 to {LARGEST_LIMIT}")
    return given


def _require_object(given: object, name: str) -> dict[str, object]:
    if not isinstance(given, dict):
        raise _refuse(given, f"{name} is a JSON object")
    return given


def _unknown(word: object, known: Iterable[str]) -> str:
    """Says that nothing is called so, and what is called most nearly so."""
    shown = str(word)[:LONGEST_SHOWN]
    by_lower_case = {each.lower(): each for each in known}
    (nearest,) = get_close_matches(shown.lower(), by_lower_case, n=1, cutoff=0.0)
    return f"{shown} is not known; did you mean {by_lower_case[nearest]}?"


def _refuse(sample: object, message: str) -> FrameRefused:
    return FrameRefused(sample, reason="bad_view", message=message)
