"""A view is what a look at every token would find, whatever changes and however time goes."""

from collections.abc import Mapping
from unittest.mock import patch

import attrs
import orjson
import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import FrameRefused
from domain.messages import StatisticsPublished
from domain.token import Status, Token
from domain.values import Mint, UnixSeconds
from feed import views
from feed.board import Boards, Cursor
from feed.catalogue import Catalogue
from feed.orders import ORDERS
from feed.query import LISTS
from feed.view_query import ViewQuery, parse_view
from feed.views import AGED_AT_ONCE, AGING_SECONDS, FILLED_AT_ONCE, LINGER_SECONDS
from tests.unit.feed.plain_scan import PlainScan
from tests.unit.feed.test_board import Client, changes_in, put
from tests.unit.feed.test_selection import NEWS, SOME_FILTERS
from tests.unit.feed.tokens import NOW, make_token, mint_of
from tests.unit.feed.worlds import make_views

HOTTEST = parse_view({"limit": 2})
YOUNG = parse_view({"filters": {"maxAge": 2}, "sort": "new"})
OLD = parse_view({"filters": {"minAge": 2}})


@define
class Desk:
    """Boards whose clock is moved by hand."""

    limit: int = 1000
    most: int = 4
    now: UnixSeconds = NOW
    boards: Boards = field(init=False)

    def __attrs_post_init__(self) -> None:
        catalogue = Catalogue(self.limit)
        self.boards = Boards(
            catalogue=catalogue,
            views=make_views(catalogue, self.most, lambda: self.now),
            board_tokens=3,
            history_limit=4,
            epoch="epoch",
        )

    def wait(self, seconds: float) -> None:
        self.now = UnixSeconds(self.now + seconds)

    def open_view(self, query: ViewQuery) -> Client:
        """A client that is there, and counts."""
        self.boards.open_view(query)
        self.boards.views.hold_view(query.name)
        client = Client(query.name)
        client.connect(self.boards)
        return client

    def publish(self, *news: Token | StatisticsPublished) -> Mapping[str, bytes]:
        put(self.boards, *news)
        delta_round = self.boards.publish_changes()
        return delta_round.deltas if delta_round else {}

    def list_shown(self, query: ViewQuery) -> list[Mint]:
        snapshot = orjson.loads(self.boards.snapshot_message(query.name))
        return [item["mint"] for item in snapshot["items"]]


def list_expected(desk: Desk, view: dict[str, object], query: ViewQuery) -> list[Mint]:
    """By a look at every token."""
    catalogue = desk.boards.catalogue
    scan = PlainScan(list(catalogue.tokens.values()))
    filters, boards = view["filters"], view["boards"]
    assert isinstance(filters, dict)
    assert isinstance(boards, list)
    parameters = filters | {"sortBy": view["sort"], "limit": str(len(catalogue.tokens) + 1)}
    found = [m for name in boards for m in scan.find_mints(parameters, LISTS[name], desk.now)]
    rule = query.order.rule
    return sorted(found, key=lambda mint: (rule(catalogue.tokens[mint]), mint))[: query.limit]


