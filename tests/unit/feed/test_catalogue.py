"""What is kept, for how long, and in which order."""

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.lifecycle import is_retained
from domain.messages import StatisticsPublished
from domain.token import Status, Token
from domain.trading import TokenStatistics
from domain.values import Mint, UnixSeconds
from feed.catalogue import BOARD_RULES, Catalogue, retained_until
from feed.ranking import Rank, Ranking
from tests.unit.feed.tokens import NOW, make_token, mint_of, statistics, tokens

HOUR = 3600


def ranks_by_page(ranking: Ranking, page_size: int) -> Iterator[Rank]:
    rank: Rank | None = None
    while page := ranking.ranks_after(rank, page_size):
        yield from page
        rank = page[-1]


MESSAGES = st.builds(
    StatisticsPublished,
    statistics=st.dictionaries(st.integers(0, 9).map(mint_of), statistics(), max_size=3),
)


@given(
    st.lists(tokens(st.integers(0, 9)) | MESSAGES, max_size=40),
    st.integers(1, 5),
)
def test_every_order_is_that_of_sorting_the_live_tokens(
    history: list[Token | StatisticsPublished], page_size: int
) -> None:
    catalogue = Catalogue(limit=100)
    latest: dict[Mint, Token] = {}
    told: dict[Mint, TokenStatistics] = {}
    for news in history:
        if isinstance(news, Token):
            catalogue.put_token(news)
            latest[news.mint] = news
        else:
            for mint, figures in news.statistics.items():
                catalogue.put_statistics(mint, figures)
                told[mint] = figures
    shown = [attrs.evolve(t, statistics=told.get(mint)) for mint, t in latest.items()]
    held = catalogue.tokens.values()
    assert {t.mint: t.statistics for t in shown} == {t.mint: t.statistics for t in held}
    for board, ranking in catalogue.rankings.items():
        ranks = [(BOARD_RULES[board](token), token.mint) for token in shown]
        expected = sorted(rank for rank in ranks if rank[0] is not None)
        assert expected == list(ranks_by_page(ranking, page_size))


@pytest.mark.parametrize(
    ("board", "value"),
    [
        ("new", {"first_seen_at": NOW + 9}),
        ("graduating", {"bonding_curve_progress": 99.0}),
        ("bonded", {"status_changed_at": NOW + 9}),
        ("hot", {"hot_score": 9.0}),
    ],
)
def test_a_token_is_ranked_again_by_each_value_that_its_board_goes_by(
    board: str, value: dict[str, Any]
) -> None:
    catalogue = Catalogue(limit=10)
    status = {"graduating": Status.GRADUATING, "bonded": Status.BONDED}.get(board, Status.NEW)
    usual = {"status": status, "bonding_curve_progress": 90.0, "hot_score": 1.0}
    usual |= {"status_changed_at": NOW - 1}
    for number in (1, 2):
        catalogue.put_token(make_token(number, **usual))
    for number in (1, 2):
        catalogue.put_token(make_token(number, **usual | value))
        first = catalogue.rankings[board].first_rank()
        assert first is not None
        assert mint_of(number) == first[1]
        catalogue.put_token(make_token(number, **usual))


@pytest.mark.parametrize(
    ("board", "expected"), [("new", [1]), ("graduating", [3]), ("bonded", [6, 5]), ("hot", [6, 1])]
)
def test_a_board_has_the_live_tokens_of_its_status_or_all_that_have_a_score(
    board: str, expected: list[int]
) -> None:
    catalogue = Catalogue(limit=10)
    for token in (
        make_token(1, hot_score=1.0),
        make_token(2, hot_score=9.0, silent=True),
        make_token(3, status=Status.GRADUATING),
        make_token(4, status=Status.GRADUATING, silent=True),
        make_token(5, status=Status.BONDED, status_changed_at=NOW - 1),
        make_token(6, status=Status.BONDED, status_changed_at=NOW, silent=True, hot_score=2.0),
    ):
        catalogue.put_token(token)
    ranks = catalogue.rankings[board].ranks_after(None, 9)
    assert [mint_of(n) for n in expected] == [mint for _, mint in ranks]


@given(tokens(st.just(1)), st.integers(0, 80 * HOUR))
def test_retention_ends_when_the_lifecycle_says_so(token: Token, seconds: int) -> None:
    now = UnixSeconds(NOW + seconds)
    assert is_retained(token, now) == (now < retained_until(token))


def test_pruning_forgets_new_tokens_after_48_hours_and_bonded_ones_after_72() -> None:
    catalogue = Catalogue(limit=100)
    catalogue.put_token(make_token(1, first_seen_at=NOW))
    catalogue.put_token(
        make_token(2, first_seen_at=NOW, status=Status.BONDED, status_changed_at=NOW)
    )
    times = [UnixSeconds(NOW + hours * HOUR) for hours in (47.9, 48, 71.9, 72)]
    pruned = [catalogue.prune_expired(now, 10) for now in times]
    assert pruned == [0, 1, 0, 1]
    assert [] == [
        mint for each in catalogue.rankings.values() for _, mint in each.ranks_after(None, 9)
    ]


def test_pruning_forgets_no_more_at_once_than_it_is_allowed_and_the_first_expired_first() -> None:
    catalogue = Catalogue(limit=100)
    for number in range(5):
        catalogue.put_token(make_token(number, first_seen_at=UnixSeconds(NOW + number)))
    later = UnixSeconds(NOW + 48 * HOUR + 3)
    assert [2, 2, 0] == [catalogue.prune_expired(later, 2) for _ in range(3)]
    assert {mint_of(4)} == catalogue.tokens.keys()


def test_past_the_limit_the_oldest_token_goes() -> None:
    catalogue = Catalogue(limit=2)
    for number in (3, 1, 2):
        catalogue.put_token(make_token(number, first_seen_at=UnixSeconds(NOW + number)))
    assert {mint_of(2), mint_of(3)} == catalogue.tokens.keys()


def test_a_token_that_falls_silent_leaves_its_boards_but_can_be_looked_up() -> None:
    catalogue = Catalogue(limit=2)
    token = make_token(hot_score=1.0)
    catalogue.put_token(token)
    catalogue.put_token(attrs.evolve(token, silent=True))
    assert [] == [
        mint for each in catalogue.rankings.values() for _, mint in each.ranks_after(None, 9)
    ]
    assert catalogue.tokens[token.mint].silent
