"""Pages of the feed: together they are the whole list, in order, each token once."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import QueryRefused
from domain.token import Status, Token
from feed.catalogue import Catalogue
from feed.orders import ORDERS
from feed.page_cursor import read_page_cursor, write_page_cursor
from feed.query import LISTS, find_matches, parse_query
from tests.unit.feed.tokens import NOW, make_token, mint_of, tokens


def turn_pages(catalogue: Catalogue, sort_by: str, limit: int) -> list[Token]:
    """All the pages of the new tokens, one after the other."""
    found: list[Token] = []
    after = ""
    for _ in range(100):
        query = parse_query(f"sortBy={sort_by}&limit={limit}&after={after}")
        rank = query.after["new"] if query.after else None
        page = find_matches(catalogue, query, Status.NEW, NOW, rank)
        found += page
        if len(page) < limit:
            return found
        after = write_page_cursor(query.sort_by, {"new": ORDERS[sort_by].rank_token(page[-1])})
    raise AssertionError("there is no end of pages")


@given(
    st.lists(tokens(st.integers(0, 40)), max_size=40), st.sampled_from([*ORDERS]), st.integers(1, 7)
)
def test_pages_are_the_whole_list_in_order(history: list[Token], sort_by: str, limit: int) -> None:
    catalogue = Catalogue(limit=100)
    for token in history:
        catalogue.put_token(token)
    whole = find_matches(catalogue, parse_query(f"sortBy={sort_by}&limit=100"), Status.NEW, NOW)
    assert whole == turn_pages(catalogue, sort_by, limit)


def test_who_keeps_its_rank_is_shown_once_whatever_the_others_do() -> None:
    catalogue = Catalogue(limit=1000)
    for number in range(300):
        catalogue.put_token(make_token(number, hot_score=float(number)))
    seen: list[Token] = []
    query = parse_query("limit=50")
    rank = None
    for step in count(1):
        page = find_matches(catalogue, query, Status.NEW, NOW, rank)
        if not page:
            break
        seen += page
        rank = ORDERS["hot"].rank_token(page[-1])
        # The last one seen falls, and others come in before and behind.
        catalogue.put_token(make_token(int(1000 - step), hot_score=1000.0 + step))
        catalogue.put_token(make_token(int(rank[1] == mint_of(0)), hot_score=-1.0))
    steady = [token.mint for token in seen if 2 <= (token.hot_score or 0) < 300]
    assert [mint_of(number) for number in range(299, 1, -1)] == steady


@pytest.mark.parametrize("value", [float("inf"), -1.5, 0.0, -7])
def test_a_place_survives_its_text(value: float) -> None:
    places = {"new": (value, mint_of(1)), "bonded": (2.0, mint_of(2))}
    assert places == read_page_cursor(write_page_cursor("hot", places), "hot", LISTS)


def test_a_long_name_makes_no_long_text_and_no_endless_pages() -> None:
    catalogue = Catalogue(limit=100)
    for number in range(3):
        catalogue.put_token(make_token(number, name="猫" * 5000, symbol=None))
    assert len(turn_pages(catalogue, "alphabetical", 1)) >= 1
    rank = ORDERS["alphabetical"].rank_token(make_token(name="\ud83d" * 5000))
    assert len(write_page_cursor("alphabetical", {"new": rank})) < 2500


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "é",
        "W10",
        "WzFd",
        write_page_cursor("new", {"new": (1.0, mint_of(1))}),
        write_page_cursor("hot", {"newest": (1.0, mint_of(1))}),
        write_page_cursor("hot", {"new": ("1", mint_of(1))}),
        write_page_cursor("hot", {"new": (1.0, 5)}),  # type: ignore[dict-item]
        write_page_cursor("hot", {"new": (float("nan"), mint_of(1))}),
        write_page_cursor("hot", {"new": (True, mint_of(1))}),
        "W" * 8000,
    ],
)
def test_what_is_no_place_in_this_order_is_refused(text: str) -> None:
    with pytest.raises(QueryRefused, match="after must be the `next` of an answer"):
        parse_query(f"after={text}")
