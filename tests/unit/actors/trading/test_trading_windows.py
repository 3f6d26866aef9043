"""Windows, sketches, candles and the wash score: pure parts against a naive recomputation."""

from math import isclose
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.trading.book import StatisticsRequest, TradingBook, read_price, take_statistics
from actors.trading.candles import FormingCandles
from actors.trading.sketch import MOST_EXACT, DistinctSketch, hash_trader, merge_sketches
from actors.trading.wash import FEWEST_TRADES, GENERATION_SECONDS, TraderBook
from actors.trading.windows import STEPS, CountedTrade, Price, TradingWindow, new_windows
from commands.market.calibration import Calibration
from commands.market.events import Traded
from commands.market.model import Market
from domain.messages import WindowsQuoted
from domain.trading import WINDOW_SECONDS, WindowStatistics
from domain.values import Mint, Sol, UnixSeconds, Usd
from tests.unit.actors.ingest.events import traded
from tests.unit.actors.world import at, mint

NOW = 1_780_000_000.0


def counted(second: float, amount: float = 1.0, **more: object) -> CountedTrade:
    facts: dict[str, object] = {"is_buy": True, "sol": Sol(1.0), "usd": Usd(100.0), "trader": None}
    facts |= {"at": UnixSeconds(NOW + second), "price": Price(amount, "usd"), **more}
    return CountedTrade(**facts)  # type: ignore[arg-type]


trades = st.lists(
    st.builds(
        counted,
        st.floats(-400, 0),
        st.floats(0.001, 1000),
        is_buy=st.booleans(),
        sol=st.floats(0, 100).map(Sol),
        usd=st.floats(0, 100).map(Usd),
        trader=st.integers(0, 40).map(lambda n: hash_trader(str(n))),
    ),
    max_size=60,
)


@given(trades=trades)
def test_a_window_equals_a_naive_recomputation_in_any_order(trades: list[CountedTrade]) -> None:
    window = TradingWindow(300)
    for trade in trades:
        window.add_trade(trade, NOW)
    begin = (NOW // 20 - STEPS + 1) * 20
    within = [trade for trade in trades if trade.at >= begin]
    told = window.take_statistics(Price(1.0, "usd"))
    assert sum(trade.is_buy for trade in within) == told.buys
    assert len(within) == (told.buys or 0) + (told.sells or 0)
    assert isclose(sum(t.sol or 0 for t in within), told.volume_sol or 0.0, rel_tol=1e-5)
    assert isclose(sum(t.usd or 0 for t in within), told.volume_usd or 0.0, rel_tol=1e-5)
    distinct = len({trade.trader for trade in within})
    if distinct <= MOST_EXACT:
        assert distinct == told.unique_traders


def test_a_window_slides_to_zero_without_a_trade() -> None:
    window = TradingWindow(300)
    window.add_trade(counted(0, 2.0), NOW)
    assert not window.drop_expired(NOW + 279)
    assert window.next_expiry() is not None
    assert window.drop_expired(NOW + 301)
    told = window.take_statistics(Price(2.0, "usd"))
    assert (0, 0, 0.0, 0, 0.0) == (
        told.buys,
        told.sells,
        told.volume_usd,
        told.unique_traders,
        told.price_change,
    )


def test_the_price_change_counts_from_the_price_before_the_window() -> None:
    window = TradingWindow(300)
    window.add_trade(counted(0, 1.0), NOW)
    window.add_trade(counted(250, 4.0), NOW + 250)
    window.drop_expired(NOW + 320)
    assert 300.0 == window.take_statistics(Price(4.0, "usd")).price_change


def test_a_change_between_two_currencies_is_not_told() -> None:
    window = TradingWindow(300)
    window.add_trade(counted(0, 1.0), NOW)
    assert window.take_statistics(Price(2.0, "sol")).price_change is None


def test_a_volume_that_nobody_could_value_is_not_known() -> None:
    window = TradingWindow(300)
    window.add_trade(counted(0, usd=None), NOW)
    told = window.take_statistics(None)
    assert (None, 1.0, 1) == (told.volume_usd, told.volume_sol, told.buys)


@given(
    told=st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.5, 7.0, 19.0, 20.0, 250.0, 300.0, 4000.0]),  # since the last
            st.sampled_from([0.0, 0.0, 0.5, 3.0, 21.0, 290.0, 1000.0]),  # how late it is
            st.floats(0.1, 1000),
            st.booleans(),  # whether the windows slide before
        ),
        max_size=40,
    )
)
def test_what_is_counted_once_for_all_windows_equals_what_each_counts(
    told: list[tuple[float, float, float, bool]],
) -> None:
    book, windows, now = TradingBook(), new_windows(), NOW
    for number, (pause, late, cap, slides) in enumerate(told):
        now += pause
        trade = traded(1, 0, trader=f"w{number % 5}", usd=Usd(cap))._replace(
            seen_at=UnixSeconds(now), at=UnixSeconds(now - late), market_cap_usd=Usd(cap)
        )
        if slides:
            dropped = [window.drop_expired(now) for window in windows]
            assert any(dropped) == book.drop_expired(UnixSeconds(now))
        book.count_trade(trade, UnixSeconds(now), 0.25)
        for window in windows:
            window.add_trade(
                counted(
                    now - late - NOW,
                    usd=Usd(cap),
                    trader=hash_trader(f"w{number % 5}"),
                    price=read_price(trade),
                ),
                now,
            )
        expiries = [each.next_expiry() for each in windows if each.buckets]
        assert min(filter(None, expiries), default=None) == book.next_expiry()
        for window, ours in zip(windows, book.windows, strict=True):
            expected = window.take_statistics(book.last_price)
            shown = ours.take_statistics(book.last_price, book.opened)
            assert (expected.buys, expected.unique_traders) == (shown.buys, shown.unique_traders)
            assert expected.price_change == shown.price_change
            assert (expected.volume_usd or 0) == pytest.approx(shown.volume_usd or 0, rel=1e-4)


