"""The board of one token: folded deltas are its snapshot, whoever comes and goes."""

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.messages import StatisticsPublished
from domain.token import Token
from feed.board import Boards, Cursor
from feed.catalogue import Catalogue
from feed.token_boards import name_token_board
from feed.wire import encode_json, make_item
from tests.unit.feed.tokens import make_statistics, make_token, mint_of, statistics, tokens
from tests.unit.feed.worlds import make_views

MINT = mint_of(1)
BOARD = name_token_board(MINT)


def make_boards(limit: int = 100) -> Boards:
    catalogue = Catalogue(limit)
    views = make_views(catalogue)
    return Boards(catalogue=catalogue, views=views, board_tokens=2, history_limit=10, epoch="e")


def put(boards: Boards, news: Token | StatisticsPublished) -> None:
    if isinstance(news, Token):
        boards.catalogue.put_token(news)
        return
    for mint, figures in news.statistics.items():
        boards.catalogue.put_statistics(mint, figures)


def items_of(boards: Boards) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = orjson.loads(boards.snapshot_message(BOARD))["items"]
    return items


def as_told(token: Token) -> dict[str, Any]:
    """The item as it is after its way to a client."""
    item: dict[str, Any] = orjson.loads(encode_json(make_item(token)))
    return item


def changes_of(boards: Boards) -> list[dict[str, Any]]:
    """The changes of the token's board in the next round."""
    delta_round = boards.publish_changes()
    if delta_round is None or BOARD not in delta_round.deltas:
        return []
    delta = orjson.loads(delta_round.deltas[BOARD])
    assert ("delta", BOARD, boards.offset) == (delta["type"], delta["board"], delta["offset"])
    changes: list[dict[str, Any]] = delta["changes"]
    return changes


NEWS = tokens(st.integers(0, 3)) | st.builds(
    StatisticsPublished,
    statistics=st.dictionaries(st.integers(0, 3).map(mint_of), statistics(), max_size=2),
)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.lists(NEWS, max_size=3), st.booleans(), st.booleans()), max_size=8))
def test_folded_deltas_are_the_snapshot_whoever_comes_and_goes(
    steps: list[tuple[list[Token | StatisticsPublished], bool, bool]],
) -> None:
    boards = make_boards(limit=2)  # so that tokens are forgotten
    held: dict[int, dict[str, dict[str, Any]]] = {}
    for news, *are_there in steps:
        for client, is_there in enumerate(are_there):
            if is_there and client not in held:
                boards.of_tokens.follow(MINT, client)
                held[client] = {item["mint"]: item for item in items_of(boards)}
            elif not is_there and client in held:
                boards.of_tokens.unfollow(MINT, client)
                del held[client]
        for each in news:
            put(boards, each)
        for change in changes_of(boards):
            for items in held.values():
                if change.get("removed"):
                    items.pop(change["mint"])
                else:
                    items[change["mint"]] = items.get(change["mint"], {}) | change
        for items in held.values():
            assert items_of(boards) == list(items.values())
            token = boards.catalogue.tokens.get(MINT)
            assert list(items.values()) == ([] if token is None else [as_told(token)])
    assert bool(held) == (MINT in boards.of_tokens.living)


def test_a_token_appears_when_it_is_born_and_goes_when_it_is_forgotten() -> None:
    boards = make_boards(limit=1)
    boards.of_tokens.follow(MINT, 1)
    assert [] == items_of(boards)
    boards.catalogue.put_token(make_token(1))
    assert [make_item(make_token(1))] == changes_of(boards)
    boards.catalogue.put_token(make_token(2))
    assert [{"mint": MINT, "removed": True}] == changes_of(boards)


def test_what_is_told_again_by_the_same_sources_is_published_with_its_time() -> None:
    boards = make_boards()
    boards.catalogue.put_token(make_token(1))
    boards.catalogue.put_statistics(MINT, make_statistics(100.0))
    boards.publish_changes()
    boards.of_tokens.follow(MINT, 1)
    boards.catalogue.put_statistics(MINT, make_statistics(102.0))
    (change,) = changes_of(boards)
    assert {"mint", "provenance"} == change.keys()


def test_it_is_told_which_followed_tokens_were_traded() -> None:
    boards = make_boards()
    for number in (1, 2):
        boards.catalogue.put_token(make_token(number))
    boards.of_tokens.follow(MINT, 1)
    boards.publish_changes()
    boards.catalogue.put_token(make_token(1, holder_count=5))
    boards.publish_changes()
    assert [] == boards.of_tokens.take_traded()
    for number in (1, 2):
        boards.catalogue.put_statistics(mint_of(number), make_statistics())
    boards.publish_changes()
    assert [[MINT], []] == [boards.of_tokens.take_traded() for _ in range(2)]


def test_there_is_nothing_to_resume_from() -> None:
    boards = make_boards()
    boards.of_tokens.follow(MINT, 1)
    assert boards.resume_messages(BOARD, Cursor(epoch="e", offset=0)) is None
