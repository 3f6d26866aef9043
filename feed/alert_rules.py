"""Alert rules: what is asked of which tokens, checked and brought into one form. Pure.

    {"kind": "capAbove", "value": 69000, "scope": "watched"}  --parse_rule-->  AlertRule

Kinds and words are those of the browser's alerts (feed/pages/alert_rules.js). What a rule asks for
is a filter of the feed, so that it is compared as every filter is.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from math import inf, isfinite
from re import compile as compile_expression
from typing import Any

import orjson
from attrs import evolve, field, frozen

from domain.alerts import RuleDocument
from domain.errors import FrameRefused, MintRefused, RuleRefused
from domain.values import Mint, parse_mint
from feed.board import BOARD_NAMES
from feed.selection import Bounds, Filters
from feed.token_columns import LIVE, TRADED, WATCHED
from feed.view_query import ViewQuery, parse_view

# What is a figure of a token that comes to a value: kind -> filter that is met from then on.
FIGURES = {
    "capAbove": "minMarketCap",
    "capBelow": "maxMarketCap",
    "priceAbove": "minPriceUsd",
    "priceBelow": "maxPriceUsd",
}
# What a token becomes: kind -> the lists that it is on from then on.
STAGES = {"graduating": ["graduating", "bonded"], "bonded": ["bonded"]}
NEW_IN = "newIn"
KINDS = (*STAGES, *FIGURES, NEW_IN)
LABELS = {  # what has happened to a token, without its name
    "graduating": "starts graduating",
    "bonded": "bonds",
    "capAbove": "market cap rises to ${value:,.15g}",
    "capBelow": "market cap falls to ${value:,.15g}",
    "priceAbove": "price rises to ${value:,.15g}",
    "priceBelow": "price falls to ${value:,.15g}",
    "newIn": "is new in {scope}",
}
ANY_WATCHED = "watched"  # the scope of all tokens that anybody watches
MEMBERS = ("id", "name", "kind", "scope", "value", "endpoints", "coolDownSeconds")
ID = compile_expression(r"[A-Za-z0-9._-]{1,40}")
ID_DIGITS = 10  # of an id that is made of what the rule asks for
MOST_RULES = 50  # as many as a browser keeps
MOST_SCOPE_MINTS, LONGEST_NAME = 100, 100
LONGEST_COOL_DOWN_SECONDS = 86_400.0
VIEW_OF_FILTERS = ("boards", "filters")  # what a view has to say where no order counts


@frozen(kw_only=True)
class Crossing:
    """A condition that a token comes to meet."""

    condition: Filters = field(eq=False)
    known: Filters = field(eq=False)  # what a token must be for the condition to be judged
    mints: frozenset[Mint] | None = None  # these alone; None: any
    within: Filters | None = field(eq=False, default=None)  # and these alone


@frozen(kw_only=True)
class Arrival:
    """A board or a view, by itself, that a token comes to stand on."""

    board: str | None = None
    view: ViewQuery | None = None

    @property
    def goes_by_trading(self) -> bool:
        """Whether what is counted of trades, and not known after a start, decides."""
        view = self.view
        return view is not None and bool(view.filters.flags & TRADED)


@frozen(kw_only=True)
class AlertRule:
    """What fires, for whom, and how often."""

    document: RuleDocument  # the one form; what follows is read from it
    id: str
    asks: Crossing | Arrival
    endpoints: tuple[str, ...]  # names; empty: every one
    cool_down_seconds: float

    def describe_event(self) -> str:
        """What happens to a token for which it fires, in words."""
        scope = self.document["scope"]
        shown = scope if isinstance(scope, str) else self.document["name"] or "a view"
        return LABELS[self.document["kind"]].format(value=self.document["value"], scope=shown)


def parse_rules(text: str, endpoints: Collection[str], cool_down_seconds: float) -> list[AlertRule]:
    """The rules of a setting; `RuleRefused` says which one is wrong, and how."""
    try:
        described = orjson.loads(text) if text.strip() else []
    except orjson.JSONDecodeError as error:
        raise RuleRefused(f"must be a JSON list of rules: {error}") from error
    if not isinstance(described, list) or len(described) > MOST_RULES:
        raise RuleRefused(f"must be a JSON list of at most {MOST_RULES} rules")
    rules = []
    for number, each in enumerate(described, start=1):
        try:
            rules.append(parse_rule(each, endpoints, cool_down_seconds))
        except RuleRefused as error:
            raise RuleRefused(f"rule {number}: {error}") from error
    if len({rule.id for rule in rules}) < len(rules):
        raise RuleRefused("must have another id each")
    return rules


def parse_rule(
    described: object, endpoints: Collection[str], cool_down_seconds: float
) -> AlertRule:
    """The rule that is described, for known endpoints; `RuleRefused` names what is wrong."""
    if not isinstance(described, Mapping):
        raise RuleRefused("a rule is a JSON object")
    if unknown := sorted(set(map(str, described)) - set(MEMBERS)):
        raise RuleRefused(f"{unknown[0][:60]} is not known; a rule has {', '.join(MEMBERS)}")
    kind, value = described.get("kind"), described.get("value")
    if kind not in KINDS:
        raise RuleRefused(f"kind is one of {', '.join(KINDS)}")
    document: dict[str, Any] = {
        "id": "",
        "name": _read_name(described.get("name")),
        "kind": kind,
        "scope": None,
        "value": _read_value(kind, value),
        "endpoints": _read_endpoints(described.get("endpoints"), endpoints),
        "coolDownSeconds": _read_cool_down(described.get("coolDownSeconds"), cool_down_seconds),
    }
    read_asked = _read_arrival if kind == NEW_IN else _read_crossing
    asks, document["scope"] = read_asked(document, described.get("scope"))
    document["id"] = _read_id(described.get("id"), document)
    return AlertRule(
        document=document,
        id=document["id"],
        asks=asks,
        endpoints=tuple(document["endpoints"]),
        cool_down_seconds=document["coolDownSeconds"],
    )


def _read_id(given: object, document: RuleDocument) -> str:
    """The id; of a rule that has none it follows from what the rule asks for."""
    if given is None:
        return sha256(orjson.dumps(document)).hexdigest()[:ID_DIGITS]
    if not isinstance(given, str) or ID.fullmatch(given) is None:
        raise RuleRefused("id is a text of at most 40 letters, digits and . _ -")
    return given


def _read_name(given: object) -> str:
    name = "" if given is None else given
    if not isinstance(name, str) or len(name) > LONGEST_NAME or not name.isprintable():
        raise RuleRefused(f"name is a text of at most {LONGEST_NAME} characters on one line")
    return name


def _read_value(kind: str, given: object) -> float | None:
    if kind not in FIGURES:
        if given is not None:
            raise RuleRefused(f"{kind} has no value")
        return None
    number = _read_number(given)
    if number is None or number <= 0:
        raise RuleRefused(f"{kind} wants a value, a number of US dollars above 0")
    return number


def _read_cool_down(given: object, usual: float) -> float:
    seconds = usual if given is None else _read_number(given)
    if seconds is None or not 0 <= seconds <= LONGEST_COOL_DOWN_SECONDS:
        raise RuleRefused(f"coolDownSeconds is a number from 0 to {LONGEST_COOL_DOWN_SECONDS:g}")
    return seconds


def _read_number(given: object) -> float | None:
    """A finite number, or None for anything else."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    try:
        number = float(given)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def _read_endpoints(given: object, known: Collection[str]) -> list[str]:
    if given is None:
        return []
    names: list[Any] = given if isinstance(given, list) else [None]
    if not all(isinstance(name, str) and name in known for name in names):
        raise RuleRefused(f"endpoints is a list of {', '.join(sorted(known))}; left out: all")
    return sorted(set(names))


