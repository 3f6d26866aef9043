"""What the programs' events mean: values of recorded and of encoded transactions."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import FrameRefused, SourceUnavailable
from domain.lifecycle import bonding_progress, quote_raised
from domain.messages import (
    CurveCompleted,
    MigrationSeen,
    PoolCreated,
    SourceEvent,
    TokenCreated,
    TradeSeen,
)
from domain.values import WRAPPED_SOL, Mint, UnixSeconds
from sources.pump_chain.market import read_transaction
from sources.pump_chain.notifications import SubscriptionMade, parse_notification
from sources.pump_chain.pools import PoolFacts, PoolTable
from sources.pump_chain.programs import LAUNCHLAB, PUMP, PUMPSWAP
from sources.pump_chain.reading import Reading, Transaction
from tests.unit.sources.chain_events import encode, logs_of, notification
from tests.unit.sources.doubles import NOW
from tests.unit.sources.recordings import frames, load
from tests.unit.sources.test_pump_chain_events import BLACK_CAT, PUMPFUN_LOGS

MINT = "6gbFk1RxAsN3VMw4WUTKvhi2QXsGDBqYCKGrY4umpump"
POOL = "8i4SjUsjpj16zD8MLWFi4PMZq9XQpPJG3tTYXr7xoL4o"
WALLET = "CZ5H8Fiuf6HCLQXeNuZio9yU63d2un6Nu5PnrD1YwnR8"
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
USD1 = "USD1ttGY1N17NEEHLmELoaybftRBUSErhqYiQzvEmuB"


def read(*events: tuple[str, bytes], pools: PoolTable | None = None, **more: Any) -> Reading:
    facts: dict[str, Any] = {
        "signature": "sig",
        "slot": 5,
        "seen_at": NOW,
        "logs": logs_of(*events),
    } | more
    return read_transaction(Transaction(**facts), pools or PoolTable(limit=10))


def only(reading: Reading) -> Any:
    [event] = reading.events
    return event


def knowing(**facts: Any) -> PoolTable:
    table = PoolTable(limit=10)
    chosen: dict[str, Any] = {"mint": Mint(MINT), "quote_mint": WRAPPED_SOL, "decimals": 6} | facts
    table.put_pool(POOL, PoolFacts(**chosen))
    return table


def recorded() -> list[SourceEvent]:
    found: list[SourceEvent] = []
    for text in frames(PUMPFUN_LOGS):
        transaction = parse_notification(text, NOW)
        if isinstance(transaction, Transaction) and transaction.logs is not None:
            found += read_transaction(transaction, PoolTable(limit=10)).events
    return found


def test_recorded_births_and_trades() -> None:
    events = recorded()
    births = [event for event in events if isinstance(event, TokenCreated)]
    trades = [event for event in events if isinstance(event, TradeSeen)]
    assert (11, 56) == (len(births), len(trades))
    birth = next(each for each in births if each.mint == MINT)
    assert ("inudependence", 6, "1000000000", 1.5) == (
        birth.symbol,
        birth.decimals,
        birth.total_supply,
        birth.initial_buy_sol,
    )
    assert (31.5, WALLET, 430727484) == (birth.curve_sol, birth.creator_wallet, birth.slot)
    assert UnixSeconds(1783165099) == birth.at
    assert birth.market_cap_sol == pytest.approx(30.8248, abs=1e-3)
    assert all(
        trade.trader and trade.tokens and trade.at and trade.sol is not None for trade in trades
    )


def test_the_curve_of_a_birth_without_a_buy() -> None:
    created = encode(
        PUMP,
        "CreateEvent",
        mint=MINT,
        virtual_token_reserves=1_073_000_000_000_000,
        virtual_sol_reserves=30_000_000_000,
        token_total_supply=10**15,
    )
    birth = only(read((PUMP, created)))
    assert 0.0 == bonding_progress(birth.curve_tokens)
    assert birth.market_cap_sol == pytest.approx(27.959, abs=1e-3)
    assert birth.initial_buy_sol is None


def test_a_coin_paired_with_dollars_has_its_sums_in_dollars() -> None:
    created = encode(
        PUMP,
        "CreateEvent",
        mint=MINT,
        virtual_token_reserves=1_073_000_000_000_000,
        quote_mint=USDC,
        virtual_quote_reserves=4_000_000_000,
    )
    traded = encode(
        PUMP,
        "TradeEvent",
        mint=MINT,
        token_amount=5_000_000,
        is_buy=True,
        virtual_token_reserves=1_000_000_000_000_000,
        quote_mint=USDC,
        quote_amount=2_500_000,
        virtual_quote_reserves=4_002_000_000,
    )
    birth, trade = read((PUMP, created), (PUMP, traded)).events
    assert isinstance(birth, TokenCreated)
    assert isinstance(trade, TradeSeen)
    assert (USDC, 4000.0, None, None) == (
        birth.quote_mint,
        birth.curve_usd,
        birth.curve_sol,
        birth.market_cap_sol,
    )
    assert (2.5, None, 4002.0, 5.0) == (trade.usd, trade.sol, trade.curve_usd, trade.tokens)
    assert trade.market_cap_usd == pytest.approx(4002.0)


def test_a_coin_paired_with_another_coin_has_progress_alone() -> None:
    created = encode(PUMP, "CreateEvent", mint=MINT, quote_mint=POOL, virtual_token_reserves=10**15)
    birth = only(read((PUMP, created)))
    assert (10**9, None, None) == (birth.curve_tokens, birth.curve_sol, birth.curve_usd)


def test_a_mayhem_coin_has_twice_the_supply_and_cap() -> None:
    created = encode(
        PUMP,
        "CreateEvent",
        mint=MINT,
        virtual_token_reserves=1_073_000_000_000_000,
        virtual_sol_reserves=30_000_000_000,
        is_mayhem_mode=True,
    )
    birth = only(read((PUMP, created)))
    assert "2000000000" == birth.total_supply
    assert birth.market_cap_sol == pytest.approx(55.918, abs=1e-3)


def test_a_mayhem_coin_whose_event_states_half_the_supply_has_twice_as_much() -> None:
    created = encode(PUMP, "CreateEvent", mint=MINT, token_total_supply=10**15, is_mayhem_mode=True)
    assert "2000000000" == only(read((PUMP, created))).total_supply


def test_the_first_buy_counts_where_its_signer_names_another_creator() -> None:
    created = encode(PUMP, "CreateEvent", mint=MINT, user=WALLET, creator=POOL)
    bought = encode(
        PUMP, "TradeEvent", mint=MINT, is_buy=True, sol_amount=1_500_000_000, user=WALLET
    )
    by_another = encode(
        PUMP, "TradeEvent", mint=MINT, is_buy=True, sol_amount=9_000_000_000, user=USDC
    )
    birth = read((PUMP, created), (PUMP, bought), (PUMP, by_another)).events[0]
    assert isinstance(birth, TokenCreated)
    assert (POOL, 1.5) == (birth.creator_wallet, birth.initial_buy_sol)


def test_a_quote_is_no_coin() -> None:
    reading = read((PUMP, encode(PUMP, "CreateEvent", mint=USDC)))
    assert ([], {"quote_mint": 1}) == (reading.events, reading.refused)


def test_two_trades_of_one_transaction_have_ordinals() -> None:
    buy = (PUMP, encode(PUMP, "TradeEvent", mint=MINT, is_buy=True))
    sell = (PUMP, encode(PUMP, "TradeEvent", mint=MINT, is_buy=False))
    trades = read(buy, sell, buy).events
    assert [("buy", 0), ("sell", 0), ("buy", 1)] == [
        (each.side, each.ordinal) for each in trades if isinstance(each, TradeSeen)
    ]


def test_a_completed_curve_and_its_migration() -> None:
    complete = encode(PUMP, "CompleteEvent", mint=MINT, timestamp=7)
    migrated = encode(PUMP, "CompletePumpAmmMigrationEvent", mint=MINT, pool=POOL, timestamp=8)
    pool = encode(
        PUMPSWAP,
        "CreatePoolEvent",
        pool=POOL,
        base_mint=MINT,
        quote_mint=str(WRAPPED_SOL),
        base_mint_decimals=6,
        timestamp=8,
    )
    pools = PoolTable(limit=10)
    done, left = read((PUMP, complete), (PUMPSWAP, pool), (PUMP, migrated), pools=pools).events
    assert isinstance(done, CurveCompleted)
    assert isinstance(left, MigrationSeen)
    told: tuple[object, ...] = (left.mint, left.at, left.pool_address, left.venue)
    assert (MINT, 8, POOL, "pumpswap") == told
    assert pools.find_pool(POOL) == PoolFacts(mint=Mint(MINT), quote_mint=WRAPPED_SOL, decimals=6)


@pytest.mark.parametrize("reversed_sides", [False, True])
def test_a_pool_of_anybody_is_no_migration(reversed_sides: bool) -> None:
    sides = {"base_mint": MINT, "quote_mint": str(WRAPPED_SOL)}
    if reversed_sides:
        sides = {"base_mint": str(WRAPPED_SOL), "quote_mint": MINT}
    pools = PoolTable(limit=10)
    created = encode(PUMPSWAP, "CreatePoolEvent", pool=POOL, timestamp=8, **sides)
    event = only(read((PUMPSWAP, created), pools=pools))
    assert isinstance(event, PoolCreated)
    assert not event.is_migration
    told: tuple[object, ...] = (event.mint, event.pool_address, event.created_at)
    assert (MINT, POOL, 8) == told
    facts = pools.find_pool(POOL)
    assert facts is not None
    assert reversed_sides is facts.is_base_quote


def pool_trade(name: str) -> bytes:
    amounts = (
        {"base_amount_out": 10_000_000, "quote_amount_in": 2_000_000_000}
        if name == "BuyEvent"
        else {"base_amount_in": 10_000_000, "quote_amount_out": 2_000_000_000}
    )
    return encode(
        PUMPSWAP,
        name,
        pool=POOL,
        user=WALLET,
        timestamp=9,
        pool_base_token_reserves=110_000_000,
        pool_quote_token_reserves=8_000_000_000,
        **amounts,
    )


def test_a_buy_in_a_pool() -> None:
    trade = only(read((PUMPSWAP, pool_trade("BuyEvent")), pools=knowing()))
    assert ("buy", 2.0, 10.0, WALLET, POOL) == (
        trade.side,
        trade.sol,
        trade.tokens,
        trade.trader,
        trade.pool_address,
    )
    assert trade.market_cap_sol == pytest.approx(10 / 100 * 1e9)  # the reserves after the trade
    assert trade.curve_tokens is None


def test_a_sale_in_a_pool() -> None:
    trade = only(read((PUMPSWAP, pool_trade("SellEvent")), pools=knowing()))
    assert ("sell", 2.0, 10.0) == (trade.side, trade.sol, trade.tokens)
    assert trade.market_cap_sol == pytest.approx(6 / 120 * 1e9)


def test_who_buys_the_quote_of_a_reversed_pool_sells_the_token() -> None:
    pools = knowing(is_base_quote=True, decimals=9)
    trade = only(read((PUMPSWAP, pool_trade("BuyEvent")), pools=pools))
    assert ("sell", 0.01, 2.0) == (trade.side, trade.sol, trade.tokens)


def test_a_trade_of_an_unknown_pool_waits_for_it_and_a_stranger_s_does_not() -> None:
    trade = (PUMPSWAP, pool_trade("BuyEvent"))
    reading = read(trade)
    assert ([], [POOL], {"unknown_pool": 1}) == (
        reading.events,
        reading.unknown_pools,
        reading.refused,
    )
    pools = PoolTable(limit=10)
    pools.note_stranger(POOL)
    assert [] == read(trade, pools=pools).unknown_pools


def test_a_recorded_launchlab_birth_with_its_first_buy() -> None:
    document = load(BLACK_CAT)
    pools = PoolTable(limit=10)
    unread = read(pools=pools, logs=document["logs"])
    [pool, _] = unread.unknown_pools
    pools.put_pool(pool, PoolFacts(mint=Mint(document["mint"]), quote_mint=Mint(USD1), decimals=6))
    birth, trade = read(pools=pools, logs=document["logs"]).events
    assert isinstance(birth, TokenCreated)
    assert isinstance(trade, TradeSeen)
    assert ("Black Cat", "launchlab", "1000000000", 6) == (
        birth.name,
        birth.venue,
        birth.total_supply,
        birth.decimals,
    )
    assert (document["mint"], "buy", None) == (trade.mint, trade.side, trade.sol)
    assert trade.tokens == pytest.approx(33_282_558.97203)
    assert trade.curve_tokens is not None
    assert bonding_progress(trade.curve_tokens) == pytest.approx(4.2, abs=0.01)


def test_a_launchlab_curve_of_another_size_has_the_right_progress() -> None:
    traded = encode(
        LAUNCHLAB,
        "TradeEvent",
        pool_state=POOL,
        total_base_sell=2_000_000,
        real_base_after=1_000_000,
        pool_status=1,
        trade_direction=1,
        amount_in=500_000,
        amount_out=3_000_000_000,
    )
    trade, done = read((LAUNCHLAB, traded), pools=knowing(decimals=2)).events
    assert isinstance(trade, TradeSeen)
    assert 50.0 == bonding_progress(trade.curve_tokens or 0)
    assert ("sell", 5000.0, 3.0) == (trade.side, trade.tokens, trade.sol)
    assert isinstance(done, CurveCompleted)


def test_a_launchlab_curve_in_dollars_has_raised_what_buyers_have_paid() -> None:
    traded = encode(
        LAUNCHLAB,
        "TradeEvent",
        pool_state=POOL,
        total_base_sell=1_000_000,
        real_base_after=250_000,
        real_quote_after=3_000_000_000,
        trade_direction=0,
    )
    trade = only(read((LAUNCHLAB, traded), pools=knowing(quote_mint=USDC)))
    assert isinstance(trade, TradeSeen)
    assert trade.curve_usd is not None
    assert trade.curve_tokens is not None
    assert 3000.0 == pytest.approx(quote_raised(trade.curve_tokens, trade.curve_usd))


def test_notifications_of_failed_transactions_tell_the_slot_alone() -> None:
    logs = logs_of((PUMP, encode(PUMP, "CompleteEvent", mint=MINT)))
    failed = parse_notification(notification("s", logs, slot=3, err={"x": 1}), NOW)
    assert isinstance(failed, Transaction)
    assert (3, None) == (failed.slot, failed.logs)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<html>", "not_json"),
        ("[]", "unknown_method"),
        ('{"method":"slotNotification"}', "unknown_method"),
        ('{"method":"logsNotification","params":{}}', "no_err"),
        (
            '{"method":"logsNotification","params":{"result":{"value":{"err":null}}}}',
            "no_signature",
        ),
        (" " * 300_000, "too_large"),
    ],
)
def test_what_is_no_message_of_the_protocol_is_refused(text: str, reason: str) -> None:
    with pytest.raises(FrameRefused) as refused:
        parse_notification(text, NOW)
    assert reason == refused.value.reason


def test_the_answer_to_a_request_tells_the_id_of_its_subscription() -> None:
    made = parse_notification('{"jsonrpc":"2.0","result":2391,"id":3}', NOW)
    assert SubscriptionMade(number=3, subscription=2391) == made


@pytest.mark.parametrize(
    "answer", ['{"id":true,"result":1}', '{"id":1,"result":"x"}', '{"result":{}}']
)
def test_other_answers_say_nothing(answer: str) -> None:
    assert parse_notification(answer, NOW) is None


def test_a_refused_subscription_ends_the_connection() -> None:
    with pytest.raises(SourceUnavailable):
        parse_notification('{"id":1,"error":{"code":-32602}}', NOW)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["params", "result", "value", "logs", "err", "signature", "context"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_notification_is_read_or_refused(value: object) -> None:
    text = json.dumps({"method": "logsNotification", "params": value})
    try:
        transaction = parse_notification(text, UnixSeconds(1.0))
    except FrameRefused:
        return
    assert isinstance(transaction, Transaction)
    read_transaction(transaction, PoolTable(limit=10))
