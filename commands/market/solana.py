"""A Solana node, as far as token discovery asks it: JSON-RPC over HTTP, and logsSubscribe.

    events -> SolanaNode.notifications -> what each subscription gets (`mentions`: one address)

Methods over HTTP: getTransaction, getSignaturesForAddress, getMultipleAccounts, getAccountInfo,
getProgramAccounts (holders of a mint), getSlot, getHealth. getTransaction does not know a new
transaction for some seconds.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence, Set
from random import Random
from typing import Any

import base58
import orjson
from attrs import define, field, frozen

from commands.market.accounts import Accounts, account_json, token_program
from commands.market.chain_history import ChainHistory
from commands.market.clock import MarketClock, slot
from commands.market.events import Event, PoolOpened, Traded
from commands.market.keys import address, transaction_signature
from commands.market.model import Market
from commands.market.programs import RAYDIUM_AMM_V4, TOKEN_PROGRAM
from commands.market.raydium import (
    PoolTransaction,
    pool_notifications,
    pool_transaction,
    swap_logs,
    transaction_json,
)
from commands.market.transactions import chain_transaction_json
from domain.values import Mint, UnixSeconds

POOL_TRANSACTIONS_KEPT = 1_000
CLASSIC_ACCOUNT_BYTES = 165
EXTENDED_ACCOUNT_BYTES = 170  # a Token-2022 account has extensions: dataSize 165 misses it
ACCOUNTS_A_CALL = 100
SIGNATURES_A_CALL = 1_000


@frozen(kw_only=True)
class LogNotice:
    """One notification for every subscription to one of its addresses."""

    mentions: tuple[str, ...]
    slot: int
    value: dict[str, Any]

    def result(self) -> bytes:
        return orjson.dumps({"context": {"slot": self.slot}, "value": self.value})


def notification(subscription: int, result: bytes) -> bytes:
    """The frame of one subscription; the result is the same bytes for all of them."""
    head = b'{"jsonrpc":"2.0","method":"logsNotification","params":{"subscription":%d,"result":'
    return head % subscription + result + b"}}"


@define(kw_only=True)
class SolanaNode:
    """Answers about the market's tokens."""

    market: Market
    clock: MarketClock
    random: Random
    history: ChainHistory
    indexing_seconds: float = 3.0  # until getTransaction knows a transaction; recorded: about 7
    transactions: dict[str, PoolTransaction] = field(factory=dict)
    accounts: Accounts = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.accounts = Accounts(market=self.market)

    def notices(self, events: Sequence[Event], wanted: Set[str]) -> Iterator[LogNotice]:
        """Remember a transaction; what to tell subscribers to the `wanted` addresses of it."""
        first = events[0]
        for event in events:
            self.accounts.note(event)
        if isinstance(first, PoolOpened) and first.token.venue == "raydium":
            yield from self._pool_notices(first)
            return
        if isinstance(first, Traded) and first.token.venue == "raydium":
            if RAYDIUM_AMM_V4 in wanted:
                yield _swap_notice(first)
            return
        wall = self.clock.wall_time(first.at)
        for transaction in self.history.note(events, slot(first.at), wall):
            if wanted.isdisjoint(transaction.mentions):
                continue
            value = {
                "signature": transaction.signature,
                "err": transaction.err,
                "logs": self.history.logs_of(transaction),
            }
            notice = LogNotice(mentions=transaction.mentions, slot=transaction.slot, value=value)
            yield notice
            if self.history.comes_twice(transaction):
                yield notice

    def _pool_notices(self, event: PoolOpened) -> Iterator[LogNotice]:
        transaction = pool_transaction(event, self.clock, self.indexing_seconds, self.random)
        self.transactions[transaction.signature] = transaction
        if len(self.transactions) > POOL_TRANSACTIONS_KEPT:
            del self.transactions[next(iter(self.transactions))]
        for value in pool_notifications(transaction, self.random):
            yield LogNotice(mentions=(RAYDIUM_AMM_V4,), slot=slot(event.at), value=value)

    def answer(self, request: object) -> dict[str, Any]:
        """The answer to one JSON-RPC request, errors included; HTTP says 200 to all of them."""
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return rpc_error(None, -32600, "Invalid request")
        identity, params = request.get("id"), request.get("params") or []
        methods: dict[str, Callable[..., object]] = {
            "getAccountInfo": self._account,
            "getMultipleAccounts": self._accounts,
            "getProgramAccounts": self._program_accounts,
            "getSignaturesForAddress": self._signatures,
            "getTransaction": self._transaction,
            "getSlot": lambda *_: slot(self.clock.now()),
            "getHealth": lambda *_: "ok",
        }
        if request["method"] not in methods:
            return rpc_error(identity, -32601, "Method not found")
        try:
            result = methods[request["method"]](*params)
        except (LookupError, TypeError, AttributeError, StopIteration, ValueError):
            return rpc_error(identity, -32602, "Invalid params")
        return {"jsonrpc": "2.0", "result": result, "id": identity}

    def _account(self, wanted: str, options: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._in_context(self._account_value(wanted, (options or {}).get("encoding")))

    def _accounts(self, wanted: list[str], options: dict[str, Any] | None = None) -> dict[str, Any]:
        if len(wanted) > ACCOUNTS_A_CALL:
            raise ValueError(f"Too many inputs provided; max {ACCOUNTS_A_CALL}")
        encoding = (options or {}).get("encoding")
        return self._in_context([self._account_value(each, encoding) for each in wanted])

    def _account_value(self, wanted: str, encoding: object) -> dict[str, Any] | None:
        account = self.accounts.find(wanted)
        return None if account is None else account_json(account, encoding)

    def _in_context(self, value: object) -> dict[str, Any]:
        context = {"slot": slot(self.clock.now()), "apiVersion": "3.1.9"}
        return {"context": context, "value": value}

    def _signatures(
        self, wanted: str, options: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        asked = options or {}
        limit = asked.get("limit", SIGNATURES_A_CALL)
        if not 1 <= limit <= SIGNATURES_A_CALL:
            raise ValueError("Invalid limit")
        listed = self.history.signatures(wanted, limit, asked.get("before"), asked.get("until"))
        found = [each for each in listed if not self._is_too_new(each.block_time)]
        return [
            {
                "signature": transaction.signature,
                "slot": transaction.slot,
                "err": transaction.err,
                "memo": None,
                "blockTime": transaction.block_time,
                "confirmationStatus": "confirmed",
            }
            for transaction in found
        ]

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
            _holding(token.mint, owner, balance, (start, end), program)
            for owner, balance in owners.items()
        ]

    def _transaction(self, identity: str, *_: object) -> dict[str, Any] | None:
        pool = self.transactions.get(identity)
        if pool is not None:
            known = self.clock.wall_clock() >= pool.known_from
            return transaction_json(pool, slot(self.clock.now())) if known else None
        transaction = self.history.noted.get(identity)
        if transaction is None or self._is_too_new(transaction.block_time):
            return None
        return chain_transaction_json(transaction, self.history.logs_of(transaction))

    def _is_too_new(self, block_time: float) -> bool:
        return UnixSeconds(block_time) + self.indexing_seconds > self.clock.wall_clock()


def _swap_notice(event: Traded) -> LogNotice:
    value = {
        "signature": transaction_signature(event.transaction),
        "err": None,
        "logs": swap_logs(event.transaction),
    }
    return LogNotice(mentions=(RAYDIUM_AMM_V4,), slot=slot(event.at), value=value)


def rpc_error(identity: object, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": identity}


def _holding(
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
