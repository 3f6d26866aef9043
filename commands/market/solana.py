"""A Solana node, as far as token discovery asks it: JSON-RPC over HTTP, and logsSubscribe.

Logs of a new Raydium pool are those of a recorded transaction (July 2024), and so are the ways
in which they mislead: a failed transaction prints the marker too, another program may print the
same words, and exact duplicates are delivered. getTransaction does not know a new transaction
for some seconds.
"""

from base64 import b64encode
from collections.abc import Callable
from random import Random
from typing import Any

import base58
from attrs import define, field, frozen

from commands.market.clock import MarketClock
from commands.market.jupiter import TOKEN_PROGRAM, slot, token_program
from commands.market.keys import address, signature
from commands.market.model import Market, PoolOpened
from commands.market.token import MarketToken
from domain.values import WRAPPED_SOL, Mint, UnixSeconds

RAYDIUM_AMM_V4 = "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8"
RAYDIUM_AUTHORITY = "5Q544fKrFoe6tsEbD7S8EmxGTJYAKtTVhAW5Q5pge4j1"
SYSTEM_PROGRAM = "11111111111111111111111111111111"
ACCOUNT_PROGRAM = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"
BUDGET_PROGRAM = "ComputeBudget111111111111111111111111111111"
RENT_SYSVAR = "SysvarRent111111111111111111111111111111111"
OPENBOOK_PROGRAM = "srmqPvymJeFKQ4zGQed1GFppgkRHL9kaELCbyksJtPX"
TRANSACTIONS_KEPT = 1_000
CLASSIC_ACCOUNT_BYTES = 165
EXTENDED_ACCOUNT_BYTES = 170  # a Token-2022 account has extensions: dataSize 165 misses it
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


@define(kw_only=True)
class SolanaNode:
    """Answers about the market's tokens."""

    market: Market
    clock: MarketClock
    random: Random
    indexing_seconds: float = 3.0  # until getTransaction knows a transaction; recorded: about 7
    transactions: dict[str, PoolTransaction] = field(factory=dict)

    def notifications(self, event: PoolOpened) -> list[dict[str, Any]]:
        """The values that logsSubscribe delivers of one new pool, with what misleads."""
        transaction = self._remember(event)
        good: dict[str, Any] = {
            "signature": transaction.signature,
            "err": None,
            "logs": pool_logs(transaction),
        }
        values = [good]
        if self.random.random() < FAILED_SHARE:
            failed = {"InstructionError": [4, {"Custom": 1}]}
            values.insert(0, good | {"signature": signature(self.random), "err": failed})
        if self.random.random() < FOREIGN_SHARE:
            logs = foreign_logs(transaction)
            values.append({"signature": signature(self.random), "err": None, "logs": logs})
        if self.random.random() < DUPLICATE_SHARE:
            values.append(good)
        return values

    def _remember(self, event: PoolOpened) -> PoolTransaction:
        wall = self.clock.wall_time(event.at)
        coin_is_sol = self.random.random() < 0.4
        tokens, sol = event.token.reserves.tokens, event.token.reserves.sol
        raw_tokens, raw_sol = round(tokens * 1e6), round(sol * 1e9)
        transaction = PoolTransaction(
            signature=signature(self.random),
            token=event.token,
            known_from=UnixSeconds(self.clock.wall_clock() + self.indexing_seconds),
            block_time=wall,
            coin_is_sol=coin_is_sol,
            amounts=(raw_sol, raw_tokens) if coin_is_sol else (raw_tokens, raw_sol),
        )
        self.transactions[transaction.signature] = transaction
        if len(self.transactions) > TRANSACTIONS_KEPT:
            del self.transactions[next(iter(self.transactions))]
        return transaction

    def notification(self, subscription: int, value: dict[str, Any]) -> dict[str, Any]:
        context = {"slot": slot(self.clock.now())}
        result = {"context": context, "value": value}
        params = {"subscription": subscription, "result": result}
        return {"jsonrpc": "2.0", "method": "logsNotification", "params": params}

    def answer(self, request: object) -> dict[str, Any]:
        """The answer to one JSON-RPC request, errors included; HTTP says 200 to all of them."""
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return _error(None, -32600, "Invalid request")
        identity, params = request.get("id"), request.get("params") or []
        methods: dict[str, Callable[..., object]] = {
            "getProgramAccounts": self._program_accounts,
            "getTransaction": self._transaction,
            "getSlot": lambda *_: slot(self.clock.now()),
            "getHealth": lambda *_: "ok",
        }
        if request["method"] not in methods:
            return _error(identity, -32601, "Method not found")
        try:
            result = methods[request["method"]](*params)
        except (LookupError, TypeError, AttributeError, StopIteration):
            return _error(identity, -32602, "Invalid params")
        return {"jsonrpc": "2.0", "result": result, "id": identity}

    def _program_accounts(self, program: str, options: dict[str, Any]) -> list[dict[str, Any]]:
        filters = options["filters"]
        mint = next(rule["memcmp"]["bytes"] for rule in filters if "memcmp" in rule)
        sizes = [rule["dataSize"] for rule in filters if "dataSize" in rule]
        token = self.market.tokens.get(Mint(mint))
        if token is None or token_program(token) != program:
            return []
        size = CLASSIC_ACCOUNT_BYTES if program == TOKEN_PROGRAM else EXTENDED_ACCOUNT_BYTES
        if any(wanted != size for wanted in sizes):
            return []
        piece = options.get("dataSlice") or {"offset": 0, "length": size}
        start, end = piece["offset"], piece["offset"] + piece["length"]
        owners = {address("wallet", owner): token.balances[owner] for owner in token.owners}
        # Emptied accounts stay open: they are listed, and do not count.
        owners |= {address("emptied", f"{mint}{index}"): 0.0 for index in range(3)}
        return [
            _account(token.mint, owner, balance, (start, end), program)
            for owner, balance in owners.items()
        ]

    def _transaction(self, identity: str, *_: object) -> dict[str, Any] | None:
        transaction = self.transactions.get(identity)
        if transaction is None or self.clock.wall_clock() < transaction.known_from:
            return None
        return transaction_json(transaction, slot(self.clock.now()))


