"""A new Raydium pool, as its transaction's log and getTransaction tell it.

The log is that of a recorded transaction (July 2024), and so are the ways in which such logs
mislead: a failed transaction prints the marker too, another program may print the same words, and
exact duplicates are delivered.
"""

from random import Random
from typing import Any

import base58
from attrs import frozen

from commands.market.chain_logs import invoked
from commands.market.clock import MarketClock
from commands.market.events import PoolOpened
from commands.market.keys import address, signature, transaction_signature
from commands.market.programs import (
    ACCOUNT_PROGRAM,
    BUDGET_PROGRAM,
    OPENBOOK_PROGRAM,
    RAYDIUM_AMM_V4,
    RAYDIUM_AUTHORITY,
    RENT_SYSVAR,
    SYSTEM_PROGRAM,
    TOKEN_PROGRAM,
)
from commands.market.token import MarketToken
from domain.values import WRAPPED_SOL, UnixSeconds

FAILED_SHARE = 0.1
FOREIGN_SHARE = 0.1  # another program that prints the same words
DUPLICATE_SHARE = 0.05


@frozen(kw_only=True)
class PoolTransaction:
    """The opening of a pool, as getTransaction tells it later."""

    signature: str
    token: MarketToken
    known_from: UnixSeconds
    block_time: UnixSeconds
    coin_is_sol: bool  # so with pump graduations; user pools have the token as coin
    amounts: tuple[int, int]  # raw, of coin and pc; may exceed 2^53


def pool_transaction(
    event: PoolOpened, clock: MarketClock, indexing_seconds: float, random: Random
) -> PoolTransaction:
    coin_is_sol = random.random() < 0.4
    raw_tokens, raw_sol = round(event.tokens * 1e6), round(event.sol * 1e9)
    return PoolTransaction(
        signature=transaction_signature(event.transaction),
        token=event.token,
        known_from=UnixSeconds(clock.wall_clock() + indexing_seconds),
        block_time=clock.wall_time(event.at),
        coin_is_sol=coin_is_sol,
        amounts=(raw_sol, raw_tokens) if coin_is_sol else (raw_tokens, raw_sol),
    )


def pool_notifications(transaction: PoolTransaction, random: Random) -> list[dict[str, Any]]:
    """The values that logsSubscribe delivers of one new pool, with what misleads."""
    good: dict[str, Any] = {
        "signature": transaction.signature,
        "err": None,
        "logs": pool_logs(transaction),
    }
    values = [good]
    if random.random() < FAILED_SHARE:
        failed = {"InstructionError": [4, {"Custom": 1}]}
        values.insert(0, good | {"signature": signature(random), "err": failed})
    if random.random() < FOREIGN_SHARE:
        logs = foreign_logs(transaction)
        values.append({"signature": signature(random), "err": None, "logs": logs})
    if random.random() < DUPLICATE_SHARE:
        values.append(good)
    return values


def marker(transaction: PoolTransaction) -> str:
    coin, pc = transaction.amounts
    opened = int(transaction.block_time)
    return (
        f"Program log: initialize2: InitializeInstruction2 {{ nonce: 254, open_time: {opened}, "
        f"init_pc_amount: {pc}, init_coin_amount: {coin} }}"
    )


def pool_logs(transaction: PoolTransaction) -> list[str]:
    """The log of a transaction that opens a pool."""
    inner = [marker(transaction)]
    for _ in range(6):
        inner += invoked(SYSTEM_PROGRAM, 2)
    minted = f"Program {TOKEN_PROGRAM} consumed 4492 of 147632 compute units"
    for instruction in ("InitializeMint", "InitializeAccount", "Transfer", "Transfer", "MintTo"):
        inner += invoked(TOKEN_PROGRAM, 2, f"Program log: Instruction: {instruction}", minted)
    inner.append(f"Program {RAYDIUM_AMM_V4} consumed 154961 of 296107 compute units")
    account = invoked(TOKEN_PROGRAM, 1, "Program log: Instruction: InitializeAccount")
    return [*invoked(BUDGET_PROGRAM, 1), *account, *invoked(RAYDIUM_AMM_V4, 1, *inner)]


