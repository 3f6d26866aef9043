"""getTransaction's answer (encoding jsonParsed) for what `chain_history` remembers.

Cut down to what readers look at: signatures, time, slot, log, the instruction with its accounts in
the program's own order, and the balances that the transaction leaves. Orders of accounts: the
programs' published IDLs; pump.fun's `create` as recorded.
"""

from hashlib import sha256
from typing import Any

import base58

from commands.market.accounts import token_program
from commands.market.chain_history import ChainTransaction
from commands.market.events import Created, Event, Migrated, PoolOpened, Traded
from commands.market.keys import address
from commands.market.programs import (
    ACCOUNT_PROGRAM,
    BONK_PLATFORM,
    LAUNCHLAB,
    LAUNCHLAB_AUTHORITY,
    LAUNCHLAB_CONFIG,
    PUMP,
    PUMP_AMM,
    PUMP_MIGRATION_ACCOUNT,
    PUMP_MINT_AUTHORITY,
    RAYDIUM_CPMM,
    SYSTEM_PROGRAM,
    TOKEN_PROGRAM,
)
from commands.market.token import MarketToken

Instruction = tuple[str, str, list[str]]  # program, name, accounts


def chain_transaction_json(transaction: ChainTransaction, logs: list[str]) -> dict[str, Any]:
    instructions = [_instruction(event) for event in transaction.events]
    token = transaction.events[0].token
    accounts = [account for _, _, found in instructions for account in found]
    keys = list(dict.fromkeys([*accounts, *transaction.mentions]))
    err = transaction.err
    return {
        "slot": transaction.slot,
        "blockTime": transaction.block_time,
        "transaction": {
            "signatures": [transaction.signature],
            "message": {
                "accountKeys": [
                    {"pubkey": key, "writable": True, "signer": place == 0, "source": "transaction"}
                    for place, key in enumerate(keys)
                ],
                "recentBlockhash": address("block", transaction.slot),
                "instructions": [_instruction_json(each) for each in instructions],
                "addressTableLookups": [],
            },
        },
        "meta": {
            "err": err,
            "status": {"Ok": None} if err is None else {"Err": err},
            "fee": 5000,
            "innerInstructions": [],
            "logMessages": logs,
            "preTokenBalances": [],
            "postTokenBalances": [] if err else [_balance(token, len(keys) - 1)],
            "rewards": [],
        },
        "version": 0,
    }


def _instruction(event: Event) -> Instruction:
    if event.token.venue == "bonk" and not (isinstance(event, Traded) and event.in_pool):
        return _launchlab_instruction(event)
    token = event.token
    curve, pool = address("curve", token.mint), address("pool", token.mint)
    creator = address("wallet", token.creator)
    if isinstance(event, Created):
        name = "create_v2" if token.is_token_2022 else "create"
        vault, program = address("curve-vault", token.mint), token_program(token)
        accounts = [token.mint, PUMP_MINT_AUTHORITY, curve, vault, address("global", 1), creator]
        return PUMP, name, [*accounts, SYSTEM_PROGRAM, program, ACCOUNT_PROGRAM]
    if isinstance(event, Migrated):
        accounts = [address("global", 1), PUMP_MIGRATION_ACCOUNT, token.mint, curve]
        return PUMP, "migrate", [*accounts, SYSTEM_PROGRAM, TOKEN_PROGRAM, PUMP_AMM, pool]
    if isinstance(event, PoolOpened):
        accounts = [pool, address("amm-config", 1), creator, token.mint, token.pair.mint]
        return PUMP_AMM, "create_pool", accounts
    trader = address("wallet", event.trader)
    if event.in_pool:
        return PUMP_AMM, event.side, [pool, trader, address("amm-config", 1), token.mint]
    return PUMP, event.side, [address("global", 1), address("fees", 1), token.mint, curve, trader]


def _launchlab_instruction(event: Event) -> Instruction:
    token = event.token
    curve, creator = address("curve", token.mint), address("wallet", token.creator)
    vaults = [address("base-vault", token.mint), address("quote-vault", token.mint)]
    mints = [token.mint, token.pair.mint]
    settings = [LAUNCHLAB_CONFIG, BONK_PLATFORM]
    if isinstance(event, Created):
        accounts = [creator, creator, *settings, LAUNCHLAB_AUTHORITY, curve, *mints, *vaults]
        return LAUNCHLAB, "initialize_v2", [*accounts, TOKEN_PROGRAM, TOKEN_PROGRAM]
    if isinstance(event, Migrated):
        opened = [
            RAYDIUM_CPMM,
            address("pool", token.mint),
            address("cpmm-authority", 1),
            address("lp-mint", token.mint),
            *(address(f"pool-{kind}", token.mint) for kind in ("base-vault", "quote-vault")),
            *(address(kind, 1) for kind in ("cpmm-config", "cpmm-fee")),
            address("observation", token.mint),
        ]
        locked = [address(kind, token.mint) for kind in ("lock", "lock-authority", "lock-vault")]
        rest = [LAUNCHLAB_AUTHORITY, curve, LAUNCHLAB_CONFIG, *vaults]
        accounts = [address("migrator", 1), *mints, BONK_PLATFORM, *opened, *locked, *rest]
        return LAUNCHLAB, "migrate_to_cpswap", accounts
    trader = address("wallet", event.trader) if isinstance(event, Traded) else creator
    owned = [address(f"{kind}-account", f"{trader}{token.mint}") for kind in ("base", "quote")]
    accounts = [trader, LAUNCHLAB_AUTHORITY, *settings, curve, *owned, *vaults, *mints]
    sells = isinstance(event, Traded) and event.side == "sell"
    return LAUNCHLAB, "sell_exact_in" if sells else "buy_exact_in", accounts


def _instruction_json(instruction: Instruction) -> dict[str, Any]:
    program, name, accounts = instruction
    discriminator = sha256(f"global:{name}".encode()).digest()[:8]
    data = base58.b58encode(discriminator + bytes(8)).decode()
    return {"programId": program, "accounts": accounts, "data": data, "stackHeight": None}


def _balance(token: MarketToken, index: int) -> dict[str, Any]:
    amount = round(token.reserves.tokens * 1e6)
    shown = amount / 1e6
    return {
        "accountIndex": index,
        "mint": token.mint,
        "owner": address("curve", token.mint),
        "programId": token_program(token),
        "uiTokenAmount": {
            "uiAmount": shown,
            "decimals": 6,
            "amount": str(amount),
            "uiAmountString": str(shown),
        },
    }
