"""Every recorded frame of 2024 to 2026, and what junk is refused for."""

import json
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import FrameRefused, InputRefused, MintRefused
from domain.lifecycle import bonding_progress
from domain.messages import MigrationSeen, SourceEvent, TokenCreated, TradeSeen
from sources.launchpad_frames import LONGEST_FRAME
from sources.pumpportal_frames import ControlFrame, parse_frame
from tests.unit.sources.doubles import NOW
from tests.unit.sources.recordings import DATA, frames

MINT = "97QUsKyZ1tDbBkWzowCixaZHPfMHz3ME8LQzwa9Upump"
WALLET = "HpARLxzXXfsssHUqzKE1mDC7CNF19vwQArdAvKSbwoF3"
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"

CREATE = {
    "signature": "4LhzBq8yMuww4fPUuyHccjBUbzVHzS6EqxD3PYELMtbMPGzPsAUXBNbuFWyBmkx97UJT7FcLy6Fb31dy",
    "mint": MINT,
    "traderPublicKey": WALLET,
    "txType": "create",
    "initialBuy": 0,
    "solAmount": 0,
    "bondingCurveKey": "Cm7tEVsTyyTXtCqsAsEg5SBB3sjoqUbJEdb69vUwXqrj",
    "vTokensInBondingCurve": 1_073_000_000,
    "vSolInBondingCurve": 30,
    "marketCapSol": 27.958993476234856,
    "name": "Smooth Like Butter",
    "symbol": "SLB",
    "uri": "https://ipfs.io/ipfs/bafkreic43",
    "is_mayhem_mode": False,
    "pool": "pump",
}


def parse(**changes: object) -> SourceEvent | ControlFrame:
    """The frame above with changes; `...` takes a key away."""
    frame = {key: value for key, value in (CREATE | changes).items() if value is not ...}
    return parse_frame(json.dumps(frame), NOW)


def created(**changes: object) -> TokenCreated:
    event = parse(**changes)
    assert isinstance(event, TokenCreated)
    return event


def traded(**changes: object) -> TradeSeen:
    event = parse(**{"txType": "buy", "tokenAmount": 5.0} | changes)
    assert isinstance(event, TradeSeen)
    return event


def reason(text: str | bytes) -> str:
    with pytest.raises(InputRefused) as refusal:
        parse_frame(text, NOW)
    return refusal.value.reason


def outcomes(name: str) -> dict[str, int]:
    """How many frames of a recording became what."""
    seen: Counter[str] = Counter()
    for frame in frames(f"pumpportal/{name}"):
        try:
            seen[type(parse_frame(frame, NOW)).__name__] += 1
        except InputRefused as refusal:
            seen[refusal.reason] += 1
    return dict(seen)


RECORDED = {
    "console_dumps_2025.dev.jsonl": {"TokenCreated": 31, "TradeSeen": 3},
    "creates_2024_2025_older_formats.jsonl": {"TokenCreated": 2},
    "frames_2026-06-23_migrate_and_ack.jsonl": {"MigrationSeen": 1, "ControlFrame": 1},
    "frames_2026-07-30_acks_and_create.jsonl": {"TokenCreated": 1, "ControlFrame": 2},
    "frames_2026-08-02_pump_bonk_migrate.jsonl": {"TokenCreated": 2, "MigrationSeen": 1},
    "frames_2026-08-14_int_and_float_sol.jsonl": {
        "TokenCreated": 2,
        "MigrationSeen": 1,
        "ControlFrame": 2,
    },
    # The first line is an excerpt whose author left `txType` out.
    "frames_2026-09-01_solscanner.jsonl": {"TokenCreated": 1, "no_tx_type": 1},
    "raw_session_log_2026-09-28.p1.dev.jsonl": {"TokenCreated": 18, "ControlFrame": 2},
    "session1_2026-07-03.dev.jsonl": {"TokenCreated": 117, "MigrationSeen": 4, "ControlFrame": 3},
    "trade_sequence_2024_no_solAmount_no_pool.jsonl": {"TradeSeen": 11},
}


@pytest.mark.parametrize("name", RECORDED)
def test_every_recorded_frame_becomes_what_it_is(name: str) -> None:
    assert RECORDED[name] == outcomes(name)


