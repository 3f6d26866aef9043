import pytest

from benchmarks.traffic.frames import STREAMS, Traffic
from benchmarks.traffic.latency import (
    Schedule,
    Sighting,
    birth_latencies,
    find_unshown,
    trade_latencies,
)
from domain.lifecycle import CURVE_PRODUCT
from domain.messages import TradeSeen
from domain.values import UnixSeconds
from sources.pumpapi_frames import parse_frame as parse_pumpapi
from sources.pumpportal_frames import parse_frame as parse_pumpportal

EACH_SECOND = Schedule(first=0, count=6, first_due=100.0, rate=1.0)  # of two coins: rounds 0 to 2


def test_a_newer_value_brings_the_older_ones_into_view() -> None:
    sightings = [
        Sighting(coin=1, round=-1, at=99.0, is_new_to_board=True),
        Sighting(coin=1, round=1, at=104.0, is_new_to_board=False),
    ]
    # Trades 1 and 3, due at 101 and 103.
    assert [3.0, 1.0] == list(trade_latencies(sightings, 2, EACH_SECOND))


def test_what_a_coin_did_before_it_was_on_a_board_is_not_late() -> None:
    sightings = [
        Sighting(coin=0, round=-1, at=99.0, is_new_to_board=True),
        Sighting(coin=0, round=1, at=105.0, is_new_to_board=True),
        Sighting(coin=0, round=2, at=106.0, is_new_to_board=False),
    ]
    assert [2.0] == list(trade_latencies(sightings, 2, EACH_SECOND))


def test_trades_of_another_order_do_not_count() -> None:
    second = Schedule(first=4, count=2, first_due=104.0, rate=1.0)
    sightings = [
        Sighting(coin=0, round=-1, at=99.0, is_new_to_board=True),
        Sighting(coin=0, round=2, at=104.5, is_new_to_board=False),
    ]
    assert [0.5] == list(trade_latencies(sightings, 2, second))


def test_a_newer_birth_stands_for_those_that_were_never_shown() -> None:
    sightings = [Sighting(coin=1, round=-1, at=102.0, is_new_to_board=True)]
    assert [2.0, 1.0] == list(birth_latencies(sightings, EACH_SECOND))


def test_a_coin_is_unshown_until_its_last_trade_is_in_view() -> None:
    odd = Schedule(first=0, count=5, first_due=0.0, rate=1.0)  # the last is of coin 0
    assert [1] == find_unshown({0: 2, 1: 0}, 2, odd)
    assert [0] == find_unshown({0: 1, 1: 1}, 2, odd)


@pytest.mark.parametrize("coin", [0, 1, 2, 299])
def test_a_market_cap_tells_which_trade_it_is_of(coin: int) -> None:
    traffic = Traffic(300, "PumpPortal")
    for round_number in (0, 1, 700):
        frame = traffic.trade(round_number * 300 + coin)
        trade = parse_pumpportal(frame[4:], UnixSeconds(1.8e9))
        assert isinstance(trade, TradeSeen)
        assert trade.market_cap_sol is not None
        assert trade.curve_sol is not None
        assert trade.curve_sol * trade.curve_sol == pytest.approx(
            trade.market_cap_sol * CURVE_PRODUCT / 1e9
        )
        for rounding in (1.0, 1 + 1e-6, 1 - 1e-6):
            told = traffic.read_round(trade.mint, trade.market_cap_sol * rounding)
            assert round_number == told


def test_every_stream_tells_of_births_and_trades() -> None:
    assert {"PumpPortal", "PumpAPI", "chain"} == set(STREAMS)
    traffic = Traffic(2, "PumpAPI")
    (trade,) = parse_pumpapi(traffic.trade(1)[4:], UnixSeconds(1.8e9))  # type: ignore[misc]
    assert isinstance(trade, TradeSeen)
    assert traffic.tokens[1].mint == trade.mint
