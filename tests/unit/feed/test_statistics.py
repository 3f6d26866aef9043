"""How a token's trading is shown, and kept."""

import attrs
import pytest

from domain.token import Status, Token
from domain.values import Mint
from feed.catalogue import Catalogue
from feed.query import find_matches, parse_query
from feed.statistics import NO_STATISTICS, WAITING_STATISTICS, StatisticsMemory
from feed.wire import LIVE_KEYS, make_item
from tests.unit.feed.tokens import NOW, make_statistics, make_token, mint_of


def shown_of(token: Token, *keys: str) -> list[object]:
    item = make_item(token)
    return [item[key] for key in keys]


def test_every_live_key_is_there_even_when_nothing_is_known() -> None:
    item = make_item(make_token())
    assert LIVE_KEYS <= item.keys()
    assert {None} == {item[key] for key in NO_STATISTICS}
    assert 19 == len(NO_STATISTICS)


@pytest.mark.parametrize("window", ["5m", "1h", "6h"])
def test_a_window_is_shown_under_keys_of_its_own(window: str) -> None:
    figures = make_statistics(
        volume_usd=1.5, volume_sol=0.5, buys=0, sells=3, unique_traders=4, price_change=-5.0
    )
    only = attrs.evolve(figures, windows={window: figures.windows[window]}, wash_score=0.25)
    item = make_item(make_token(statistics=only))
    keys = [f"{name}{window}" for name in ("volume", "buys", "sells", "uniqueTraders")]
    assert [1.5, 0, 3, 4] == [item[key] for key in keys]
    assert [0.5, -5.0] == [item[f"volume{window}Sol"], item[f"priceChange{window}"]]
    assert 0.25 == item["washScore"]
    assert 7 == sum(item[key] is not None for key in NO_STATISTICS)


DAY = (
    "volume24h",
    "volume24hSol",
    "buys24h",
    "sells24h",
    "txCount24h",
    "uniqueTraders24h",
    "priceChange24h",
)
TOLD = make_token(
    volume_24h=1.0,
    volume_24h_sol=2.0,
    buys_24h=3,
    sells_24h=4,
    tx_count_24h=7,
    unique_traders_24h=5,
    price_change_24h=6.0,
)


def test_a_counted_day_lies_over_what_was_told() -> None:
    figures = make_statistics(
        volume_usd=10.0, volume_sol=20.0, buys=0, sells=40, unique_traders=50, price_change=0.0
    )
    token = attrs.evolve(TOLD, statistics=figures)
    assert [10.0, 20.0, 0, 40, 40, 50, 0.0] == shown_of(token, *DAY)


def test_what_was_not_counted_is_shown_as_it_was_told() -> None:
    token = attrs.evolve(TOLD, statistics=make_statistics(buys=30))
    assert [1.0, 2.0, 30, 4, 7, 5, 6.0] == shown_of(token, *DAY)


def test_a_quoted_day_lies_over_nothing() -> None:
    token = attrs.evolve(TOLD, statistics=make_statistics(source="jupiter", buys=30, sells=3))
    assert [1.0, 2.0, 3, 4, 7, 5, 6.0] == shown_of(token, *DAY)


def test_provenance_says_where_each_class_of_fields_came_from() -> None:
    token = make_token(
        holder_count=3,
        description="of a cat",
        market_cap_usd=5.0,
        last_updated_at=NOW - 10,
        provenance={"market": ("chain", NOW), "holders": ("jupiter", NOW - 1)},
        statistics=make_statistics(source="jupiter", observed_at=NOW - 2),
    )
    times = [f"2026-07-25T17:{clock}.000Z" for clock in ("20:00", "19:59", "19:50", "19:58")]
    now, second_ago, stored_at, observed_at = times
    quoted = {"source": "jupiter", "at": observed_at}
    assert make_item(token)["provenance"] == {
        "lifecycle": {"source": "stored", "at": stored_at},
        "market": {"source": "chain", "at": now},
        "holders": {"source": "jupiter", "at": second_ago},
        "profile": {"source": "stored", "at": stored_at},
        "windows": {"5m": quoted, "1h": quoted, "6h": quoted, "24h": quoted},
    }


