"""PumpAPI's frames, recorded and as documented, old words and new, and what junk is refused for."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InputRefused
from domain.lifecycle import bonding_progress, quote_raised, quote_to_graduate
from domain.messages import MigrationSeen, PoolCreated, SourceEvent, TokenCreated, TradeSeen
from domain.values import WRAPPED_SOL, UnixSeconds
from sources.pumpapi_frames import MOST_TRADES, parse_frame
from sources.pumpportal_frames import ControlFrame
from tests.unit.sources.recordings import frames

RECORDED = "pumpapi/stream_events_2025-12_2026-02.dev.jsonl"
NOW = UnixSeconds(1_771_700_000.0)
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
USD1 = "USD1ttGY1N17NEEHLmELoaybftRBUSErhqYiQzvEmuB"
WALLET = "4N5vGo5R1cWHb5vktSR5VHhPkt7eHYM8JE7vFE9G9uux"
OTHER = "HpARLxzXXfsssHUqzKE1mDC7CNF19vwQArdAvKSbwoF3"


def recorded(kind: str, pool: str) -> dict[str, Any]:
    for text in frames(RECORDED):
        frame: dict[str, Any] = json.loads(text)
        if (frame["txType"], frame["pool"]) == (kind, pool):
            return frame
    raise LookupError(kind)


def parse(frame: dict[str, Any], **changes: object) -> tuple[SourceEvent, ...]:
    """The frame with changes; `...` takes a key away."""
    changed = {key: value for key, value in (frame | changes).items() if value is not ...}
    said = parse_frame(json.dumps(changed), NOW)
    assert not isinstance(said, ControlFrame)
    return said


def created(**changes: object) -> TokenCreated:
    event = parse(recorded("create", "pump"), **changes)[0]
    assert isinstance(event, TokenCreated)
    return event


def traded(pool: str = "pump", side: str = "buy", **changes: object) -> TradeSeen:
    [event] = parse(recorded(side, pool), **changes)
    assert isinstance(event, TradeSeen)
    return event


def reason(frame: object) -> str:
    with pytest.raises(InputRefused) as refusal:
        parse_frame(json.dumps(frame), NOW)
    return refusal.value.reason


def in_new_words(frame: dict[str, Any]) -> dict[str, Any]:
    """As the stream has spoken since 2026: `action`, a quote always, and no word of SOL."""
    words = {
        "txType": "action",
        "solAmount": "quoteAmount",
        "solInPool": "quoteInPool",
        "vSolInBondingCurve": "vQuoteInBondingCurve",
        "marketCapSol": "marketCapQuote",
    }
    return {words.get(key, key): value for key, value in frame.items()} | {"quoteMint": WRAPPED_SOL}


# The recording.


def test_every_recorded_frame_becomes_what_it_is() -> None:
    became: Counter[str] = Counter()
    for text in frames(RECORDED):
        became.update(type(event).__name__ for event in parse(json.loads(text)))
    # Both creates are purchases, too.
    assert {"TokenCreated": 2, "TradeSeen": 7, "MigrationSeen": 1, "PoolCreated": 2} == became


def test_every_recorded_frame_says_the_same_in_the_words_of_today() -> None:
    for text in frames(RECORDED):
        frame = json.loads(text)
        assert parse(frame) == parse(in_new_words(frame))


def test_a_recorded_create_is_read_in_full() -> None:
    [birth, purchase] = parse(recorded("create", "pump"))
    assert birth == TokenCreated(
        mint="AvxohnS3SSJRfw4h9u2am5DTRrNv9HY5je7EdqpVSA2i",  # type: ignore[arg-type]
        seen_at=NOW,
        signature="58zv6eEs2Y9ARPt9VSdpo6h3A4sg2ijgNftk8vXGvjoHQEiMqgoL6mNnWX9uZ26WS6mtzWuXduf8vuhUw"
        "UKJ73Wk",
        source="pumpapi",
        at=UnixSeconds(1_771_427_621.0),
        slot=401_114_006,
        venue="pumpfun",
        name="CHUD",
        symbol="CHUD",
        metadata_uri="https://metadata.j7tracker.com/metadata/2456cf930d0a4a0e.json",
        creator_wallet="3dxmSSoSbLpmyZZTJhGP4w9DUPLCrMyyUNpb6eL8e3Rf",
        bonding_curve_key="EzW8aPTiayL6zNw3rpPTDiPsbPFfNcn7TNB8BstbUYh9",
        decimals=6,
        total_supply="1000000000",
        freeze_revoked=True,
        mint_renounced=True,
        initial_buy_sol=3.0,  # type: ignore[arg-type]
        curve_tokens=975_454_545.454546,
        curve_sol=33.0,  # type: ignore[arg-type]
        market_cap_sol=33.83038210624416,  # type: ignore[arg-type]
    )
    assert isinstance(purchase, TradeSeen)
    assert (birth.signature, 0, "buy", birth.creator_wallet, 97_545_454.545454, 3.0) == (
        purchase.signature,
        purchase.ordinal,
        purchase.side,
        purchase.trader,
        purchase.tokens,
        purchase.sol,
    )


def test_a_birth_without_a_purchase_is_no_trade() -> None:
    assert 1 == len(parse(recorded("create", "pump"), initialBuy=0.0, solAmount=0.0))


def test_a_recorded_migration_has_its_time_and_pool() -> None:
    [event] = parse(recorded("migrate", "pump-amm"))
    assert isinstance(event, MigrationSeen)
    assert ("pumpswap", "8xLk84gnavkayCu4o345bgC7Qk4oRNtU2AS1PaTqujwH", 1_766_551_228.0) == (
        event.venue,
        event.pool_address,
        event.at,
    )


def test_pools_that_people_open_are_no_migrations() -> None:
    for venue, pool in (("pumpswap", "pump-amm"), ("raydium-cpmm", "raydium-cpmm")):
        [event] = parse(recorded("createPool", pool))
        assert isinstance(event, PoolCreated)
        assert (venue, False) == (event.venue, event.is_migration)
        assert event.created_at < NOW
        [opened] = parse(recorded("createPool", pool), poolCreatedBy="raydium-launchpad")
        assert isinstance(opened, PoolCreated)
        assert opened.is_migration


def test_a_pool_without_an_address_is_refused() -> None:
    assert "no_pool_address" == reason(recorded("createPool", "pump-amm") | {"poolId": "x"})


@pytest.mark.parametrize(
    ("pool", "side", "venue"),
    [
        ("pump", "buy", "pumpfun"),
        ("pump-amm", "buy", "pumpswap"),
        ("raydium-cpmm", "sell", "raydium-cpmm"),
        ("meteora-launchpad", "buy", "meteora-dbc"),
        ("meteora-damm-v2", "buy", "meteora"),
    ],
)
def test_recorded_trades_name_venue_pool_and_trader(pool: str, side: str, venue: str) -> None:
    event, frame = traded(pool, side), recorded(side, pool)
    [trader] = frame["tradersInvolved"]
    assert (venue, trader, frame["tokenAmount"], frame["solAmount"], frame["block"]) == (
        event.venue,
        event.trader,
        event.tokens,
        event.sol,
        event.slot,
    )
    on_curve = venue in ("pumpfun", "meteora-dbc")
    assert event.pool_address == (None if on_curve else frame["poolId"])
    assert (event.curve_tokens is not None) == (venue == "pumpfun")


def test_the_trader_is_who_was_involved_and_not_who_signed() -> None:
    event = traded("raydium-cpmm", "sell")
    assert "HU23r7UoZbqTUuh3vA7emAGztFtqwTeVips789vqxxBw" == event.trader
    both: dict[str, dict[str, object]] = {WALLET: {}, OTHER: {}}
    assert WALLET == traded(txSigner=WALLET, tradersInvolved=both).trader
    assert None is traded(txSigner=USD1, tradersInvolved=both).trader
    assert WALLET == traded(tradersInvolved=...).trader


# Authorities.


@pytest.mark.parametrize(
    ("authority", "is_given_up"),
    [(None, True), (WALLET, False), (..., None), (7, None), ("", None)],
)
def test_null_is_given_up_and_absent_is_not_known(
    authority: object, is_given_up: bool | None
) -> None:
    event = created(mintAuthority=authority, freezeAuthority=authority)
    assert (is_given_up, is_given_up) == (event.mint_renounced, event.freeze_revoked)


# Supply.


@pytest.mark.parametrize(
    ("changes", "supply"),
    [
        ({"supply": 2_000_000_000, "mayhemMode": True}, "2000000000"),
        ({"supply": ..., "mayhemMode": True}, "2000000000"),
        ({"supply": ...}, "1000000000"),
        ({"supply": 999999992.0}, "999999992"),
        ({"supply": ..., "pool": "meteora-launchpad"}, None),
        ({"supply": -1, "pool": "meteora-launchpad"}, None),
    ],
)
def test_supply_is_as_told_or_as_pump_fun_mints_it(
    changes: dict[str, object], supply: str | None
) -> None:
    assert supply == created(**changes).total_supply


def test_a_trade_tells_its_cap_for_a_billion_tokens() -> None:
    event = traded(price=4e-8, marketCapSol=80.0, supply=2e9, mayhemMode=True)
    assert pytest.approx(40.0) == event.market_cap_sol


# Time.


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [
        (1_771_427_621_579, 1_771_427_621.0),
        (1_771_427_621, 1_771_427_621.0),
        (..., None),
        ("1771427621579", None),
        (0, None),
        (-5, None),
        (1e25, None),
        (12_345, None),
    ],
)
def test_times_that_the_chain_cannot_have_had_are_none(timestamp: object, at: float | None) -> None:
    assert at == traded(timestamp=timestamp).at


# Quotes.


def test_a_coin_paired_with_usdc_has_its_sums_in_dollars() -> None:
    """As documented: the official PUMP-USDC pool."""
    event = traded(
        "pump-amm",
        quoteMint=USDC,
        solAmount=...,
        solInPool=...,
        marketCapSol=...,
        quoteAmount=2434.650564,
        quoteInPool=6411226.583998,
        price=0.0017222896501836024,
        marketCapQuote=1722271139.078167,
    )
    assert (USDC, None, 2434.650564, None) == (
        event.quote_mint,
        event.sol,
        event.usd,
        event.market_cap_sol,
    )
    assert pytest.approx(1_722_289.65, rel=1e-6) == event.market_cap_usd


USD1_TRADE = {
    "quoteMint": USD1,
    "solAmount": ...,
    "solInPool": ...,
    "marketCapSol": ...,
    "pool": "raydium-launchpad",
    "quoteAmount": 0.000012,
    "tokensInPool": 239942135.99963,
    "quoteInPool": 10714.496586,
    "vTokensInBondingCurve": 312967741.595121,
    "price": 0.00004833209533961698,
    "migrationThreshholds": {"quote": 12500.0},
}


@pytest.mark.parametrize("key", ["vQuoteInBondingCurve", "vSolInBondingCurve"])
def test_a_launchlab_curve_in_usd1_has_progress_and_dollars(key: str) -> None:
    """As documented: 10,714 of the 12,500 dollars are raised, 759 of 793 million tokens sold."""
    frame = USD1_TRADE | {"vSolInBondingCurve": ..., key: 15126.386725}
    [event] = parse(recorded("buy", "pump"), **frame)
    assert isinstance(event, TradeSeen)
    assert event.curve_tokens is not None
    assert pytest.approx(95.83, abs=0.01) == bonding_progress(event.curve_tokens)
    assert (key == "vQuoteInBondingCurve") == (event.curve_usd is not None)
    if key == "vQuoteInBondingCurve":
        assert event.curve_usd is not None
        raised = quote_raised(event.curve_tokens, event.curve_usd)
        assert pytest.approx(10714.5, abs=1) == raised
        to_come = quote_to_graduate(event.curve_tokens, event.curve_usd)
        assert pytest.approx(12500 - 10714.5, abs=1) == to_come
    assert None is event.curve_sol


def test_sums_in_another_coin_are_neither_sol_nor_dollars() -> None:
    event = traded("raydium-cpmm", "sell", quoteMint=OTHER, quoteAmount=165.07403)
    assert 4 * (None,) == (event.sol, event.usd, event.market_cap_sol, event.market_cap_usd)
    assert (OTHER, 142506.761471) == (event.quote_mint, event.tokens)


@pytest.mark.parametrize("mint", [USDC, USD1, WRAPPED_SOL])
def test_a_known_quote_is_no_coin(mint: str) -> None:
    assert "quote_mint" == reason(recorded("buy", "pump-amm") | {"mint": mint, "quoteMint": USDC})


# Curves.


def test_a_platform_of_its_own_with_the_usual_curve_has_progress() -> None:
    [birth, _] = parse(recorded("create", "raydium-launchpad"))
    assert isinstance(birth, TokenCreated)
    assert birth.curve_tokens is not None
    assert pytest.approx(19.15, abs=0.01) == bonding_progress(birth.curve_tokens)
    assert 34.9475 == birth.curve_sol


@pytest.mark.parametrize(
    "changes",
    [
        {"vTokensInBondingCurve": 900_000_000.0},  # sells another share of its supply
        {"vTokensInBondingCurve": ...},
        {"tokensInPool": ...},
    ],
)
def test_another_curve_than_the_usual_one_claims_no_progress(changes: dict[str, object]) -> None:
    [birth, _] = parse(recorded("create", "raydium-launchpad"), **changes)
    assert isinstance(birth, TokenCreated)
    assert (None, None) == (birth.curve_tokens, birth.curve_sol)


def test_a_usual_curve_that_has_to_raise_another_sum_tells_no_sol() -> None:
    threshold = {"migrationThreshholds": {"quote": 30.0}}
    [birth, _] = parse(recorded("create", "raydium-launchpad"), **threshold)
    assert isinstance(birth, TokenCreated)
    assert birth.curve_tokens is not None
    assert None is birth.curve_sol


def test_a_meteora_curve_claims_no_progress() -> None:
    event = traded("meteora-launchpad", vTokensInBondingCurve=5e8, vSolInBondingCurve=40.0)
    assert (None, None) == (event.curve_tokens, event.curve_sol)


# Several trades in one frame.


def part(action: str, trader: str, tokens: float, quote: float) -> dict[str, object]:
    return {"action": action, "trader": trader, "tokenAmount": tokens, "quoteAmount": quote}


def test_the_trades_of_a_breakdown_count_one_by_one() -> None:
    parts = [
        part("buy", WALLET, 60.0, 0.6),
        part("buy", OTHER, 50.0, 0.5),
        part("sell", OTHER, 10.0, 0.1),
    ]
    events = parse(recorded("buy", "pump"), tokenAmount=100.0, solAmount=1.0, breakdown=parts)
    trades = [event for event in events if isinstance(event, TradeSeen)]
    assert [
        ("buy", 0, WALLET, 60.0, 0.6),
        ("buy", 1, OTHER, 50.0, 0.5),
        ("sell", 0, OTHER, 10.0, 0.1),
    ] == [(t.side, t.ordinal, t.trader, t.tokens, t.sol) for t in trades]


@pytest.mark.parametrize(
    "parts",
    [
        [part("buy", WALLET, 60.0, 0.6)],
        [part("buy", WALLET, 60.0, 0.6), part("buy", OTHER, 60.0, 0.5)],  # not what it says
        [part("buy", WALLET, 60.0, 0.6), part("swap", OTHER, 40.0, 0.4)],
        [part("buy", WALLET, 60.0, 0.6), 7],
        [part("buy", WALLET, 100.0 / (MOST_TRADES + 1), 0.1)] * (MOST_TRADES + 1),
        {"trader": WALLET},
    ],
)
def test_a_breakdown_that_makes_no_sense_leaves_one_trade(parts: object) -> None:
    [event] = parse(recorded("buy", "pump"), tokenAmount=100.0, solAmount=1.0, breakdown=parts)
    assert isinstance(event, TradeSeen)
    assert (100.0, 1.0, 0) == (event.tokens, event.sol, event.ordinal)


# What is no event.


@pytest.mark.parametrize("kind", ["transfer", "add", "remove"])
def test_what_is_of_no_interest_here_says_nothing(kind: str) -> None:
    assert () == parse({"txType": kind, "signature": "s"})
    assert () == parse({"action": kind, "signature": "s", "transfers": []})


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ([], "not_an_object"),
        ({}, "no_tx_type"),
        ({"txType": "explode"}, "unknown_tx_type"),
        ({"action": {"x": 1}}, "unknown_tx_type"),
        ({"action": "buy"}, "not_a_mint"),
        ({"action": "buy", "mint": 7}, "not_a_mint"),
        ({"action": "buy", "mint": "0" * 44}, "not_base58"),
        ({"action": "buy", "mint": WALLET}, "no_signature"),
        ({"action": "buy", "mint": WALLET, "signature": "s", "quoteMint": "USDC"}, "bad_quote"),
    ],
)
def test_junk_is_refused_with_its_reason(frame: object, expected: str) -> None:
    assert expected == reason(frame)


def test_the_server_may_say_something() -> None:
    said = parse_frame(json.dumps({"error": "x", "message": "one connection only"}), NOW)
    assert isinstance(said, ControlFrame)
    assert "one connection only" == said.notice


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = sorted(
    {key for text in frames(RECORDED) for key in json.loads(text)}
    | {"breakdown", "action", "quoteMint", "quoteAmount"}
)


@given(
    st.sampled_from(list(frames(RECORDED))),
    st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4),
)
def test_a_frame_with_anything_in_it_is_read_or_refused(text: str, changes: dict[str, Any]) -> None:
    try:
        said = parse_frame(json.dumps(json.loads(text) | changes), NOW)
    except InputRefused:
        return
    for event in () if isinstance(said, ControlFrame) else said:
        assert "pumpapi" == event.source
        for value in (getattr(event, "sol", None), getattr(event, "tokens", None)):
            assert value is None or 0 <= value < 1e15
