"""The simulated market has the rates of the recordings, and its books balance."""

from collections import Counter, defaultdict
from functools import cache
from itertools import pairwise
from math import log
from random import Random
from statistics import mean, median, quantiles, stdev

import base58
import pytest

from commands.market import calibration as draws
from commands.market.calibration import DAY_SECONDS, Calibration
from commands.market.events import Created, Event, Migrated, Traded
from commands.market.keys import mint_ending_in, signature
from commands.market.model import Market
from domain.lifecycle import CURVE_PRODUCT, CURVE_TOKENS_AT_COMPLETION
from domain.values import parse_mint

FEW_TRADES = Calibration(trade_share=0.02, pool_trades_per_second_each=0.01)


@cache
def day() -> tuple[Event, ...]:
    """A day with all its births and graduations, and a fiftieth of its trades."""
    return tuple(Market(seed=3, calibration=FEW_TRADES).advance(DAY_SECONDS))


@cache
def half_hour() -> tuple[Event, ...]:
    return tuple(Market(seed=5).advance(1800.0))


def creates(events: tuple[Event, ...]) -> list[Created]:
    return [event for event in events if isinstance(event, Created)]


def test_creates_come_at_the_recorded_rate() -> None:
    per_minute = len(creates(day())) / 1440
    assert 28.0 == pytest.approx(per_minute, rel=0.03)


def test_creates_come_in_bursts() -> None:
    gaps = [later.at - earlier.at for earlier, later in pairwise(creates(day()))]
    assert 1.1 / 2.7 == pytest.approx(median(gaps) / mean(gaps), abs=0.05)
    assert 0.9 <= stdev(gaps) / mean(gaps) <= 1.3


def test_graduations_are_few_and_quick() -> None:
    ages = [event.at - event.token.born_at for event in day() if isinstance(event, Migrated)]
    assert 0.006 <= len(ages) / len(creates(day())) <= 0.035
    assert 4.4 == pytest.approx(median(ages) / 60, abs=0.5)
    assert 0.08 == pytest.approx(min(ages))


def test_half_of_the_coins_share_their_name_with_a_neighbour() -> None:
    births = defaultdict(list)
    for event in creates(day()):
        births[event.token.name].append(event.at)
    sharing = sum(
        any(0 < abs(at - other) < 540 for other in times[max(0, i - 1) : i + 2])
        for times in births.values()
        for i, at in enumerate(times)
    )
    assert 0.54 == pytest.approx(sharing / len(creates(day())), abs=0.05)


def test_trades_a_token_follow_zipf() -> None:
    random = Random(1)
    trades = sorted((draws.trades_of_token(random) for _ in range(50_000)), reverse=True)
    assert 85 == pytest.approx(mean(trades), rel=0.05)
    slope = log(trades[300] / trades[10_000]) / log(10_001 / 301)
    assert 0.9 == pytest.approx(slope, abs=0.05)
    # With the recorded births that makes the recorded trades a second.
    assert 35 <= mean(trades) * 28.0 / 60 <= 48


@pytest.mark.parametrize("expected", [draws.DEV_BUY_SOL, draws.TRADE_SOL])
def test_sizes_have_the_recorded_quantiles(expected: tuple[tuple[float, float], ...]) -> None:
    random = Random(1)
    sizes = [draws.quantile_draw(expected, random) for _ in range(50_000)]
    cuts = quantiles(sizes, n=100, method="inclusive")
    for share, size in expected:
        if share < 1:
            assert size == pytest.approx(cuts[round(share * 100) - 1], rel=0.05, abs=0.005)


def test_most_coins_are_dead_after_a_day() -> None:
    random = Random(1)
    first_day = sum(draws.lifetime_seconds(random) < DAY_SECONDS for _ in range(20_000))
    assert 0.69 == pytest.approx(first_day / 20_000, abs=0.01)


def test_every_trade_stays_on_the_curve() -> None:
    on_curve = [e for e in half_hour() if isinstance(e, Traded) and not e.in_pool]
    assert len(on_curve) > 10_000
    for event in on_curve:
        assert pytest.approx(event.tokens * event.sol, rel=1e-9) == CURVE_PRODUCT
        assert event.tokens >= CURVE_TOKENS_AT_COMPLETION - 1e-3
        assert event.balance >= 0
        assert event.trade_sol >= 0