def _error(identity: object, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": identity}


def _account(
    mint: Mint, owner: str, balance: float, piece: tuple[int, int], program: str
) -> dict[str, Any]:
    raw = base58.b58decode(mint) + base58.b58decode(owner)
    raw += round(balance * 1e6).to_bytes(8, "little")
    size = CLASSIC_ACCOUNT_BYTES if program == TOKEN_PROGRAM else EXTENDED_ACCOUNT_BYTES
    data = raw.ljust(size, b"\0")[slice(*piece)]
    account = {
        "data": [b64encode(data).decode(), "base64"],
        "executable": False,
        "lamports": 2_039_280,
        "owner": program,
        "rentEpoch": 18_446_744_073_709_551_615,
        "space": size,
    }
    return {"pubkey": address("account", mint + owner), "account": account}


def _invoked(program: str, depth: int, *lines: str) -> list[str]:
    return [f"Program {program} invoke [{depth}]", *lines, f"Program {program} success"]


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
        inner += _invoked(SYSTEM_PROGRAM, 2)
    minted = f"Program {TOKEN_PROGRAM} consumed 4492 of 147632 compute units"
    for instruction in ("InitializeMint", "InitializeAccount", "Transfer", "Transfer", "MintTo"):
        inner += _invoked(TOKEN_PROGRAM, 2, f"Program log: Instruction: {instruction}", minted)
    inner.append(f"Program {RAYDIUM_AMM_V4} consumed 154961 of 296107 compute units")
    account = _invoked(TOKEN_PROGRAM, 1, "Program log: Instruction: InitializeAccount")
    return [*_invoked(BUDGET_PROGRAM, 1), *account, *_invoked(RAYDIUM_AMM_V4, 1, *inner)]


def foreign_logs(transaction: PoolTransaction) -> list[str]:
    """A swap on Raydium, inside a program of somebody who prints the pool marker himself."""
    foreign = address("program", "look-alike")
    swap = _invoked(RAYDIUM_AMM_V4, 2, "Program log: ray_log: A0BCDwAAAAAAAQAAAAAAAAAC")
    return _invoked(foreign, 1, marker(transaction), *swap)


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