VIEWS = st.fixed_dictionaries(
    {
        "boards": st.lists(st.sampled_from(sorted(LISTS)), min_size=1, unique=True),
        "filters": SOME_FILTERS,
        "sort": st.sampled_from(sorted(ORDERS)),
        "limit": st.sampled_from([1, 2, 5]),
    }
)
STEPS = st.lists(
    st.tuples(
        st.lists(NEWS, max_size=8),
        st.sampled_from([0.0, 0.0, AGING_SECONDS, 3.0, -2.0]),
        st.tuples(st.booleans(), st.booleans()),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(st.tuples(VIEWS, VIEWS), st.lists(NEWS, max_size=12), STEPS, st.sampled_from([4, 20]))
def test_a_folded_view_is_what_a_look_at_every_token_finds(
    described: tuple[dict[str, object], ...],
    before: list[Token | StatisticsPublished],
    steps: list[tuple[list[Token | StatisticsPublished], float, tuple[bool, ...]]],
    tracked: int,
) -> None:
    # Shortlists of a few more than are shown, so that they are cut, and filled anew.
    with patch.object(views, "SPARE_TOKENS", 2), patch.object(views, "FILL_FROM", 4):
        desk = Desk(limit=tracked)
        put(desk.boards, *before)
        queries = [parse_view(view) for view in described]
        clients = [desk.open_view(query) for query in queries]
        were_there = [True, True]
        for news, seconds, are_there in steps:
            for client, was, stays in zip(clients, were_there, are_there, strict=True):
                if stays and not was:
                    client.connect(desk.boards)
            desk.wait(seconds)
            deltas = desk.publish(*news)
            for number, client in enumerate(clients):
                expected = list_expected(desk, described[number], queries[number])
                assert expected == desk.list_shown(queries[number])
                if are_there[number]:
                    if client.name in deltas:
                        client.hear(deltas[client.name])
                    snapshot = orjson.loads(desk.boards.snapshot_message(client.name))
                    assert client.items == {item["mint"]: item for item in snapshot["items"]}
            were_there = list(are_there)


def test_a_view_tells_of_a_change_that_two_boards_show_in_the_same_words() -> None:
    desk = Desk()
    desk.open_view(HOTTEST)
    token = make_token(1, hot_score=1.0, holder_count=1)
    desk.publish(token)
    deltas = desk.publish(attrs.evolve(token, holder_count=5))
    expected = [{"mint": token.mint, "holderCount": 5}]
    assert {"new", "hot", HOTTEST.name} == deltas.keys()
    assert [expected] * 3 == [changes_in(delta) for delta in deltas.values()]


def test_tokens_come_and_go_by_their_age_alone_within_a_second() -> None:
    desk = Desk()
    desk.publish(make_token(1, first_seen_at=UnixSeconds(NOW - 60)))
    for query in (YOUNG, OLD):
        desk.open_view(query)
    assert ([mint_of(1)], []) == (desk.list_shown(YOUNG), desk.list_shown(OLD))
    desk.wait(59.9)
    assert {} == desk.publish()
    desk.wait(0.5)
    assert not desk.boards.views.are_due()
    assert {} == desk.publish()
    desk.wait(0.5)
    assert desk.boards.views.are_due()
    deltas = desk.publish()
    assert [{"mint": mint_of(1), "removed": True}] == changes_in(deltas[YOUNG.name])
    assert [mint_of(1)] == [item["mint"] for item in changes_in(deltas[OLD.name])]
    assert ([], [mint_of(1)]) == (desk.list_shown(YOUNG), desk.list_shown(OLD))


def test_a_round_looks_for_the_age_of_a_few_views_and_the_next_rounds_for_the_others() -> None:
    desk = Desk(most=3 * AGED_AT_ONCE)
    queries = [parse_view({"filters": {"maxAge": 2}, "limit": n + 1}) for n in range(desk.most)]
    desk.publish(make_token(1, first_seen_at=UnixSeconds(NOW - 60)))
    for query in queries:
        desk.open_view(query)
    desk.wait(61)
    left = []
    while desk.boards.views.are_due():
        desk.publish()
        left.append(sum(not desk.list_shown(query) for query in queries))
    assert [AGED_AT_ONCE, 2 * AGED_AT_ONCE, 3 * AGED_AT_ONCE] == left


def test_views_that_lack_tokens_are_filled_a_few_a_round_those_that_lack_most_first() -> None:
    desk = Desk()
    tokens = [make_token(n, hot_score=float(n)) for n in range(300)]
    put(desk.boards, *tokens)
    queries = [parse_view({"limit": limit}) for limit in (4, 3, 2, 1)]
    for query in queries:
        desk.open_view(query)
    gone = [attrs.evolve(token, silent=True) for token in tokens[200:]]
    desk.publish(*gone)
    shown = [len(desk.list_shown(query)) for query in queries]
    assert [4, 3, 0, 0] == shown, FILLED_AT_ONCE
    assert desk.boards.views.are_due()
    desk.publish()
    assert [4, 3, 2, 1] == [len(desk.list_shown(query)) for query in queries]
    assert not desk.boards.views.are_due()


def test_a_view_is_evaluated_once_for_all_of_its_clients() -> None:
    desk = Desk()
    desk.open_view(HOTTEST)
    board = desk.boards.views.living[HOTTEST.name].board
    desk.open_view(parse_view({"sort": "hotScore", "limit": 2}))
    assert board is desk.boards.views.living[HOTTEST.name].board
    assert 1 == len(desk.boards.views.living)


def test_a_view_without_clients_can_be_resumed_for_a_while() -> None:
    desk = Desk()
    client = desk.open_view(HOTTEST)
    desk.boards.views.release_view(HOTTEST.name)
    assert desk.boards.views.are_due()
    desk.publish()
    desk.wait(LINGER_SECONDS - 1)
    desk.publish(make_token(1, hot_score=1.0))
    assert client.cursor is not None
    messages = desk.boards.resume_messages(HOTTEST.name, client.cursor) or []
    assert ["resumed", "delta"] == [orjson.loads(message)["type"] for message in messages]
    desk.wait(1)
    assert desk.boards.views.are_due()
    desk.publish()
    assert not desk.boards.has_board(HOTTEST.name)


def test_a_view_with_a_client_lives_however_long() -> None:
    desk = Desk()
    desk.open_view(HOTTEST)
    desk.open_view(HOTTEST)
    desk.boards.views.release_view(HOTTEST.name)
    desk.wait(10 * LINGER_SECONDS)
    desk.publish()
    assert desk.boards.has_board(HOTTEST.name)


def test_nobody_resumes_from_an_earlier_life_of_a_view() -> None:
    desk = Desk()
    client = desk.open_view(HOTTEST)
    desk.boards.views.release_view(HOTTEST.name)
    desk.publish()
    desk.wait(LINGER_SECONDS)
    desk.publish()
    put(desk.boards, make_token(1, hot_score=1.0))  # is known, and not published yet
    other = desk.open_view(HOTTEST)
    assert client.cursor is not None
    assert desk.boards.resume_messages(HOTTEST.name, client.cursor) is None
    assert other.cursor is not None
    assert desk.boards.resume_messages(HOTTEST.name, other.cursor) is not None
    assert desk.boards.resume_messages("new", client.cursor) is not None
    assert [mint_of(1)] == list(other.items)


def test_another_epoch_takes_a_snapshot() -> None:
    desk = Desk()
    desk.open_view(HOTTEST)
    cursor = Cursor(epoch="other", offset=desk.boards.offset)
    assert desk.boards.resume_messages(HOTTEST.name, cursor) is None


def test_as_many_views_live_as_may_and_those_without_clients_make_room() -> None:
    desk = Desk(most=2)
    first, second, third = (parse_view({"limit": limit}) for limit in (1, 2, 3))
    desk.open_view(first)
    desk.open_view(second)
    with pytest.raises(FrameRefused) as refusal:
        desk.boards.open_view(third)
    assert "too_many_views" == refusal.value.reason
    assert 1 == desk.boards.views.refused
    desk.boards.views.release_view(first.name)
    desk.boards.open_view(third)
    assert {second.name, third.name} == desk.boards.views.living.keys()


def test_another_view_of_the_same_name_is_refused() -> None:
    desk = Desk()
    desk.open_view(HOTTEST)
    forged = attrs.evolve(parse_view({"limit": 3}), name=HOTTEST.name)
    with pytest.raises(FrameRefused) as refusal:
        desk.boards.open_view(forged)
    assert "bad_view" == refusal.value.reason


def test_a_view_of_what_no_source_tells_of_is_empty() -> None:
    desk = Desk()
    paid = parse_view({"filters": {"dexPaid": True}})
    desk.publish(make_token(1), make_token(2, status=Status.BONDED))
    desk.open_view(paid)
    assert [] == desk.list_shown(paid)