def test_balances_add_up_to_what_the_curve_has_sold() -> None:
    market = Market(seed=5)
    market.advance(600.0)
    on_curve = [t for t in market.tokens.values() if not t.in_pool]
    for token in on_curve:
        sold = CURVE_PRODUCT / 30.0 - token.reserves.tokens
        assert sold == pytest.approx(sum(token.balances.values()), abs=1.0)
        assert len(token.owners) == len(set(token.owners)) == len(token.balances)


def test_a_token_migrates_once_and_after_its_curve_is_complete() -> None:
    migrated = Counter(e.token.mint for e in half_hour() if isinstance(e, Migrated))
    assert {1} == set(migrated.values())
    completed = {
        e.token.mint
        for e in half_hour()
        if isinstance(e, Created | Traded) and e.tokens < CURVE_TOKENS_AT_COMPLETION + 1e-3
    }
    assert set(migrated) <= completed


def test_no_token_but_a_graduating_one_completes_its_curve() -> None:
    assert all(e.token.fate.graduates for e in half_hour() if isinstance(e, Migrated))


def test_the_same_seed_gives_the_same_market() -> None:
    def trace(seed: int) -> list[tuple[str, float, str]]:
        events = Market(seed=seed).advance(120.0)
        return [(type(event).__name__, event.at, event.token.mint) for event in events]

    assert trace(1) == trace(1)
    assert trace(1) != trace(2)


def test_steps_do_not_change_what_happens() -> None:
    whole, stepped = Market(seed=4), Market(seed=4)
    expected = [(event.at, event.token.mint) for event in whole.advance(60.0)]
    found: list[tuple[float, str]] = []
    for tenth in range(1, 601):
        found += [(event.at, event.token.mint) for event in stepped.advance(tenth / 10)]
    assert expected == found


def test_market_forgets_its_oldest_tokens() -> None:
    market = Market(seed=1, calibration=Calibration(tokens_kept=50, trade_share=0.02))
    market.advance(1800.0)
    assert 50 == len(market.tokens)
    assert min(token.born_at for token in market.tokens.values()) > 1000.0


@pytest.mark.parametrize("suffix", ["", "pump", "bonk"])
def test_mints_are_32_bytes(suffix: str) -> None:
    random = Random(1)
    for _ in range(500):
        mint = mint_ending_in(suffix, random)
        assert mint == parse_mint(mint)
        assert mint.endswith(suffix)


def test_signatures_are_64_bytes() -> None:
    random = Random(1)
    assert {64} == {len(base58.b58decode(signature(random))) for _ in range(500)}


def test_some_coins_are_traded_in_circles() -> None:
    washed = Market(seed=6, calibration=Calibration(washed_share=1.0))
    events = washed.advance(900.0)
    for token in list(washed.tokens.values())[:20]:
        if token.circle:
            trades = [e for e in events if isinstance(e, Traded) and e.token is token]
            inside = [e for e in trades if e.trader in token.circle]
            assert len(inside) > 0.8 * len(trades)
            assert len(token.owners) < 0.2 * len(trades) + 4


def test_a_tenth_of_the_coins_is_paired_with_dollars() -> None:
    pairs = Counter(event.token.pair.symbol for event in creates(day()))
    assert 0.1 == pytest.approx(pairs["USDC"] / len(creates(day())), abs=0.02)
    assert pairs["USD1"] > 0
    assert pairs["SOL"] > 0.8 * len(creates(day()))


def test_some_transactions_hold_several_trades() -> None:
    trades = Counter(e.transaction for e in half_hour() if isinstance(e, Traded))
    assert {1, 2} == set(trades.values())
    assert 0.002 < sum(count == 2 for count in trades.values()) / len(trades) < 0.03


def test_wallets_are_persons_who_come_back() -> None:
    trades = Counter(e.trader for e in half_hour() if isinstance(e, Traded))
    busiest = sum(count for _, count in trades.most_common(len(trades) // 100))
    assert busiest > 0.08 * trades.total()
    tokens = defaultdict(set)
    for event in half_hour():
        if isinstance(event, Traded):
            tokens[event.trader].add(event.token.mint)
    assert sum(len(own) > 1 for own in tokens.values()) > 0.15 * len(tokens)


def test_developers_are_counted() -> None:
    market = Market(seed=5)
    market.advance(1800.0)
    assert market.launched.total() == len(market.tokens)
    assert market.graduated.total() > 3