# Sketches.


@given(st.lists(st.sets(st.integers(0, 2**64 - 1), max_size=200), max_size=5))
@settings(max_examples=40)
def test_merged_sketches_count_as_one_that_has_seen_all(sets: list[set[int]]) -> None:
    sketches = []
    whole = DistinctSketch()
    for values in sets:
        sketch = DistinctSketch()
        for value in values:
            sketch.add_hash(value)
            whole.add_hash(value)
        sketches.append(sketch)
    assert whole.count_distinct() == merge_sketches(sketches).count_distinct()


def test_a_sketch_is_exact_while_small_and_near_beyond() -> None:
    sketch = DistinctSketch()
    for number in range(MOST_EXACT):
        sketch.add_hash(hash_trader(str(number)))
        sketch.add_hash(hash_trader(str(number)))
        assert number + 1 == sketch.count_distinct()
    for number in range(20_000):
        sketch.add_hash(hash_trader(str(number)))
    assert sketch.count_distinct() == pytest.approx(20_000, rel=0.14)  # three standard errors
    assert sketch.hashes is None


# Candles.


@given(trades=trades)
def test_candles_equal_naive_ones_in_any_order_of_a_minute(trades: list[CountedTrade]) -> None:
    forming = FormingCandles()
    kept = [trade for trade in trades if forming.add_trade(trade)]
    assert sum(c.buys + c.sells for c in forming.candles) == len(kept)
    for candle in forming.candles:
        own = [trade for trade in kept if trade.at // 60 == candle.minute]
        prices = [trade.price.amount for trade in own if trade.price]
        assert (max(prices), min(prices)) == (candle.high, candle.low)
        first = min(own, key=lambda trade: trade.at)
        assert first.at == candle.first_at
        assert isclose(sum(t.sol or 0 for t in own), candle.volume_sol)


def test_a_trade_of_a_closed_minute_forms_no_candle() -> None:
    forming = FormingCandles()
    assert forming.add_trade(counted(0))
    assert forming.add_trade(counted(-100))
    assert not forming.add_trade(counted(-400))


def test_minutes_that_are_over_and_written_are_forgotten() -> None:
    forming = FormingCandles()
    forming.add_trade(counted(0))
    forming.drop_closed(NOW + 600)
    assert 1 == len(forming.candles)
    forming.candles[0].is_written = True
    forming.drop_closed(NOW + 600)
    assert [] == forming.candles


# Wash trading.


def honest_market(random: Random, traders: int = 50, trades: int = 300) -> TraderBook:
    book = TraderBook()
    for number in range(trades):
        size = random.expovariate(1.0)
        book.add_trade(random.randrange(traders), size, NOW + number, is_buy=random.random() < 0.6)
    return book


def washed_market(random: Random) -> TraderBook:
    book = TraderBook()
    for number in range(150):
        trader, size = number % 3, 1 + random.random() / 20
        book.add_trade(trader, size, NOW + number, is_buy=True)
        book.add_trade(trader, size, NOW + number + 0.5, is_buy=False)
    return book


def test_a_market_of_three_who_trade_in_circles_scores_high_and_an_honest_one_low() -> None:
    for seed in range(20):
        random = Random(seed)
        assert honest_market(random).score_wash(holders=40) < 0.3
        assert washed_market(random).score_wash(holders=2) > 0.5


def test_who_buys_once_and_sells_once_makes_no_round_trips() -> None:
    book = TraderBook()
    for trader in range(FEWEST_TRADES):
        book.add_trade(trader, 1.0, NOW + trader, is_buy=True)
        book.add_trade(trader, 1.0, NOW + trader + 0.5, is_buy=False)
    assert 0.0 == book.score_wash(holders=None)


def test_a_large_purchase_of_the_creator_is_no_concentration() -> None:
    book = TraderBook()
    book.add_trade(0, 50.0, NOW, is_buy=True)
    for trader in range(1, FEWEST_TRADES):
        book.add_trade(trader, 0.1, NOW + trader, is_buy=True)
    assert 0.0 == book.score_wash(holders=None)


@pytest.mark.parametrize("trades", [FEWEST_TRADES, 40])
def test_one_who_trades_with_himself_scores_high_however_few_trades_there_are(trades: int) -> None:
    book = TraderBook()
    for number in range(trades):
        book.add_trade(1, 1.0, NOW + number, is_buy=number % 2 == 0)
    assert 0.8 == book.score_wash(holders=None)


def test_turns_are_counted_across_generations() -> None:
    book = TraderBook()
    for number in range(FEWEST_TRADES):
        at_second = NOW + number * 2 * GENERATION_SECONDS / (FEWEST_TRADES + 1)
        book.add_trade(1, 1.0, at_second, is_buy=number % 2 == 0)
    assert 0.8 == book.score_wash(holders=None)


def test_the_coins_that_the_simulated_market_trades_in_circles_are_told_from_the_others() -> None:
    market = Market(seed=3, calibration=Calibration(washed_share=0.1))
    books: dict[Mint, TraderBook] = {}
    for event in market.advance(900.0):
        if isinstance(event, Traded):
            book = books.setdefault(event.token.mint, TraderBook())
            book.add_trade(event.trader, event.trade_sol, event.at, is_buy=event.side == "buy")
    scores = {
        is_washed: [
            books[token.mint].score_wash(holders=None)
            for token in market.tokens.values()
            if bool(token.circle) is is_washed and token.mint in books
            if books[token.mint].trades >= 100
        ]
        for is_washed in (True, False)
    }
    assert min(map(len, scores.values())) >= 10
    assert sum(score > 0.5 for score in scores[True]) > 0.8 * len(scores[True])
    assert sum(score > 0.5 for score in scores[False]) < 0.02 * len(scores[False])


def test_a_few_trades_tell_nothing() -> None:
    book = TraderBook()
    for number in range(FEWEST_TRADES - 1):
        book.add_trade(1, 1.0, NOW + number, is_buy=number % 2 == 0)
    assert 0.0 == book.score_wash(holders=1)
    assert not book.is_repeated(1, 0.25)


def test_old_trades_are_forgotten() -> None:
    book = washed_market(Random(1))
    book.turn_generation(NOW + 10_000)
    assert 0.0 == book.score_wash(holders=1)
    assert {} == book.current == book.previous


@given(st.lists(st.tuples(st.integers(0, 90), st.floats(0, 1e6), st.booleans()), max_size=200))
def test_the_wash_score_is_a_share_and_its_memory_is_bounded(
    told: list[tuple[int, float, bool]],
) -> None:
    book = TraderBook()
    for number, (trader, sol, is_buy) in enumerate(told):
        book.add_trade(trader, sol, NOW + number, is_buy=is_buy)
    assert 0.0 <= book.score_wash(holders=None) <= 1.0
    assert len(book.current) <= 64


# A book.


def test_a_repeated_trader_counts_once_beyond_his_share() -> None:
    book = TradingBook()
    honest = [
        book.count_trade(traded(1, n, sol=Sol(0.1), trader=f"w{n}"), at(n), 0.25)
        for n in range(FEWEST_TRADES)
    ]
    assert [0.1] * FEWEST_TRADES == honest
    whale = [
        book.count_trade(traded(1, 20 + n, sol=Sol(1.0), trader="whale"), at(20 + n), 0.25)
        for n in range(3)
    ]
    assert [1.0, 0.0, 0.0] == whale


def test_a_trade_without_a_known_trader_counts_whole() -> None:
    book = TradingBook()
    told = [book.count_trade(traded(1, n, sol=Sol(1.0)), at(n), 0.25) for n in range(30)]
    assert [1.0] * 30 == told


@pytest.mark.parametrize(
    ("facts", "price"),
    [
        ({"market_cap_usd": Usd(5e3)}, Price(5e-6, "usd")),
        ({"market_cap_sol": Sol(30.0), "sol": Sol(2.0), "usd": Usd(300.0)}, Price(4.5e-6, "usd")),
        ({"market_cap_sol": Sol(30.0), "sol": Sol(2.0)}, Price(3e-8, "sol")),
        ({"sol": Sol(2.0), "tokens": 100.0}, Price(0.02, "sol")),
        ({"sol": None, "usd": Usd(2.0), "tokens": 100.0}, Price(0.02, "usd")),
        ({"sol": Sol(2.0)}, None),
    ],
)
def test_the_price_of_a_trade(facts: dict[str, object], price: Price | None) -> None:
    told = read_price(traded(1, 0, **({"market_cap_sol": None} | facts)))
    assert (price is None) == (told is None)
    if price is not None and told is not None:
        assert price.currency == told.currency
        assert told.amount == pytest.approx(price.amount)


def asked(**facts: object) -> StatisticsRequest:
    given: dict[str, object] = {"book": None, "quoted": None, "covered_since": None}
    given |= {"holders": None, "born_at": None, "now": at(100_000), **facts}
    return StatisticsRequest(**given)  # type: ignore[arg-type]


def test_windows_that_no_stream_covers_are_the_provider_s() -> None:
    quoted = WindowsQuoted(
        mint=mint(1),
        observed_at=at(0),
        source="jupiter",
        windows={"5m": WindowStatistics(buys=7), "6h": WindowStatistics(buys=9)},
    )
    told = take_statistics(asked(quoted=quoted, covered_since=at(100_000 - 4000)))
    assert {"5m": "trades", "1h": "trades", "6h": "jupiter"} == told.sources
    assert (0, 9) == (told.windows["5m"].buys, told.windows["6h"].buys)


def test_every_window_of_a_token_born_under_the_stream_is_counted() -> None:
    told = take_statistics(asked(covered_since=at(50), born_at=at(60), now=at(70)))
    assert dict.fromkeys(WINDOW_SECONDS, "trades") == told.sources
