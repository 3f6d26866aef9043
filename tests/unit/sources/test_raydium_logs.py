"""New pools in recorded logs and transactions, and texts that only look like one."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InputRefused
from domain.messages import PoolCreated
from domain.values import UnixSeconds
from sources.raydium_logs import MARKER, RAYDIUM_AMM_V4, opens_pool, parse_pools
from tests.unit.sources.doubles import NOW
from tests.unit.sources.recordings import frames, load, transactions

USER_POOLS = "solana-pubsub/transaction_notification_raydium_v4_initialize2_2024-12.dev.jsonl"
GRADUATION = "solana-pubsub/transaction_notification_pump_graduation_to_raydium_2024-12.json"
SWAPS = "solana-pubsub/transaction_notification_raydium_v4_swaps_not_creations_2024-12.dev.jsonl"
NOTIFICATION = "solana-pubsub/logs_notification_raydium_v4_initialize2_2024-07.json"
OTHER_PROGRAM = "6EF8rrecthR5Dkzon8Nwu78hRvfCKubJ14M5uBEwF6P"
WSOL = "So11111111111111111111111111111111111111112"
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"

INVOKED = f"Program {RAYDIUM_AMM_V4} invoke [1]"
SUCCEEDED = f"Program {RAYDIUM_AMM_V4} success"
MARKED = MARKER + " nonce: 254, open_time: 0, init_pc_amount: 1, init_coin_amount: 2 }"


def graduation() -> tuple[str, Any]:
    [(signature, transaction)] = transactions(GRADUATION)
    return signature, transaction


def initialize2(transaction: Any) -> Any:
    instructions = transaction["transaction"]["message"]["instructions"]
    return next(each for each in instructions if each["programId"] == RAYDIUM_AMM_V4)


def refusal(transaction: object) -> str:
    with pytest.raises(InputRefused) as refused:
        parse_pools(transaction, "signature", NOW)
    return refused.value.reason


# Logs.


def test_recorded_creations_are_recognised() -> None:
    logs = [load(NOTIFICATION)["value"]["logs"]]
    for name in (USER_POOLS, GRADUATION):
        logs += [facts["meta"]["logMessages"] for _, facts in transactions(name)]
    assert [opens_pool(each, None) for each in logs] == [True] * 4


def test_recorded_swaps_and_other_programs_are_not() -> None:
    logs = [facts["meta"]["logMessages"] for _, facts in transactions(SWAPS)]
    logs.append(load("solana-pubsub/launchlab_creation_logs_2026-10-02_black_cat.json")["logs"])
    for line in frames("solana-pubsub/onlogs_callbacks_pump_raydium_trades_2024-11.jsonl"):
        logs.append(json.loads(line)["logs"]["logs"])
    for text in frames("solana-pubsub/logs_subscribe_pumpfun_2026-07-04.dev.jsonl"):
        if "params" in (frame := json.loads(text)):
            logs.append(frame["params"]["result"]["value"]["logs"])
    assert len(logs) == 6 + 1 + 7 + 88
    assert not any(opens_pool(each, None) for each in logs)


def test_a_failed_transaction_opens_nothing_defect_12() -> None:
    logs = load(NOTIFICATION)["value"]["logs"]
    assert opens_pool(logs, None)
    assert not opens_pool(logs, {"InstructionError": [5, {"Custom": 30}]})
    assert not opens_pool(logs, 0)


@pytest.mark.parametrize(
    "logs",
    [
        [MARKED],
        [f"Program {OTHER_PROGRAM} invoke [1]", MARKED],
        [INVOKED, f"Program {OTHER_PROGRAM} invoke [2]", MARKED],
        [INVOKED, SUCCEEDED, MARKED],
        [INVOKED, f"Program {RAYDIUM_AMM_V4} failed: custom program error: 0x1e", MARKED],
        ["Program log: " + INVOKED, MARKED],
        ["Program log: invoke [1]", f"Program data: {RAYDIUM_AMM_V4} invoke [1]", MARKED],
        [INVOKED, "Program log: Program log: initialize2: InitializeInstruction2 {"],
        [INVOKED, "Program log: initialize2 was here"],
        [INVOKED + "\n", MARKED],
    ],
)
def test_a_marker_counts_only_directly_under_raydium_defect_12(logs: list[str]) -> None:
    assert not opens_pool(logs, None)


@pytest.mark.parametrize(
    "logs",
    [
        [INVOKED, MARKED],
        [f"Program {OTHER_PROGRAM} invoke [1]", f"Program {RAYDIUM_AMM_V4} invoke [2]", MARKED],
        [
            INVOKED,
            f"Program {OTHER_PROGRAM} invoke [2]",
            f"Program {OTHER_PROGRAM} success",
            MARKED,
        ],
        [INVOKED, MARKED, "Log truncated"],
    ],
)
def test_raydium_may_be_called_by_others_and_call_others(logs: list[str]) -> None:
    assert opens_pool(logs, None)


def test_a_log_cut_off_before_the_marker_tells_nothing() -> None:
    assert not opens_pool([INVOKED, "Log truncated"], None)


@given(st.lists(st.sampled_from([INVOKED, SUCCEEDED, MARKED, 5, None, "Log truncated"])), st.none())
def test_a_marker_is_accepted_only_if_raydium_is_on_top_of_the_stack(
    logs: list[Any], err: None
) -> None:
    expected, is_inside = False, False
    for line in logs:
        is_inside = line == INVOKED or (is_inside and line != SUCCEEDED)
        expected = expected or (line == MARKED and is_inside)
    assert expected == opens_pool(logs, err)


@pytest.mark.parametrize("logs", [None, 5, "x", {}, [[INVOKED], MARKED]])
def test_logs_of_another_shape_open_nothing(logs: object) -> None:
    assert not opens_pool(logs, None)


# Transactions.


def test_a_recorded_graduation_has_the_token_as_pc_and_is_a_migration() -> None:
    signature, transaction = graduation()
    assert parse_pools(transaction, signature, NOW) == [
        PoolCreated(
            mint="6Ed5YTw9AoUhr5VcsjZdGHqpdruqgCaZcLv7WU6npump",  # type: ignore[arg-type]
            seen_at=NOW,
            signature=signature,
            source="solana-pools",
            venue="raydium",
            pool_address="6DrWmJAVcCLUTHzgdMoKroZCwdcS8sodLgctiBqvyys6",
            created_at=NOW,
            is_migration=True,
            decimals=6,
        )
    ]


def test_recorded_pools_are_read_in_both_orders() -> None:
    (first, user_made), (second, graduated) = transactions(USER_POOLS)
    [by_user] = parse_pools(user_made, first, NOW)
    [by_pump] = parse_pools(graduated, second, NOW)
    assert by_user.mint == "B4qKiQd97nBgME2c6GwRwYWRCCuw7WzqmxzCHaQMpump"
    assert by_user.pool_address == "Hb5nPV8QeyAcom4tMPEZKbpKVEXBQeQgnU7pPQbb1FyG"
    assert not by_user.is_migration
    assert by_pump.mint == "6TArF7DG91BVuAvSidiT1wMPyvv5WNEkmJY2ovopump"
    assert by_pump.pool_address == "5smitM3H4yJZHqPyXrrXGyZmWvvoREWgiUxzUPjM8bVU"
    assert by_pump.is_migration


def test_recorded_swaps_open_no_pool() -> None:
    for _, transaction in transactions(SWAPS):
        assert refusal(transaction) == "no_pool_opened"


@pytest.mark.parametrize("name", ["raw_buy_tx", "raw_create_tx"])
def test_recorded_pumpfun_transactions_open_no_raydium_pool(name: str) -> None:
    body = load(f"solana-rpc/{name}_from_gettransaction.json")
    assert refusal(body["result"]) == "no_pool_opened"


def test_an_initialize2_that_another_program_called_counts() -> None:
    signature, transaction = graduation()
    inner = copy.deepcopy(initialize2(transaction))
    transaction["transaction"]["message"]["instructions"] = []
    transaction["meta"]["innerInstructions"] = [{"index": 0, "instructions": [inner]}]
    [pool] = parse_pools(transaction, signature, NOW)
    assert pool.pool_address == "6DrWmJAVcCLUTHzgdMoKroZCwdcS8sodLgctiBqvyys6"


def test_the_time_of_the_block_is_when_the_pool_was_created() -> None:
    signature, transaction = graduation()
    [pool] = parse_pools(transaction | {"blockTime": 1733000000}, signature, NOW)
    assert pool.created_at == UnixSeconds(1733000000.0)
    assert pool.seen_at == NOW


@pytest.mark.parametrize(
    ("coin", "pc", "reason"),
    [
        (WSOL, USDC, "quote_mint"),
        (OTHER_PROGRAM, RAYDIUM_AMM_V4, "no_known_quote"),
        (WSOL, "0" * 44, "not_base58"),
        (WSOL, ["x"], "not_a_mint"),
        (None, USDC, "not_a_mint"),
    ],
)
def test_a_pool_without_exactly_one_token_is_refused(coin: object, pc: object, reason: str) -> None:
    _, transaction = graduation()
    initialize2(transaction)["accounts"][8:10] = [coin, pc]
    assert refusal(transaction) == reason


def test_a_failed_transaction_is_refused_defect_12() -> None:
    _, transaction = graduation()
    transaction["meta"]["err"] = {"InstructionError": [2, {"Custom": 1}]}
    assert refusal(transaction) == "transaction_failed"


@pytest.mark.parametrize("transaction", [None, 5, [], {}, {"meta": None}, {"meta": "x"}])
def test_what_is_no_transaction_is_refused(transaction: object) -> None:
    assert refusal(transaction) == "transaction_failed"


@pytest.mark.parametrize("data", [None, "", "0OIl", "z" * 200, 5, "6QxwoLsRaEisJy38VCLYiSj"])
def test_another_instruction_of_raydium_opens_no_pool(data: object) -> None:
    _, transaction = graduation()
    initialize2(transaction)["data"] = data
    assert refusal(transaction) == "no_pool_opened"


def test_too_few_accounts_open_no_pool() -> None:
    _, transaction = graduation()
    del initialize2(transaction)["accounts"][10:]
    assert refusal(transaction) == "no_pool_opened"


def test_a_pool_without_an_address_is_refused() -> None:
    _, transaction = graduation()
    initialize2(transaction)["accounts"][4] = "x"
    assert refusal(transaction) == "no_pool_address"
