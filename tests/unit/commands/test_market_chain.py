"""The simulated chain prints what happens in the market, as the real one does."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import base58
import pytest
from attrs import evolve

from commands.market.calibration import Calibration
from commands.market.chain_history import ChainHistory, ChainTransaction, LogTraps
from commands.market.events import (
    Created,
    Event,
    Migrated,
    PoolOpened,
    Traded,
    group_by_transaction,
)
from commands.market.keys import address
from commands.market.model import Market
from commands.market.pairs import SOL, USD1, USDC
from domain.lifecycle import CURVE_TOKENS_AT_COMPLETION
from tests.unit.commands.chain_reader import (
    LAUNCHLAB,
    PUMP,
    PUMP_AMM,
    decode_event,
    decode_launchlab_creation,
    decode_launchlab_trade,
    printed_events,
)

RECORDED = Path(__file__).parents[2] / "data" / "solana-pubsub"
HONEST = LogTraps(failed=0.0, foreign=0.0, truncated=0.0, duplicate=0.0)
AT = 1_790_000_000
# Many coins of LaunchLab and in dollars, so that half an hour has all kinds.
MIXED = Calibration(bonk_share=0.4, dollar_share=0.3, swap_pools_per_minute=2.0, trade_share=0.3)


@cache
def groups() -> tuple[tuple[Event, ...], ...]:
    return tuple(group_by_transaction(Market(seed=8, calibration=MIXED).advance(1800.0)))


@cache
def printed() -> tuple[tuple[Event, str, bytes], ...]:
    """(the transaction's first event, program, bytes) of all that honest logs print."""
    history = ChainHistory(traps=HONEST, limit=10**6)
    return tuple(
        (events[0], program, data)
        for events in groups()
        for transaction in history.note(events, 1, AT)
        for program, data in printed_events(history.logs_of(transaction))
    )


@cache
def decoded() -> Mapping[str, list[tuple[Event, dict[str, object]]]]:
    """By the name of the printed event; those of pump.fun and PumpSwap."""
    found = defaultdict(list)
    for event, program, data in printed():
        if program != LAUNCHLAB:
            name, fields = decode_event(program, data)
            found[name].append((event, fields))
    return found


def of_kind(kind: str) -> list[tuple[Event, dict[str, object]]]:
    return decoded()[kind]


def happened(kind: type[Event], *venues: str) -> list[Event]:
    events = (event for group in groups() for event in group)
    return [event for event in events if isinstance(event, kind) and event.token.venue in venues]


def test_every_event_decodes_to_the_last_byte() -> None:
    names = {name: len(found) for name, found in decoded().items()}
    on_curve = [e for e in happened(Traded, "pump") if isinstance(e, Traded) and not e.in_pool]
    creates = [e for e in happened(Created, "pump") if isinstance(e, Created)]
    assert len(creates) == names["CreateEvent"]
    assert len(on_curve) + sum(e.buy_sol > 0 for e in creates) == names["TradeEvent"]
    migrations = len(happened(Migrated, "pump"))
    assert 5 < migrations == names["CompletePumpAmmMigrationEvent"] <= names["CompleteEvent"]
    assert migrations + len(happened(PoolOpened, "pump-amm")) == names["CreatePoolEvent"]
    swaps = [e for e in happened(Traded, "pump", "pump-amm") if isinstance(e, Traded) and e.in_pool]
    assert len(swaps) == names["BuyEvent"] + names["SellEvent"]


def test_creates_tell_who_and_what() -> None:
    for event, fields in of_kind("CreateEvent"):
        token = event.token
        assert (token.name, token.symbol, token.uri) == (
            fields["name"], fields["symbol"], fields["uri"],
        )  # fmt: skip
        assert (token.mint, AT, token.mayhem) == (
            fields["mint"], fields["timestamp"], bool(fields["is_mayhem_mode"]),
        )  # fmt: skip
        assert address("wallet", token.creator) == fields["creator"]
        program = {True: "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"}.get(
            token.is_token_2022, "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
        )
        assert program == fields["token_program"]


def test_a_curve_in_dollars_counts_in_quote_fields_only() -> None:
    quotes = set()
    for event, fields in [*of_kind("CreateEvent"), *of_kind("TradeEvent")]:
        pair = event.token.pair
        quotes.add(pair)
        virtual_sol, virtual_quote = (
            fields["virtual_sol_reserves"],
            fields["virtual_quote_reserves"],
        )
        if pair is USDC:
            assert USDC.mint == fields["quote_mint"]
            assert 0 == virtual_sol == fields.get("sol_amount", 0)
        else:
            assert "1" * 32 == fields["quote_mint"]  # no key: SOL
            assert virtual_quote == virtual_sol
    assert {SOL, USDC} == quotes


def test_trades_keep_the_product_and_the_reserves() -> None:
    for _, fields in of_kind("TradeEvent"):
        virtual_tokens, real_tokens = (
            fields["virtual_token_reserves"], fields["real_token_reserves"],
        )  # fmt: skip
        assert isinstance(virtual_tokens, int)
        assert isinstance(real_tokens, int)
        assert abs(virtual_tokens - real_tokens - 279_900_000_000_000) <= 2_000


def test_a_completed_curve_says_so_in_the_transaction_that_completes_it() -> None:
    for event, fields in of_kind("CompleteEvent"):
        assert isinstance(event, Created | Traded)
        assert event.tokens < CURVE_TOKENS_AT_COMPLETION + 1e-3
        assert event.token.mint == fields["mint"]


def test_a_migration_names_its_pool_one_level_below() -> None:
    opened = {fields["base_mint"]: fields["pool"] for _, fields in of_kind("CreatePoolEvent")}
    for event, fields in of_kind("CompletePumpAmmMigrationEvent"):
        assert address("pool", event.token.mint) == fields["pool"] == opened[fields["mint"]]


def test_swaps_name_the_pool_and_no_mint() -> None:
    for event, fields in [*of_kind("BuyEvent"), *of_kind("SellEvent")]:
        assert address("pool", event.token.mint) == fields["pool"]
        assert "mint" not in fields


def test_launchlab_prints_its_own_events() -> None:
    creations: list[tuple[Event, bytes]] = []
    trades: list[tuple[Event, bytes]] = []
    for event, program, data in printed():
        if program == LAUNCHLAB:
            is_creation = data[:8].hex() == "97d7e20976a173ae"
            (creations if is_creation else trades).append((event, data))
    for event, data in creations:
        token, said = event.token, decode_launchlab_creation(data)
        assert [token.name, token.symbol, token.uri] == said["texts"]
        assert address("curve", token.mint) == said["pool"]
        assert token.pair.raw(85.0050) == pytest.approx(said["goal"], rel=1e-4)
    assert {SOL, USD1} == {event.token.pair for event, _ in creations}
    for event, data in trades:
        said = decode_launchlab_trade(data)
        assert address("curve", event.token.mint) == said["pool"]
        bought = said["real_base_after"] - said["real_base_before"]
        expected = -said["amount_in"] if said["is_sell"] else said["amount_out"]
        assert abs(expected - bought) <= 2
    assert len(trades) > len(creations) > 100


def test_recorded_launchlab_logs_have_the_same_shape() -> None:
    recorded = json.loads(
        (RECORDED / "launchlab_creation_logs_2026-10-02_black_cat.json").read_text()
    )
    [(_, creation), (_, trade)] = printed_events(recorded["logs"])
    said = decode_launchlab_creation(creation)
    assert ["Black Cat", "CAT"] == said["texts"][:2]
    assert decode_launchlab_trade(trade)["pool"] == said["pool"]


def recorded_stacks() -> list[tuple[str, ...]]:
    """The programs above each pump.fun event of the recorded session, outermost first."""
    stacks = []
    for line in (RECORDED / "logs_subscribe_pumpfun_2026-07-04.dev.jsonl").read_text().splitlines():
        frame = json.loads(json.loads(line)["raw"])
        if "params" in frame and frame["params"]["result"]["value"]["err"] is None:
            stacks += stacks_of_events(frame["params"]["result"]["value"]["logs"])
    return stacks


def stacks_of_events(logs: list[str]) -> list[tuple[str, ...]]:
    stack: list[str] = []
    found = []
    for line in logs:
        words = line.split()
        if words[0] == "Program" and words[2:3] == ["invoke"]:
            stack.append(words[1])
        elif words[0] == "Program" and words[2:3] == ["success"]:
            stack.pop()
        elif line.startswith("Program data: ") and stack[-1] == PUMP:
            found.append(tuple(stack))
    return found


def test_events_stand_at_the_recorded_depths() -> None:
    history = ChainHistory(traps=HONEST)
    ours = {
        len(stack)
        for events in groups()[:3000]
        for transaction in history.note(events, 1, AT)
        for stack in stacks_of_events(history.logs_of(transaction))
    }
    assert {1, 2} <= {len(stack) for stack in recorded_stacks()} & ours


def mentions(kind: type[Event], venue: str) -> tuple[str, ...]:
    history = ChainHistory(traps=HONEST)
    events = next(g for g in groups() if isinstance(g[0], kind) and g[0].token.venue == venue)
    [transaction] = history.note(events, 1, AT)
    return transaction.mentions


def test_a_transaction_mentions_programs_and_authorities() -> None:
    assert "TSLvdd1pWpHVjahSpsvCXUbgwsL3JAcvokwaKt1eokM" in mentions(Created, "pump")
    migration = mentions(Migrated, "pump")
    assert {PUMP, PUMP_AMM, "39azUYFWPz3VHgKCf3VChUwbpURdCHRxjWVowf5jUJjg"} < set(migration)
    assert LAUNCHLAB in mentions(Migrated, "bonk")


def test_misleading_logs_come_at_their_share_and_never_cost_a_birth() -> None:
    traps = LogTraps(failed=0.2, foreign=0.2, truncated=0.1, duplicate=0.2)
    history = ChainHistory(traps=traps, limit=10**6)
    kinds: Counter[str] = Counter()
    for events in groups()[:4000]:
        for transaction in history.note(events, 1, AT):
            logs = history.logs_of(transaction)
            kinds["duplicate"] += history.comes_twice(transaction)
            if transaction.err is not None:
                kinds["failed"] += 1
                assert "failed: custom program error" in logs[-1]
                assert list(printed_events(logs))
            elif "Log truncated" in logs:
                kinds["truncated"] += 1
                assert isinstance(transaction.events[0], Traded)
            elif "SyncUserVolumeAccumulator" in "".join(logs):
                kinds["foreign"] += 1
                owners = {program for program, _ in printed_events(logs)}
                assert owners.isdisjoint({PUMP, PUMP_AMM, LAUNCHLAB})
    for kind, share in (("failed", 0.2), ("foreign", 0.2), ("truncated", 0.1), ("duplicate", 0.2)):
        assert share * 0.7 < kinds[kind] / 4000 < share * 1.6, kind


def noted(count: int, limit: int) -> tuple[ChainHistory, list[ChainTransaction]]:
    history = ChainHistory(traps=HONEST, limit=limit)
    found = [t for events in groups() for t in history.note(events, 1, AT)]
    return history, found[-count:]


def test_signatures_of_an_address_come_newest_first_and_in_pages() -> None:
    history, _ = noted(0, 10**6)
    every = history.signatures(PUMP, 10**6, None, None)
    numbers = [transaction.number for transaction in every]
    assert sorted(numbers, reverse=True) == numbers
    first = history.signatures(PUMP, 10, None, None)
    second = history.signatures(PUMP, 10, first[-1].signature, None)
    assert every[:20] == [*first, *second]
    assert every[:3] == history.signatures(PUMP, 10, None, every[3].signature)
    assert [] == history.signatures("unknown", 10, None, None)


def test_ledger_forgets_its_oldest_transactions() -> None:
    history, newest = noted(50, 50)
    assert [t.signature for t in newest] == list(history.noted)
    remembered = {signature for own in history.by_address.values() for signature in own}
    assert remembered == set(history.noted)


def test_signatures_are_the_transactions_own() -> None:
    found = [events[0].transaction for events in groups()]
    assert len(set(found)) == len(found)
    history = ChainHistory(traps=HONEST)
    [one] = history.note(groups()[0], 1, AT)
    assert 64 == len(base58.b58decode(one.signature))
    moved = evolve(groups()[0][0], transaction=groups()[0][0].transaction + 1)
    assert one.signature != ChainHistory(traps=HONEST).note([moved], 1, AT)[0].signature
