"""New pools of Raydium's AMM v4, from a transaction's log and from the transaction itself. No I/O.

    log lines -> opens_pool -> (ask for the transaction) -> parse_pools -> PoolCreated

A log is text that any program may write, so a marker counts only where Raydium itself wrote it:
directly under its own `invoke` on the program stack, in a transaction without error.

The layout of `initialize2` (instruction 1), verified on recorded transactions of both kinds,
user-made pools (coin = token, pc = WSOL) and pump.fun's graduations (coin = WSOL, pc = token):
account 4 is the pool, 8 the coin's mint, 9 the pc's mint, 17 the wallet that opens the pool.
"""

from collections.abc import Iterator, Mapping

import base58

from domain.errors import FrameRefused, MintRefused
from domain.messages import PoolCreated
from domain.values import QUOTE_MINTS, Mint, UnixSeconds, parse_mint
from sources.fields import read_address, read_array, read_count, read_number, read_object
from sources.names import SOLANA_POOLS
from sources.program_logs import walk_lines
from sources.venues import RAYDIUM

RAYDIUM_AMM_V4 = "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8"
PUMPFUN_MIGRATION_ACCOUNT = "39azUYFWPz3VHgKCf3VChUwbpURdCHRxjWVowf5jUJjg"
MARKER = "Program log: initialize2: InitializeInstruction2 {"
INITIALIZE2_TAG = 1
POOL_ACCOUNT, COIN_MINT_ACCOUNT, PC_MINT_ACCOUNT, WALLET_ACCOUNT = 4, 8, 9, 17


def opens_pool(logs: object, err: object) -> bool:
    """True if Raydium itself says in these logs that it opened a pool, and nothing failed.

    A log that was cut off ends early; what stands before the cut still counts.
    """
    if err is not None:
        return False
    return any(
        program == RAYDIUM_AMM_V4 and line.startswith(MARKER) for program, line in walk_lines(logs)
    )


def parse_pools(transaction: object, signature: str, seen_at: UnixSeconds) -> list[PoolCreated]:
    """The pools that a transaction (the result of getTransaction, jsonParsed) opened.

    `FrameRefused` or `MintRefused` if it failed, opened none, or has no known quote in it.
    """
    facts = read_object(transaction)
    meta = read_object(facts.get("meta"))
    if not meta or meta.get("err") is not None:
        raise FrameRefused(meta.get("err"), reason="transaction_failed")
    instructions = list(_find_initializations(facts))
    if not instructions:
        raise FrameRefused(signature, reason="no_pool_opened")
    block_time = read_number(facts.get("blockTime"))
    created_at = seen_at if block_time is None else UnixSeconds(block_time)
    return [_parse_pool(each, meta, signature, seen_at, created_at) for each in instructions]


def _find_initializations(facts: Mapping[str, object]) -> Iterator[list[object]]:
    """The accounts of every initialize2, also of one that another program called."""
    meta = read_object(facts.get("meta"))
    message = read_object(read_object(facts.get("transaction")).get("message"))
    groups = [message, *map(read_object, read_array(meta.get("innerInstructions")))]
    for group in groups:
        for instruction in map(read_object, read_array(group.get("instructions"))):
            accounts = read_array(instruction.get("accounts"))
            is_ours = instruction.get("programId") == RAYDIUM_AMM_V4
            if (
                is_ours
                and len(accounts) > WALLET_ACCOUNT
                and _read_tag(instruction) == INITIALIZE2_TAG
            ):
                yield accounts


def _read_tag(instruction: Mapping[str, object]) -> int | None:
    """An instruction's first byte."""
    data = instruction.get("data")
    if not isinstance(data, str) or len(data) > 100:
        return None
    try:
        return next(iter(base58.b58decode(data)), None)
    except ValueError:
        return None


def _parse_pool(
    accounts: list[object],
    meta: Mapping[str, object],
    signature: str,
    seen_at: UnixSeconds,
    created_at: UnixSeconds,
) -> PoolCreated:
    mint = _choose_token(accounts[COIN_MINT_ACCOUNT], accounts[PC_MINT_ACCOUNT])
    address = read_address(accounts[POOL_ACCOUNT])
    if address is None:
        raise FrameRefused(accounts[POOL_ACCOUNT], reason="no_pool_address")
    return PoolCreated(
        mint=mint,
        seen_at=seen_at,
        signature=signature,
        source=SOLANA_POOLS,
        venue=RAYDIUM,
        pool_address=address,
        created_at=created_at,
        is_migration=accounts[WALLET_ACCOUNT] == PUMPFUN_MIGRATION_ACCOUNT,
        decimals=_read_decimals(meta, mint),
    )


def _choose_token(coin: object, pc: object) -> Mint:
    """The one of both mints that is not a known quote, whichever side it stands on."""
    is_quote = [isinstance(mint, str) and mint in QUOTE_MINTS for mint in (coin, pc)]
    if is_quote[0] == is_quote[1]:
        raise MintRefused([coin, pc], reason="quote_mint" if is_quote[0] else "no_known_quote")
    return parse_mint(pc if is_quote[0] else coin)


def _read_decimals(meta: Mapping[str, object], mint: Mint) -> int | None:
    for balance in map(read_object, read_array(meta.get("postTokenBalances"))):
        if balance.get("mint") == mint:
            return read_count(read_object(balance.get("uiTokenAmount")).get("decimals"))
    return None