def test_no_recording_is_left_out() -> None:
    assert set(RECORDED) == {path.name for path in (DATA / "pumpportal").glob("*.jsonl")}


def recorded_creates() -> list[TokenCreated]:
    parsed = [
        parse_frame(frame, NOW)
        for name in RECORDED
        if name != "frames_2026-09-01_solscanner.jsonl"
        for frame in frames(f"pumpportal/{name}")
    ]
    return [event for event in parsed if isinstance(event, TokenCreated)]


def test_every_recorded_create_has_wallet_supply_curve_and_cap() -> None:
    for event in recorded_creates():
        assert event.creator_wallet is not None
        assert event.total_supply is not None
        assert event.curve_tokens is not None
        assert event.curve_sol is not None
        assert event.market_cap_sol is not None


def test_no_recorded_name_or_symbol_has_blanks_around_it() -> None:
    for event in recorded_creates():
        for text in (event.name, event.symbol):
            assert text is None or text == text.strip() != ""


def test_a_recorded_create_is_read_in_full() -> None:
    *_, frame = frames("pumpportal/frames_2026-07-30_acks_and_create.jsonl")
    expected = TokenCreated(
        mint=MINT,  # type: ignore[arg-type]
        seen_at=NOW,
        signature="4LhzBq8yMuww4fPUuyHccjBUbzVHzS6EqxD3PYELMtbMPGzPsAUXBNbuFWyBmkx97UJT7FcLy6Fb31d"
        "yfARNhgHc",
        source="pumpportal",
        venue="pumpfun",
        name="Smooth Like Butter",
        symbol="SLB",
        metadata_uri="https://ipfs.io/ipfs/bafkreic43ynnj6d2ck6yjzcw5jfal6zerujcnr2z4bjrn2fhbjltzclu34",
        creator_wallet=WALLET,
        bonding_curve_key="Cm7tEVsTyyTXtCqsAsEg5SBB3sjoqUbJEdb69vUwXqrj",
        decimals=6,
        total_supply="1000000000",
        initial_buy_sol=0.790123455,  # type: ignore[arg-type]
        curve_tokens=1045465116.339853,
        curve_sol=30.79012345499999,  # type: ignore[arg-type]
        market_cap_sol=29.451124646602683,  # type: ignore[arg-type]
    )
    assert expected == parse_frame(frame, NOW)


def test_a_trade_of_2024_has_neither_size_nor_pool_and_is_one_of_pumpfun() -> None:
    first, *_ = frames("pumpportal/trade_sequence_2024_no_solAmount_no_pool.jsonl")
    event = parse_frame(first, NOW)
    assert isinstance(event, TradeSeen)
    assert event.side == "buy"
    assert event.sol is None
    assert event.venue == "pumpfun"
    assert event.curve_tokens == 977513247.598136


def test_a_create_of_2024_names_no_pool_and_is_one_of_pumpfun() -> None:
    first, *_ = frames("pumpportal/creates_2024_2025_older_formats.jsonl")
    event = parse_frame(first, NOW)
    assert isinstance(event, TokenCreated)
    assert event.venue == "pumpfun"
    assert event.initial_buy_sol is None


def test_launchlab_reserves_become_virtual_ones_so_one_formula_fits() -> None:
    _, bonk, _ = frames("pumpportal/frames_2026-08-02_pump_bonk_migrate.jsonl")
    event = parse_frame(bonk, NOW)
    assert isinstance(event, TokenCreated)
    assert event.venue == "launchlab"
    assert event.curve_tokens == 955306784.145121 + 73_000_000
    assert event.curve_sol == 1.975 + 30
    assert event.total_supply == "1000000000"
    assert bonding_progress(event.curve_tokens) == 5.64


def test_a_launchlab_coin_is_at_zero_per_cent_at_birth_and_at_hundred_when_sold_out() -> None:
    bonk = {"pool": "bonk", "vTokensInBondingCurve": ..., "vSolInBondingCurve": ...}
    birth = created(**bonk, tokensInPool=1_000_000_000, solInPool=0, initialBuy=0)
    sold_out = created(**bonk, tokensInPool=206_900_000, solInPool=85, initialBuy=793_100_000)
    assert birth.curve_tokens is not None
    assert sold_out.curve_tokens is not None
    assert bonding_progress(birth.curve_tokens) == 0
    assert bonding_progress(sold_out.curve_tokens) == 100


