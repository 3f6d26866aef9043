"""PumpAPI's frames have the recorded shape, and tell the same world as the other streams."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from commands.market.calibration import Calibration
from commands.market.clock import slot
from commands.market.events import Created, Event, Traded
from commands.market.keys import address
from commands.market.model import Market
from commands.market.pumpapi import pumpapi_frame
from commands.market.pumpportal import frame_of

RECORDED = Path(__file__).parents[2] / "data" / "pumpapi"
AT = 1_790_000_000.25
MIXED = Calibration(bonk_share=0.4, swap_pools_per_minute=2.0, trade_share=0.3)
# Recorded frames of coins that the market has: by kind and pool.
KINDS = {
    ("create", "pump"), ("create", "raydium-launchpad"), ("buy", "pump"), ("buy", "pump-amm"),
    ("sell", "raydium-cpmm"), ("migrate", "pump-amm"), ("createPool", "pump-amm"),
}  # fmt: skip


@cache
def events() -> tuple[Event, ...]:
    return tuple(Market(seed=8, calibration=MIXED).advance(3600.0))


@cache
def frames() -> tuple[tuple[Event, dict[str, Any]], ...]:
    told = ((event, pumpapi_frame(event, AT)) for event in events())
    return tuple((event, frame) for event, frame in told if frame is not None)


def recorded() -> dict[tuple[str, str], set[str]]:
    lines = (RECORDED / "stream_events_2025-12_2026-02.dev.jsonl").read_text().splitlines()
    said = map(json.loads, lines)
    return {(frame["txType"], frame["pool"]): set(frame) for frame in said}


def test_recording_has_what_is_compared() -> None:
    assert set(recorded()) >= KINDS


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_frames_have_the_recorded_fields(kind: tuple[str, str]) -> None:
    ours = [
        frame
        for event, frame in frames()
        if (frame["txType"], frame["pool"]) == kind and not event.token.pair.is_dollar
    ]
    assert ours
    assert {frozenset(recorded()[kind])} == {frozenset(frame) for frame in ours}


def test_coins_in_dollars_count_in_quote_fields() -> None:
    in_dollars = [frame for event, frame in frames() if event.token.pair.is_dollar]
    assert len(in_dollars) > 100
    for frame in in_dollars:
        assert {"quoteMint", "quoteAmount", "quoteInPool", "marketCapQuote"} <= set(frame)
        assert not [name for name in frame if "sol" in name.lower() and name != "txSigner"]


def test_time_and_block_are_the_chains() -> None:
    for event, frame in frames():
        assert (1_790_000_000_250, slot(event.at)) == (frame["timestamp"], frame["block"])


def test_same_transactions_and_sums_as_pumpportal() -> None:
    compared = 0
    for event, frame in frames():
        portal = frame_of(event)
        if portal is None or event.token.pair.is_dollar:
            continue
        same = ["signature", "mint", "txType"]
        if isinstance(event, Created | Traded):
            assert frame["solAmount"] == pytest.approx(portal["solAmount"])
            assert frame["marketCapSol"] == pytest.approx(portal["marketCapSol"])
            assert frame["txSigner"] == portal["traderPublicKey"]
        for name in same:
            assert frame[name] == portal[name]
        compared += 1
    assert compared > 5_000


def test_pool_is_the_one_that_the_chain_names() -> None:
    for event, frame in frames():
        on_curve = isinstance(event, Created) or (isinstance(event, Traded) and not event.in_pool)
        expected = address("curve" if on_curve else "pool", event.token.mint)
        assert expected == frame["poolId"]


def test_real_reserves_lie_below_the_virtual_ones() -> None:
    for _, frame in frames():
        if frame["pool"] == "pump" and "vSolInBondingCurve" in frame:
            assert frame["vSolInBondingCurve"] - frame["solInPool"] == pytest.approx(30.0)
            missing = frame["vTokensInBondingCurve"] - frame["tokensInPool"]
            assert missing == pytest.approx(279_900_000.0)
