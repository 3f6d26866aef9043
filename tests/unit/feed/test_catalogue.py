"""What is kept, for how long, and in which order."""

from collections.abc import Iterator

import attrs
from hypothesis import given
from hypothesis import strategies as st

from domain.lifecycle import is_retained
from domain.messages import StatisticsPublished
from domain.token import Status, Token
from domain.trading import TokenStatistics
from domain.values import Mint, UnixSeconds
from feed.catalogue import SORT_RULES, Catalogue, retained_until
from feed.ranking import Rank, Ranking
from tests.unit.feed.tokens import NOW, make_token, mint_of, statistics, tokens

HOUR = 3600


def ranks_by_page(ranking: Ranking, page_size: int) -> Iterator[Rank]:
    rank: Rank | None = None
    while page := ranking.ranks_after(rank, page_size):
        yield from page
        rank = page[-1]


MESSAGES = st.builds(
    StatisticsPublished, mint=st.integers(0, 9).map(mint_of), statistics=statistics()
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
            catalogue.put_statistics(news.mint, news.statistics)
            told[news.mint] = news.statistics
    shown = [attrs.evolve(t, statistics=told.get(mint)) for mint, t in latest.items()]
    held = catalogue.tokens.values()
    assert {t.mint: t.statistics for t in shown} == {t.mint: t.statistics for t in held}
    for status, shelf in catalogue.shelves.items():
        live = [t for t in shown if t.status is status and (t.status == 2 or not t.silent)]
        for name, ranking in shelf.items():
            rule = SORT_RULES[name]
            expected = sorted((rule(token), token.mint) for token in live)
            assert expected == list(ranks_by_page(ranking, page_size))


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
    assert [
        mint for shelf in catalogue.shelves[Status.NEW].values() for mint in shelf.top_mints(9)
    ] == []


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


def test_a_token_that_falls_silent_leaves_its_shelf_but_can_be_looked_up() -> None:
    catalogue = Catalogue(limit=2)
    token = make_token(hot_score=1.0)
    catalogue.put_token(token)
    catalogue.put_token(attrs.evolve(token, silent=True))
    assert catalogue.shelves[Status.NEW]["new"].top_mints(9) == []
    assert catalogue.hot.top_mints(9) == []
    assert catalogue.tokens[token.mint].silent