def test_a_bonk_create_of_another_supply_claims_no_supply_decimals_or_curve() -> None:
    event = created(
        pool="bonk",
        vTokensInBondingCurve=...,
        vSolInBondingCurve=...,
        tokensInPool=12_500_000_000,
        solInPool=1,
        initialBuy=3,
    )
    assert event.total_supply is None
    assert event.decimals is None
    assert event.curve_tokens is None


def test_a_bonk_create_of_a_smaller_supply_is_not_born_sold_out() -> None:
    event = created(
        pool="bonk",
        vTokensInBondingCurve=...,
        vSolInBondingCurve=...,
        tokensInPool=9_658_060.95,
        solInPool=1,
        initialBuy=341_939.05,
    )
    assert (event.total_supply, event.curve_tokens, event.curve_sol) == (None, None, None)


def test_decimals_are_claimed_only_where_the_program_fixes_them() -> None:
    assert created().decimals == 6
    assert created(pool="bonk").decimals is None


def test_a_mayhem_coin_has_twice_the_supply_and_cap() -> None:
    event = created(is_mayhem_mode=True)
    assert event.total_supply == "2000000000"
    assert event.market_cap_sol == 2 * 27.958993476234856
    assert created().total_supply == "1000000000"


def test_progress_is_zero_at_birth_not_35_per_cent_defect_1() -> None:
    event = created()
    assert event.curve_tokens is not None
    assert bonding_progress(event.curve_tokens) == 0


def test_a_create_that_buys_the_whole_curve_is_sold_out() -> None:
    event = created(vTokensInBondingCurve=279_900_000, vSolInBondingCurve=115.005)
    assert event.curve_tokens is not None
    assert bonding_progress(event.curve_tokens) == 100


def test_the_pool_of_a_migration_is_a_venue_not_an_address_defect_6() -> None:
    event = parse(txType="migrate", pool="pump-amm")
    assert isinstance(event, MigrationSeen)
    assert event.venue == "pumpswap"
    assert event.pool_address is None


def test_a_migration_to_a_venue_never_heard_of_is_still_a_migration() -> None:
    event = parse(txType="migrate", pool=MINT)
    assert isinstance(event, MigrationSeen)
    assert event.venue == "unknown"


def test_two_trades_in_one_millisecond_stay_two_defect_10() -> None:
    first, second = traded(signature="first"), traded(signature="second")
    assert first.seen_at == second.seen_at
    assert first.signature != second.signature


def test_nothing_is_expected_that_no_frame_carries_defect_13() -> None:
    """Neither time, slot, image, decimals nor a pool's address: all of it is absent, yet parsed."""
    bare = created(**dict.fromkeys(CREATE.keys() - {"signature", "mint", "txType", "pool"}, ...))
    assert bare == TokenCreated(
        mint=bare.mint,
        seen_at=NOW,
        signature=bare.signature,
        source="pumpportal",
        venue="pumpfun",
        decimals=6,
        total_supply="1000000000",
    )


def test_a_trade_in_a_graduated_pool_tells_nothing_of_the_curve() -> None:
    event = traded(pool="pump-amm", tokensInPool=1.0, solInPool=2.0)
    assert event.venue == "pumpswap"
    assert event.curve_tokens is None
    assert event.curve_sol is None


def test_a_trade_names_its_trader_and_how_many_tokens_changed_hands() -> None:
    event = traded(tokenAmount=12.5)
    assert ("pumpportal", WALLET, 12.5) == (event.source, event.trader, event.tokens)
    assert event.quote_mint is None  # no recorded frame names the quote


