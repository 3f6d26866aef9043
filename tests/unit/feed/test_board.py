"""Snapshots and deltas: whatever a client folds is what the server shows."""

from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.messages import StatisticsPublished
from domain.token import Status, Token
from domain.values import UnixSeconds
from feed import wire
from feed.board import BOARD_NAMES, Boards, Cursor
from feed.catalogue import Catalogue
from feed.ranked_board import Board, History
from feed.ranking import Ranking
from feed.wire import ItemCache, make_item
from tests.unit.feed.tokens import NOW, make_statistics, make_token, mint_of, statistics, tokens
from tests.unit.feed.worlds import make_views

Item = dict[str, Any]

ORDER_KEYS = {
    "new": "firstSeenAt",
    "graduating": "bondingCurveProgress",
    "bonded": "stateChangedAt",
    "hot": "hotScore",
}


def make_boards(board_tokens: int = 3, history_limit: int = 4, limit: int = 100) -> Boards:
    catalogue = Catalogue(limit)
    return Boards(
        catalogue=catalogue,
        views=make_views(catalogue),
        board_tokens=board_tokens,
        history_limit=history_limit,
        epoch="epoch",
    )


def put(boards: Boards, *news: "News") -> None:
    for each in news:
        if isinstance(each, Token):
            boards.catalogue.put_token(each)
        else:
            for mint, figures in each.statistics.items():
                boards.catalogue.put_statistics(mint, figures)


def changes_of(boards: Boards, name: str) -> list[Item]:
    delta_round = boards.publish_changes()
    if delta_round is None:
        return []
    return changes_in(delta_round.deltas[name])


def changes_in(delta: bytes) -> list[Item]:
    changes: list[Item] = orjson.loads(delta)["changes"]
    return changes


