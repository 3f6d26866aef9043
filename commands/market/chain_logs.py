"""What a transaction's log says, with the invoke stacks of recorded ones (July and October 2026).

    events of one transaction -> log lines, with `Program data: ` and an event's base64

The program prints an event and then calls itself, one level deeper, to keep it from truncation. A
bot's program may stand above it, and a migration opens its pool one level below itself.
"""

from base64 import b64encode
from collections.abc import Sequence
from functools import cache

from commands.market import chain_events as pump
from commands.market import launchlab
from commands.market.chain_events import creator_trade
from commands.market.curve import POOL_SOL_AT_MIGRATION, POOL_TOKENS_AT_MIGRATION
from commands.market.events import Created, Event, Migrated, PoolOpened, Traded
from commands.market.programs import (
    ACCOUNT_PROGRAM,
    BUDGET_PROGRAM,
    LAUNCHLAB,
    MAYHEM,
    PUMP,
    PUMP_AMM,
    PUMP_FEES,
    PUMP_MIGRATION_ACCOUNT,
    RAYDIUM_CPMM,
    ROUTER,
    SYSTEM_PROGRAM,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
)
from commands.market.token import MarketToken

ROUTED_OF_TEN = 3  # transactions of ten go through a bot's program
FEES = "AAAAAAAAAABfAAAAAAAAAB4AAAAAAAAA"


def invoked(program: str, depth: int, *lines: str) -> list[str]:
    """A call of a program that succeeds."""
    return [f"Program {program} invoke [{depth}]", *lines, f"Program {program} success"]


def transaction_logs(events: Sequence[Event], timestamp: int) -> list[str]:
    """The log of a transaction in which these happened."""
    number = events[0].transaction
    depth = 2 if number % 10 < ROUTED_OF_TEN and isinstance(events[0], Traded) else 1
    lines = [line for event in events for line in _event_logs(event, depth, timestamp)]
    if depth == 2:
        lines = invoked(ROUTER, 1, *lines, _consumed(ROUTER, number))
    return [*BUDGET, *lines, *invoked(SYSTEM_PROGRAM, 1)]


def _event_logs(event: Event, depth: int, timestamp: int) -> list[str]:
    on_launchlab = event.token.venue == "bonk"
    if isinstance(event, Created):
        create = _launchlab_create if on_launchlab else _pump_create
        lines = create(event, timestamp)
        return lines + (_event_logs(creator_trade(event), 1, timestamp) if event.buy_sol else [])
    if isinstance(event, Migrated):
        return _launchlab_migration(event) if on_launchlab else _pump_migration(event, timestamp)
    if isinstance(event, PoolOpened):
        return _pool_creation(pump.opened_pool_event(event, timestamp), 1)
    if event.in_pool:
        return _swap(event, depth, timestamp)
    if on_launchlab:
        return _launchlab_trade(event, depth)
    return _pump_trade(event, depth, timestamp)


# pump.fun


def _pump_create(event: Created, timestamp: int) -> list[str]:
    made = list(_token_made(_token_program(event.token)))
    if event.token.mayhem:
        made += invoked(MAYHEM, 2, "Program log: Instruction: InitializeMayhemState")
    kind = "CreateV2" if event.token.is_token_2022 else "Create"
    return invoked(
        PUMP,
        1,
        f"Program log: Instruction: {kind}",
        *made,
        *_told(PUMP, 1, pump.create_event(event, timestamp)),
        _consumed(PUMP, event.transaction),
    )


def _pump_trade(event: Traded, depth: int, timestamp: int) -> list[str]:
    told = _told(PUMP, depth, pump.trade_event(event, timestamp))
    if event.completes:
        told += _told(PUMP, depth, pump.complete_event(event, timestamp))
    return invoked(
        PUMP,
        depth,
        f"Program log: Instruction: {event.side.capitalize()}",
        *_fees_asked(depth + 1),
        *_transferred(_token_program(event.token), depth + 1),
        *told,
        _consumed(PUMP, event.transaction),
    )


def _pump_migration(event: Migrated, timestamp: int) -> list[str]:
    token = event.token
    reserves = (POOL_TOKENS_AT_MIGRATION, POOL_SOL_AT_MIGRATION)
    pool = pump.create_pool_event(token, reserves, PUMP_MIGRATION_ACCOUNT, timestamp)
    return invoked(
        PUMP,
        1,
        "Program log: Instruction: Migrate",
        *_transferred(_token_program(token), 2),
        *_pool_creation(pool, 2),
        *_told(PUMP, 1, pump.migration_event(token, timestamp)),
        _consumed(PUMP, event.transaction),
    )


# PumpSwap