def test_a_coin_paired_with_dollars_is_no_junk_and_its_sums_are_dollars() -> None:
    """Its own mint is right; `mint` = USDC is still refused."""
    sums = {"quoteAmount": 200.0, "marketCapQuote": 4000.0, "vQuoteInBondingCurve": 4411.5}
    birth = created(quoteMint=USDC, **sums)
    assert (USDC, None, 200.0) == (birth.quote_mint, birth.initial_buy_sol, birth.initial_buy_usd)
    assert (None, 4411.5, None, 4000.0) == (
        birth.curve_sol,
        birth.curve_usd,
        birth.market_cap_sol,
        birth.market_cap_usd,
    )
    trade = traded(quoteMint=USDC, **sums)
    assert (USDC, None, 200.0, 4411.5, 4000.0) == (
        trade.quote_mint,
        trade.sol,
        trade.usd,
        trade.curve_usd,
        trade.market_cap_usd,
    )
    assert "quote_mint" == reason(json.dumps(CREATE | {"mint": USDC, "quoteMint": USDC}))


@pytest.mark.parametrize("quote", [..., None, "So11111111111111111111111111111111111111112"])
def test_a_coin_whose_quote_is_not_named_or_is_sol_has_sums_in_sol(quote: object) -> None:
    event = created(quoteMint=quote)
    assert ("So11111111111111111111111111111111111111112", 30.0, None) == (
        event.quote_mint,
        event.curve_sol,
        event.curve_usd,
    )


def test_sums_in_another_token_are_neither_sol_nor_dollars() -> None:
    event = created(quoteMint=WALLET, quoteAmount=7.0)
    assert WALLET == event.quote_mint
    assert 4 * (None,) == (
        event.initial_buy_sol,
        event.initial_buy_usd,
        event.curve_sol,
        event.market_cap_sol,
    )
    assert 1_073_000_000 == event.curve_tokens


@pytest.mark.parametrize("quote", ["USDC", 7, {}, "", "1" * 50])
def test_a_quote_that_cannot_be_read_is_refused_since_sums_might_be_in_anything(
    quote: object,
) -> None:
    assert "bad_quote" == reason(json.dumps(CREATE | {"quoteMint": quote}))


UNUSABLE: list[object] = [None, True, "5", -1, 1e40, [], {}, float("nan"), float("inf")]


@pytest.mark.parametrize("value", UNUSABLE)
def test_a_create_with_an_unusable_number_keeps_the_token(value: object) -> None:
    event = created(
        solAmount=value, vTokensInBondingCurve=value, vSolInBondingCurve=value, marketCapSol=value
    )
    assert event.mint == MINT
    assert event.initial_buy_sol is None
    assert event.curve_tokens is None
    assert event.curve_sol is None
    assert event.market_cap_sol is None


def test_more_sol_or_tokens_than_there_can_be_are_absent() -> None:
    event = created(solAmount=6.1e8, vTokensInBondingCurve=1.1e15, vSolInBondingCurve=1e25)
    assert (event.initial_buy_sol, event.curve_tokens, event.curve_sol) == (None, None, None)
    trade = traded(solAmount=1e25, tokenAmount=1e28, marketCapSol=1e28)
    assert (trade.sol, trade.market_cap_sol) == (None, None)
    assert traded(solAmount=6e8, marketCapSol=6e8).sol == 6e8


def test_a_cap_is_bounded_also_when_it_is_doubled() -> None:
    assert created(is_mayhem_mode=True, marketCapSol=5e8).market_cap_sol is None
    assert created(is_mayhem_mode=True, marketCapSol=3e8).market_cap_sol == 6e8


@pytest.mark.parametrize("value", [None, 5, ["x"], {"a": 1}, " ", "\x00"])
def test_a_create_with_unusable_texts_keeps_the_token(value: object) -> None:
    event = created(name=value, symbol=value, uri=value, traderPublicKey=value)
    assert event.mint == MINT
    assert (event.name, event.symbol, event.metadata_uri) == (None, None, None)
    assert event.creator_wallet is None