# Scopes.


def _read_crossing(document: RuleDocument, scope: object) -> tuple[Crossing, object]:
    """What a token must come to, and the scope in its one form."""
    kind = document["kind"]
    asked: dict[str, object] = {"boards": STAGES[kind]} if kind in STAGES else {}
    if kind in FIGURES:
        asked = {"filters": {FIGURES[kind]: document["value"]}}
    filters = parse_view(asked).filters
    # A silent token is judged, too: what wakes it may be what the rule waits for.
    condition = evolve(filters, flags=filters.flags & ~LIVE)
    crossing = Crossing(
        condition=condition,
        known=Filters(numbers={column: Bounds(least=-inf) for column in condition.numbers}),
    )
    if scope == ANY_WATCHED:
        return evolve(crossing, within=Filters(flags=WATCHED)), scope
    if isinstance(scope, Mapping):
        if other := sorted(set(map(str, scope)) - set(VIEW_OF_FILTERS)):
            raise RuleRefused(f"scope: {other[0][:60]} is for newIn alone; give boards or filters")
        view = _read_view(scope)
        shown = {name: view.document[name] for name in VIEW_OF_FILTERS}
        return evolve(crossing, within=view.filters), shown
    mints = _read_mints([scope] if isinstance(scope, str) else scope)
    return evolve(crossing, mints=frozenset(mints)), mints


def _read_arrival(_document: RuleDocument, scope: object) -> tuple[Arrival, object]:
    if isinstance(scope, Mapping):
        view = _read_view(scope)
        return Arrival(view=view), view.document
    if not isinstance(scope, str) or scope not in BOARD_NAMES:
        raise RuleRefused(f"scope of newIn is {', '.join(BOARD_NAMES)}, or a view")
    return Arrival(board=scope), scope


def _read_view(scope: Mapping[Any, object]) -> ViewQuery:
    try:
        return parse_view(dict(scope))
    except FrameRefused as refusal:
        raise RuleRefused(f"scope: {refusal.message or refusal.reason}") from refusal


def _read_mints(given: object) -> Sequence[Mint]:
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_SCOPE_MINTS:
        raise RuleRefused(
            f"scope is {ANY_WATCHED}, a mint, a list of at most {MOST_SCOPE_MINTS} mints,"
            " or a view's boards and filters"
        )
    return _parse_mints(given)


def _parse_mints(given: Iterable[object]) -> list[Mint]:
    try:
        return sorted(set(map(parse_mint, given)))
    except MintRefused as refusal:
        raise RuleRefused(f"scope: {refusal}") from refusal