def _pool_creation(told: bytes, depth: int) -> list[str]:
    return invoked(
        PUMP_AMM,
        depth,
        "Program log: Instruction: CreatePool",
        *_transferred(TOKEN_PROGRAM, depth + 1),
        *_told(PUMP_AMM, depth, told),
        _consumed(PUMP_AMM, depth),
    )


def _swap(event: Traded, depth: int, timestamp: int) -> list[str]:
    return invoked(
        PUMP_AMM,
        depth,
        f"Program log: Instruction: {event.side.capitalize()}",
        *_fees_asked(depth + 1),
        *_transferred(_token_program(event.token), depth + 1),
        *_told(PUMP_AMM, depth, pump.swap_event(event, timestamp)),
        _consumed(PUMP_AMM, event.transaction),
    )


# Raydium LaunchLab


def _launchlab_create(event: Created, _timestamp: int) -> list[str]:
    return invoked(
        LAUNCHLAB,
        1,
        "Program log: Instruction: InitializeV2",
        *_token_made(TOKEN_PROGRAM),
        *_launchlab_told(1, launchlab.pool_create_event(event)),
        _consumed(LAUNCHLAB, event.transaction),
    )


def _launchlab_trade(event: Traded, depth: int) -> list[str]:
    instruction = "BuyExactIn" if event.side == "buy" else "SellExactIn"
    return invoked(
        LAUNCHLAB,
        depth,
        f"Program log: Instruction: {instruction}",
        *_launchlab_told(depth, launchlab.launchlab_trade_event(event)),
        *_transferred(TOKEN_PROGRAM, depth + 1),
        _consumed(LAUNCHLAB, event.transaction),
    )


def _launchlab_migration(event: Migrated) -> list[str]:
    """It prints no event: which pool it opens, only the instruction's accounts tell."""
    opened = invoked(
        RAYDIUM_CPMM,
        2,
        "Program log: Instruction: InitializeWithPermission",
        *_transferred(TOKEN_PROGRAM, 3),
        _consumed(RAYDIUM_CPMM, event.transaction),
    )
    instruction = "Program log: Instruction: MigrateToCpswap"
    used = _consumed(LAUNCHLAB, event.transaction)
    return invoked(LAUNCHLAB, 1, instruction, *opened, used)


# Pieces


def _token_program(token: MarketToken) -> str:
    return TOKEN_2022_PROGRAM if token.is_token_2022 else TOKEN_PROGRAM


def data_line(event: bytes) -> str:
    return f"Program data: {b64encode(event).decode()}"


def _told(program: str, depth: int, event: bytes) -> list[str]:
    used = f"Program {program} consumed 2093 of 193080 compute units"
    return [data_line(event), *invoked(program, depth + 1, used)]


def _launchlab_told(depth: int, event: bytes) -> list[str]:
    """LaunchLab calls itself first, and prints afterwards."""
    used = f"Program {LAUNCHLAB} consumed 626 of 551383 compute units"
    return [*invoked(LAUNCHLAB, depth + 1, used), data_line(event)]


def _consumed(program: str, number: int) -> str:
    units = 40_000 + number % 97_531
    return f"Program {program} consumed {units} of {units + 60_000} compute units"


@cache
def _fees_asked(depth: int) -> tuple[str, ...]:
    asked = "Program log: Instruction: GetFees"
    used = f"Program {PUMP_FEES} consumed 3302 of 116504 compute units"
    told = f"Program return: {PUMP_FEES} {FEES}"
    return tuple(invoked(PUMP_FEES, depth, asked, used, told))


@cache
def _transferred(program: str, depth: int) -> tuple[str, ...]:
    asked = "Program log: Instruction: TransferChecked"
    used = f"Program {program} consumed 2562 of 120496 compute units"
    return (*invoked(program, depth, asked, used), *invoked(SYSTEM_PROGRAM, depth))


@cache
def _token_made(program: str) -> tuple[str, ...]:
    """The mint and the account that holds its supply."""
    lines = invoked(SYSTEM_PROGRAM, 2)
    for instruction in ("InitializeMint2", "InitializeAccount3", "MintTo", "SetAuthority"):
        asked = f"Program log: Instruction: {instruction}"
        used = f"Program {program} consumed 1772 of 283715 compute units"
        lines += invoked(program, 2, asked, used)
    asked = "Program log: Instruction: GetAccountDataSize"
    inner = invoked(program, 3, asked, f"Program return: {program} qgAAAAAAAAA=")
    return (*lines, *invoked(ACCOUNT_PROGRAM, 2, "Program log: Create", *inner))


BUDGET = (*invoked(BUDGET_PROGRAM, 1), *invoked(BUDGET_PROGRAM, 1))