class Client:
    """Follows one board by the rules in the board's docstring, as any client would."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.items: dict[str, Item] = {}
        self.cursor: Cursor | None = None

    def connect(self, boards: Boards) -> None:
        missed = boards.resume_messages(self.name, self.cursor) if self.cursor else None
        for message in missed or [boards.snapshot_message(self.name)]:
            self.hear(message)

    def hear(self, message: bytes) -> None:
        frame = orjson.loads(message)
        if frame["type"] == "snapshot":
            self.items = {item["mint"]: item for item in frame["items"]}
        elif frame["type"] == "delta":
            assert self.cursor is not None
            assert self.cursor.offset < frame["offset"]
            self.fold(frame["changes"])
        self.cursor = Cursor(epoch=frame["epoch"], offset=frame["offset"])

    def fold(self, changes: list[Item]) -> None:
        for change in changes:
            if change.get("removed"):
                del self.items[change["mint"]]
            else:
                self.items[change["mint"]] = self.items.get(change["mint"], {}) | change

    def ordered(self) -> list[Item]:
        key = ORDER_KEYS[self.name]
        by_mint = sorted(self.items.values(), key=lambda item: item["mint"])
        known = [item for item in by_mint if item[key] is not None]
        unknown = [item for item in by_mint if item[key] is None]
        return sorted(known, key=lambda item: item[key], reverse=True) + unknown


News = Token | StatisticsPublished

# A step is news to put, then for each of four clients whether it is there for the next delta.
MESSAGES = st.builds(
    StatisticsPublished,
    statistics=st.dictionaries(st.integers(0, 7).map(mint_of), statistics(), max_size=3),
)
STEPS = st.lists(
    st.tuples(
        st.lists(tokens(st.integers(0, 7)) | MESSAGES, max_size=6),
        st.tuples(*[st.booleans()] * 4),
    ),
    max_size=20,
)


@settings(max_examples=150)
@given(STEPS)
def test_folded_deltas_equal_the_snapshot_across_disconnects(
    steps: list[tuple[list[News], tuple[bool, ...]]],
) -> None:
    boards = make_boards(limit=6)
    clients = [Client(name) for name in BOARD_NAMES]
    were_there = [False] * len(clients)
    for news, are_there in steps:
        for client, was, stays in zip(clients, were_there, are_there, strict=True):
            if stays and not was:
                client.connect(boards)
        put(boards, *news)
        delta_round = boards.publish_changes()
        for client, is_there in zip(clients, are_there, strict=True):
            if is_there and delta_round is not None and client.name in delta_round.deltas:
                client.hear(delta_round.deltas[client.name])
            if is_there:
                snapshot = orjson.loads(boards.snapshot_message(client.name))
                # Sorted in a stable way with reverse, equal keys keep the order by mint.
                assert snapshot["items"] == client.ordered()
        were_there = list(are_there)


@given(STEPS)
def test_a_delta_has_a_change_and_at_most_two_a_place(
    steps: list[tuple[list[News], tuple[bool, ...]]],
) -> None:
    boards = make_boards()
    for news, _ in steps:
        put(boards, *news)
        delta_round = boards.publish_changes()
        for delta in delta_round.deltas.values() if delta_round else ():
            assert 1 <= len(changes_in(delta)) <= 2 * boards.board_tokens


def test_a_new_token_comes_whole_and_then_only_what_changed() -> None:
    boards = make_boards()
    token = make_token(holder_count=1)
    put(boards, token)
    (whole,) = changes_of(boards, "new")
    assert whole["status"] == "NEW"
    put(boards, attrs.evolve(token, holder_count=2))
    assert [{"mint": token.mint, "holderCount": 2}] == changes_of(boards, "new")


def test_values_told_again_are_no_change_and_go_with_the_next_one() -> None:
    boards = make_boards()
    token = make_token(holder_count=1, provenance={"market": ("chain", NOW)})
    put(boards, token)
    boards.publish_changes()
    published = boards.snapshot_message("new")
    later = UnixSeconds(NOW + 5)
    again = attrs.evolve(token, provenance={"market": ("chain", later)})
    for newer in (again, attrs.evolve(again)):
        put(boards, newer)
        assert (None, published) == (boards.publish_changes(), boards.snapshot_message("new"))
    put(boards, attrs.evolve(again, holder_count=2))
    (change,) = changes_of(boards, "new")
    assert {"mint", "holderCount", "provenance"} == change.keys()
    assert "2026-07-25T17:20:05.000Z" == change["provenance"]["market"]["at"]


def test_values_told_again_cost_one_comparison_however_many_rounds_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    boards = make_boards()
    tokens = [make_token(n, provenance={"market": ("chain", NOW)}) for n in (1, 2)]
    put(boards, *tokens)
    boards.publish_changes()
    put(boards, attrs.evolve(tokens[0], provenance={"market": ("chain", UnixSeconds(NOW + 5))}))
    boards.publish_changes()
    made: list[str] = []

    def make_noted_item(token: Token) -> dict[str, object]:
        made.append(token.mint)
        return make_item(token)

    monkeypatch.setattr(wire, "make_item", make_noted_item)
    put(boards, attrs.evolve(tokens[1], holder_count=3))
    assert boards.publish_changes() is not None
    assert [mint_of(2)] == made


def test_another_source_is_a_change() -> None:
    boards = make_boards()
    token = make_token(provenance={"market": ("chain", NOW)})
    put(boards, token)
    boards.publish_changes()
    put(boards, attrs.evolve(token, provenance={"market": ("dexscreener", NOW)}))
    (change,) = changes_of(boards, "new")
    assert "dexscreener" == change["provenance"]["market"]["source"]


def test_statistics_of_the_same_figures_are_no_change() -> None:
    boards = make_boards()
    put(boards, make_token())
    news = [(1.0, NOW), (1.0, NOW + 2), (1.5, NOW + 4)]
    for volume, at in news:
        figures = make_statistics(observed_at=at, volume_usd=volume)
        put(boards, StatisticsPublished(statistics={mint_of(1): figures}))
        boards.publish_changes()
    assert 2 == boards.offset


def test_a_graduating_token_moves_from_one_board_to_the_other() -> None:
    boards = make_boards()
    token = make_token()
    put(boards, token)
    boards.publish_changes()
    put(boards, attrs.evolve(token, status=Status.GRADUATING))
    delta_round = boards.publish_changes()
    assert delta_round is not None
    left = changes_in(delta_round.deltas["new"])
    (came,) = changes_in(delta_round.deltas["graduating"])
    assert [{"mint": token.mint, "removed": True}] == left
    assert came["status"] == "GRADUATING"


def test_a_token_that_falls_silent_is_removed_from_every_board() -> None:
    boards = make_boards()
    token = make_token(hot_score=1.0)
    put(boards, token)
    boards.publish_changes()
    put(boards, attrs.evolve(token, silent=True))
    boards.publish_changes()
    assert dict.fromkeys(BOARD_NAMES, 0) == boards.count_tokens()


def test_the_hot_board_has_only_tokens_with_a_score_hottest_first() -> None:
    boards = make_boards()
    put(boards, make_token(1), make_token(2, hot_score=5.0))
    put(boards, make_token(3, hot_score=9.0, status=Status.BONDED))
    boards.publish_changes()
    items = orjson.loads(boards.snapshot_message("hot"))["items"]
    assert [mint_of(3), mint_of(2)] == [item["mint"] for item in items]


def test_nothing_is_published_while_no_board_changes() -> None:
    boards = make_boards()
    token = make_token(id=None)
    put(boards, token)
    assert boards.publish_changes() is not None
    put(boards, attrs.evolve(token, id=7))  # clients do not see it
    assert boards.publish_changes() is None
    assert boards.offset == 1


def test_one_offset_counts_for_all_boards() -> None:
    boards = make_boards()
    put(boards, make_token(hot_score=1.0))
    delta_round = boards.publish_changes()
    assert delta_round is not None
    offsets = {name: orjson.loads(delta)["offset"] for name, delta in delta_round.deltas.items()}
    assert {"new": 1, "hot": 1} == offsets


def test_a_snapshot_shows_what_was_published_not_what_is_to_come() -> None:
    boards = make_boards()
    put(boards, make_token())
    assert orjson.loads(boards.snapshot_message("new"))["items"] == []
    boards.publish_changes()
    assert len(orjson.loads(boards.snapshot_message("new"))["items"]) == 1


def publish(boards: Boards, times: int) -> None:
    for number in range(times):
        put(boards, make_token(holder_count=number))
        boards.publish_changes()


def test_a_client_resumes_where_it_was() -> None:
    boards = make_boards()
    publish(boards, 3)
    messages = boards.resume_messages("new", Cursor(epoch="epoch", offset=1))
    assert messages is not None
    frames = [orjson.loads(message) for message in messages]
    assert [(frame["type"], frame["offset"]) for frame in frames] == [
        ("resumed", 1),
        ("delta", 2),
        ("delta", 3),
    ]


def test_a_client_that_is_up_to_date_has_missed_nothing() -> None:
    boards = make_boards()
    publish(boards, 3)
    assert len(boards.resume_messages("new", boards.cursor) or []) == 1


def test_a_quiet_board_is_resumed_however_much_the_others_publish() -> None:
    boards = make_boards(history_limit=2)
    put(boards, make_token(9, status=Status.BONDED))
    boards.publish_changes()
    publish(boards, 5)
    cursor = Cursor(epoch="epoch", offset=1)
    assert boards.resume_messages("new", cursor) is None
    (resumed,) = boards.resume_messages("bonded", cursor) or ()
    assert {"type": "resumed", "board": "bonded", "epoch": "epoch", "offset": 1} == orjson.loads(
        resumed
    )


def test_what_cannot_be_resumed_takes_a_snapshot() -> None:
    boards = make_boards(history_limit=2)
    publish(boards, 5)
    unknown = [("epoch", 2), ("epoch", 6), ("other", 5)]
    assert [boards.resume_messages("new", Cursor(epoch=e, offset=o)) for e, o in unknown] == [
        None
    ] * 3
    assert boards.resume_messages("new", Cursor(epoch="epoch", offset=3)) is not None


def test_deltas_larger_than_the_snapshot_are_not_resumed() -> None:
    boards = make_boards(history_limit=100)
    for number in range(60):
        put(boards, make_token(name=str(number) * 500))
        boards.publish_changes()
    assert boards.resume_messages("new", Cursor(epoch="epoch", offset=1)) is None
    assert boards.resume_messages("new", Cursor(epoch="epoch", offset=58)) is not None


@pytest.mark.parametrize("size", [20, 200])
def test_a_round_looks_at_what_has_changed_however_long_the_board_is(size: int) -> None:
    ranked: list[str] = []

    def rule(token: Token) -> float:
        ranked.append(token.mint)
        return -(token.hot_score or 0.0)

    board = Board(Ranking(rule), size, History(4, 1_000_000))
    tokens = {mint_of(n): make_token(n, hot_score=float(n)) for n in range(400)}
    for token in tokens.values():
        board.ranking.replace_token(None, token)
    items = ItemCache(1000)
    assert size == len(board.publish_changes(tokens, tokens, items))
    first, last = mint_of(399), mint_of(0)  # one stays on the board, one comes to it
    for mint, score in ((first, 500.0), (last, 450.0)):
        before = tokens[mint]
        tokens[mint] = attrs.evolve(before, hot_score=score)
        board.ranking.replace_token(before, tokens[mint])
    ranked.clear()
    changes = [orjson.loads(each) for each in board.publish_changes((first, last), tokens, items)]
    moved_out = mint_of(400 - size)
    assert [moved_out, first, last] == [change["mint"] for change in changes]
    assert [first, last, moved_out] == ranked