def swap_logs(number: int) -> list[str]:
    """A swap, of which there are hundreds for every new pool."""
    ray_log = f"Program log: ray_log: A{number % 10**12:012d}AAAAAAAQAAAAAAAAAC"
    inner = invoked(TOKEN_PROGRAM, 2, "Program log: Instruction: Transfer")
    return [*invoked(BUDGET_PROGRAM, 1), *invoked(RAYDIUM_AMM_V4, 1, ray_log, *inner, *inner)]


def foreign_logs(transaction: PoolTransaction) -> list[str]:
    """A swap on Raydium, inside a program of somebody who prints the pool marker himself."""
    foreign = address("program", "look-alike")
    swap = invoked(RAYDIUM_AMM_V4, 2, "Program log: ray_log: A0BCDwAAAAAAAQAAAAAAAAAC")
    return invoked(foreign, 1, marker(transaction), *swap)


def _instruction_data(transaction: PoolTransaction) -> bytes:
    """Initialize2: tag 1, nonce, opening time, amounts of pc and coin."""
    coin, pc = transaction.amounts
    numbers = (int(transaction.block_time), pc, coin)
    return bytes([1, 254]) + b"".join(number.to_bytes(8, "little") for number in numbers)


def transaction_json(transaction: PoolTransaction, slot_number: int) -> dict[str, Any]:
    """getTransaction with encoding jsonParsed, cut down to what a pool's opening needs."""
    mint = transaction.token.mint
    coin, pc = (WRAPPED_SOL, mint) if transaction.coin_is_sol else (mint, WRAPPED_SOL)
    pool = address("pool", mint)
    vaults = [address("coin-vault", mint), address("pc-vault", mint)]
    payer = address("wallet", transaction.token.creator)
    accounts = [
        TOKEN_PROGRAM, ACCOUNT_PROGRAM, SYSTEM_PROGRAM, RENT_SYSVAR, pool, RAYDIUM_AUTHORITY,
        address("orders", mint), address("lp-mint", mint), coin, pc, *vaults,
        address("target-orders", mint), address("amm-config", "1"), address("fees", "1"),
        OPENBOOK_PROGRAM, address("market", mint), payer,
        *(address(f"payer-{kind}", mint) for kind in ("coin", "pc", "lp")),
    ]  # fmt: skip
    keys = [payer, *(key for key in accounts if key != payer), RAYDIUM_AMM_V4]
    data = base58.b58encode(_instruction_data(transaction)).decode()
    instruction = {"programId": RAYDIUM_AMM_V4, "accounts": accounts, "data": data}
    message = {
        "accountKeys": [
            {"pubkey": key, "writable": False, "signer": key == payer, "source": "transaction"}
            for key in keys
        ],
        "recentBlockhash": address("block", slot_number),
        "instructions": [instruction | {"stackHeight": None}],
        "addressTableLookups": [],
    }
    return {
        "slot": slot_number,
        "blockTime": int(transaction.block_time),
        "transaction": {"signatures": [transaction.signature], "message": message},
        "meta": {
            "err": None,
            "status": {"Ok": None},
            "fee": 5000,
            "innerInstructions": [],
            "logMessages": pool_logs(transaction),
            "preTokenBalances": [],
            "postTokenBalances": [
                _balance(keys.index(vaults[0]), coin, transaction.amounts[0]),
                _balance(keys.index(vaults[1]), pc, transaction.amounts[1]),
            ],
        },
        "version": 0,
    }


def _balance(index: int, mint: str, amount: int) -> dict[str, Any]:
    decimals = 9 if mint == WRAPPED_SOL else 6
    shown = amount / 10**decimals
    return {
        "accountIndex": index,
        "mint": mint,
        "owner": RAYDIUM_AUTHORITY,
        "programId": TOKEN_PROGRAM,
        "uiTokenAmount": {
            "uiAmount": shown,
            "decimals": decimals,
            "amount": str(amount),
            "uiAmountString": str(shown),
        },
    }