def test_half_an_emoji_costs_one_character_not_the_token() -> None:
    assert created(name="cat \ud83d").name == "cat \N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"mint": USDC}, "quote_mint"),
        ({"mint": "So11111111111111111111111111111111111111112"}, "quote_mint"),
        ({"mint": "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB"}, "quote_mint"),
        ({"mint": "USD1ttGY1N17NEEHLmELoaybftRBUSErhqYiQzvEmuB"}, "quote_mint"),
        ({"mint": ...}, "not_a_mint"),
        ({"mint": 7}, "not_a_mint"),
        ({"mint": MINT[:-1] + "0"}, "not_base58"),
        ({"mint": "z" * 44}, "not_32_bytes"),
        ({"signature": ...}, "no_signature"),
        ({"signature": ""}, "no_signature"),
        ({"signature": "x" * 200}, "no_signature"),
        ({"signature": 5}, "no_signature"),
        ({"txType": ...}, "no_tx_type"),
        ({"txType": "createPool"}, "unknown_tx_type"),
        ({"txType": ["create"]}, "unknown_tx_type"),
    ],
)
def test_junk_is_refused_with_its_reason(changes: dict[str, object], expected: str) -> None:
    frame = {key: value for key, value in (CREATE | changes).items() if value is not ...}
    assert expected == reason(json.dumps(frame))


@pytest.mark.parametrize("text", ["", "{", "<html>502</html>", b"\xff\xfe", "{" * 60_000])
def test_what_is_no_json_is_refused_as_that(text: str | bytes) -> None:
    assert reason(text) == "not_json"


@pytest.mark.parametrize("length", [LONGEST_FRAME + 1, 2**20 + 1])
def test_a_frame_too_large_is_refused_unread(length: int) -> None:
    padding = " " * (length - len(json.dumps(CREATE)))
    assert reason(json.dumps(CREATE) + padding) == "too_large"
    assert reason((json.dumps(CREATE) + padding).encode()) == "too_large"


def test_a_frame_as_large_as_can_be_is_read() -> None:
    text = json.dumps(CREATE)
    assert parse_frame(text + " " * (LONGEST_FRAME - len(text)), NOW) == created()


@pytest.mark.parametrize("text", ["[]", "null", "5", '"create"', "NaN"])
def test_json_that_is_no_object_is_refused_as_that(text: str) -> None:
    assert reason(text) == "not_an_object"


def test_a_binary_frame_is_read_like_text() -> None:
    assert parse_frame(json.dumps(CREATE).encode(), NOW) == created()


def test_the_refusal_of_trade_streams_is_recognised_under_message() -> None:
    *_, refusal = frames("pumpportal/frames_2026-08-14_int_and_float_sol.jsonl")
    control = parse_frame(refusal, NOW)
    assert isinstance(control, ControlFrame)
    assert control.refuses_trades
    assert not control.is_error


@pytest.mark.parametrize(
    "notice",
    [
        "Successfully subscribed to token creation events.",
        "Subscribed to 'migration' events.",
        "Successfully subscribed to keys.",
    ],
)
def test_an_acknowledgement_refuses_nothing(notice: str) -> None:
    control = parse_frame(json.dumps({"message": notice}), NOW)
    assert control == ControlFrame(notice=notice, is_error=False, refuses_trades=False)


def test_errors_are_told_apart_from_messages() -> None:
    control = parse_frame('{"errors": "Invalid message"}', NOW)
    assert control == ControlFrame(notice="Invalid message", is_error=True, refuses_trades=False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = [*CREATE, "tokensInPool", "solInPool", "tokenAmount", "message", "errors"]
KINDS = st.sampled_from(["create", "buy", "sell", "migrate"]) | JSON


def parses_or_refuses(text: str | bytes) -> None:
    with suppress(FrameRefused, MintRefused):  # anything else raised fails the test
        event = parse_frame(text, NOW)
        assert isinstance(event, TokenCreated | TradeSeen | MigrationSeen | ControlFrame)


@given(st.one_of(st.binary(), st.text(), JSON.map(json.dumps)))
def test_anything_at_all_is_an_event_or_refused(text: str | bytes) -> None:
    parses_or_refuses(text)


@given(st.dictionaries(st.sampled_from(KEYS), JSON), KINDS, st.booleans())
def test_a_frame_with_any_values_is_an_event_or_refused(
    changes: dict[str, Any], kind: object, keeps_mint: bool
) -> None:
    frame = CREATE | changes | {"txType": kind}
    if keeps_mint:
        frame["mint"] = MINT
    parses_or_refuses(json.dumps(frame))
