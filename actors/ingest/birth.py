"""From what the world said to what is stored: a birth, a trade, a migration, a new pool.

TokenCreated, PoolCreated -> Token (its first row)
TokenCreated, TradeSeen, CurveCompleted, MigrationSeen, PoolCreated -> values of a TokenUpdated

Sums are told in the coin's quote. SOL for dollars and dollars for SOL are filled in where the
price of SOL is known; progress follows from the tokens alone, whatever the quote.
"""

from typing import Any

from actors.ingest.accounts import list_profile
from actors.ingest.prices import price_both
from actors.ingest.sights import USUAL_SUPPLY
from actors.ingest.times import find_first_sight, find_time
from domain.lifecycle import (
    bonding_progress,
    quote_raised,
    quote_to_graduate,
    sol_raised,
    sol_to_graduate,
    status_from_progress,
)
from domain.messages import CurveCompleted, MigrationSeen, PoolCreated, TokenCreated, TradeSeen
from domain.precision import round_values
from domain.token import Status, Token
from domain.values import Sol, Usd, Value

COMPLETE_PERCENT = 100.0


def born_token(
    event: TokenCreated | PoolCreated, *, on_curve: bool = True, sol_usd: Usd | None = None
) -> Token:
    """A new token: its identity, and what its birth says of the market, in one row.

    A token whose migration was heard first takes no curve values from its birth. One whose birth
    was told late is as old as the chain says.
    """
    values: dict[str, Any] = {"pool_type": event.venue}
    if isinstance(event, PoolCreated):
        values |= {"decimals": event.decimals, "quote_mint": event.quote_mint}
    else:
        values |= birth_profile(event, sol_usd)
        values["bonding_curve_progress"] = 0.0
        values |= birth_market(event, on_curve=on_curve, sol_usd=sol_usd)
        if event.initial_buy_sol or event.initial_buy_usd:
            values["last_trade_at"] = find_time(event)
    known: dict[str, Any] = round_values(values)
    return Token(
        mint=event.mint,
        first_seen_at=find_first_sight(event),
        last_updated_at=event.seen_at,
        **known,
    )


def birth_profile(event: TokenCreated, sol_usd: Usd | None = None) -> dict[str, Value]:
    """What an account of a birth says the token is."""
    bought, _ = price_both(event.initial_buy_sol, event.initial_buy_usd, sol_usd)
    return list_profile(event, bought)


def birth_market(
    event: TokenCreated, *, on_curve: bool, sol_usd: Usd | None = None
) -> dict[str, Value]:
    """What an account of a birth says of the market."""
    values = _curve_values(event, sol_usd) if on_curve else {}
    values.pop("status", None)
    return values | _cap_values(event, 1.0, sol_usd)


def birth_values(event: TokenCreated, *, on_curve: bool) -> dict[str, Value]:
    """What a birth says beyond the token's first row: nothing, unless it is born nearly sold out.

    One whose migration was heard first is bonded already.
    """
    if not on_curve or event.curve_tokens is None:
        return {}
    status = status_from_progress(bonding_progress(event.curve_tokens))
    return {"status": int(status)} if status > Status.NEW else {}


def trade_values(
    event: TradeSeen,
    *,
    on_curve: bool,
    total_supply: str | None = None,
    sol_usd: Usd | None = None,
    tells_cap: bool = True,
) -> dict[str, Value]:
    """What a trade says; a token that has left its curve takes no curve values any more.

    A trade's market cap is stated for the usual supply, whatever the token's really is.
    """
    values = _curve_values(event, sol_usd) if on_curve else {}
    if tells_cap:
        share = 1.0 if total_supply is None else float(total_supply) / USUAL_SUPPLY
        values |= _cap_values(event, share, sol_usd)
    values["last_trade_at"] = find_time(event)
    values["silent"] = False
    return values


def completion_values(event: CurveCompleted) -> dict[str, Value]:
    """The curve is sold out; only a migration makes the token BONDED."""
    return {
        "status": int(Status.GRADUATING),
        "bonding_curve_progress": COMPLETE_PERCENT,
        "sol_to_graduate": 0.0,
        "last_trade_at": find_time(event),
        "silent": False,
    }


def migration_values(event: MigrationSeen) -> dict[str, Value]:
    """A confirmed migration: the curve is sold out. PumpPortal's `pool` is a venue, no address."""
    values = _bonded_values() | {"pool_type": event.venue, "pool_created_at": find_time(event)}
    if event.pool_address is not None:
        values["pool_address"] = event.pool_address
    return values


def pool_values(event: PoolCreated) -> dict[str, Value]:
    """A pool on an exchange; only one that a launch-pad opened is a migration."""
    values: dict[str, Value] = _bonded_values() if event.is_migration else {}
    return values | {
        "pool_address": event.pool_address,
        "pool_type": event.venue,
        "pool_created_at": min(event.created_at, event.seen_at),
    }


def _bonded_values() -> dict[str, Value]:
    return {
        "status": int(Status.BONDED),
        "bonding_curve_progress": COMPLETE_PERCENT,
        "sol_to_graduate": 0.0,
        "silent": False,
    }


def _curve_values(event: TokenCreated | TradeSeen, sol_usd: Usd | None) -> dict[str, Value]:
    values: dict[str, Value] = {}
    tokens = event.curve_tokens
    if tokens is not None:
        progress = bonding_progress(tokens)
        values["bonding_curve_progress"] = progress
        values["status"] = int(status_from_progress(progress))
    if event.curve_sol is not None:
        values["sol_raised"] = round(sol_raised(event.curve_sol), 6)
        values["sol_to_graduate"] = round(sol_to_graduate(event.curve_sol), 6)
    elif event.curve_usd is not None and tokens is not None and sol_usd is not None:
        values["sol_raised"] = round(quote_raised(tokens, event.curve_usd) / sol_usd, 6)
        values["sol_to_graduate"] = round(quote_to_graduate(tokens, event.curve_usd) / sol_usd, 6)
    return values


def _cap_values(
    event: TokenCreated | TradeSeen, share: float, sol_usd: Usd | None
) -> dict[str, Value]:
    """The market cap of `share` times the supply that the event speaks of."""
    sol, usd = price_both(event.market_cap_sol, event.market_cap_usd, sol_usd)
    values: dict[str, Value] = {}
    if sol is not None:
        values["market_cap_sol"] = round(Sol(sol * share), 6)
    if usd is not None:
        values["market_cap_usd"] = round(Usd(usd * share), 6)
    return values