def test_a_class_of_which_nothing_is_known_came_from_nowhere() -> None:
    assert ["lifecycle"] == list(make_item(make_token())["provenance"])  # type: ignore[call-overload]


# The catalogue.


def volumes(catalogue: Catalogue) -> list[Mint]:
    query = parse_query("sortBy=volume")
    return [token.mint for token in find_matches(catalogue, query, Status.NEW, NOW)]


def test_tokens_are_ranked_by_the_volume_that_is_shown() -> None:
    catalogue = Catalogue(limit=10)
    for number, told in ((1, 30.0), (2, 20.0), (3, None)):
        catalogue.put_token(make_token(number, volume_24h=told))
    catalogue.put_statistics(mint_of(3), make_statistics(volume_usd=25.0))
    catalogue.put_statistics(mint_of(1), make_statistics(volume_usd=5.0))
    assert [mint_of(3), mint_of(2), mint_of(1)] == volumes(catalogue)
    # A stream is cut: the day is not covered any more.
    catalogue.put_statistics(mint_of(1), make_statistics(source="jupiter", volume_usd=5.0))
    assert [mint_of(1), mint_of(3), mint_of(2)] == volumes(catalogue)


def test_tokens_are_filtered_by_the_volume_that_is_shown() -> None:
    catalogue = Catalogue(limit=10)
    catalogue.put_token(make_token(1, volume_24h=30.0))
    catalogue.put_token(make_token(2, volume_24h=1.0))
    catalogue.put_statistics(mint_of(1), make_statistics(volume_usd=1.0))
    catalogue.put_statistics(mint_of(2), make_statistics(volume_usd=30.0))
    found = find_matches(catalogue, parse_query("minVolume24h=10"), Status.NEW, NOW)
    assert [mint_of(2)] == [token.mint for token in found if token]


def test_a_silent_token_takes_statistics_and_stays_in_no_list() -> None:
    catalogue = Catalogue(limit=10)
    catalogue.put_token(make_token(1, silent=True))
    catalogue.put_statistics(mint_of(1), make_statistics(volume_usd=1.0))
    assert [] == volumes(catalogue)
    catalogue.put_token(make_token(1))
    assert [mint_of(1)] == volumes(catalogue)
    assert catalogue.tokens[mint_of(1)].statistics is not None


def test_statistics_that_come_before_their_token_wait_for_it() -> None:
    catalogue = Catalogue(limit=10)
    early = make_statistics(buys=1)
    catalogue.put_statistics(mint_of(1), early)
    assert ({}, 1) == (catalogue.tokens, catalogue.statistics.count_waiting())
    catalogue.put_token(make_token(1))
    token = catalogue.tokens[mint_of(1)]
    assert (early, 0) == (token.statistics, catalogue.statistics.count_waiting())


def test_of_mints_that_never_come_the_oldest_statistics_are_dropped() -> None:
    memory = StatisticsMemory(limit=10)
    for number in range(WAITING_STATISTICS + 2):
        memory.keep_waiting(mint_of(number), make_statistics())
        memory.keep_waiting(mint_of(0), make_statistics())  # again and again
    assert (WAITING_STATISTICS, 2) == (memory.count_waiting(), memory.dropped)
    assert memory.recall(mint_of(0)) is not None
    assert memory.recall(mint_of(1)) is None


def test_a_token_that_goes_takes_its_statistics_with_it() -> None:
    catalogue = Catalogue(limit=1)
    catalogue.put_token(make_token(1, first_seen_at=NOW - 100))
    catalogue.put_statistics(mint_of(1), make_statistics())
    catalogue.put_token(make_token(2))
    assert [mint_of(2)] == list(catalogue.tokens)
    assert catalogue.statistics.recall(mint_of(1)) is None


def test_what_is_never_told_of_again_after_a_restart_is_forgotten_past_the_limit() -> None:
    memory = StatisticsMemory(limit=2)
    for number in range(4):
        memory.keep_attached(mint_of(number), make_statistics())
    assert [None, None] == [memory.recall(mint_of(number)) for number in (0, 1)]
    assert None not in [memory.recall(mint_of(number)) for number in (2, 3)]
