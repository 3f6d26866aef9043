"""From what the world said to what is stored: a birth, a trade, a migration, a new pool.

TokenCreated, PoolCreated -> Token (its first row)
TokenCreated, TradeSeen, MigrationSeen, PoolCreated -> values of a TokenUpdated
"""

from actors.ingest.sights import USUAL_SUPPLY
from domain.lifecycle import bonding_progress, sol_raised, sol_to_graduate, status_from_progress
from domain.messages import MigrationSeen, PoolCreated, TokenCreated, TradeSeen
from domain.precision import round_token
from domain.token import Status, Token
from domain.values import Sol, Value

COMPLETE_PERCENT = 100.0


def born_token(event: TokenCreated | PoolCreated, *, on_curve: bool = True) -> Token:
    """A new token: its identity, and what its birth says of the market, in one row.

    A token whose migration was heard first takes no curve values from its birth.
    """
    if isinstance(event, PoolCreated):
        return Token(
            mint=event.mint,
            first_seen_at=event.seen_at,
            decimals=event.decimals,
            pool_type=event.venue,
            last_updated_at=event.seen_at,
        )
    curve_tokens, curve_sol = (event.curve_tokens, event.curve_sol) if on_curve else (None, None)
    token = Token(
        mint=event.mint,
        first_seen_at=event.seen_at,
        symbol=event.symbol,
        name=event.name,
        metadata_uri=event.metadata_uri,
        creator_wallet=event.creator_wallet,
        bonding_curve_key=event.bonding_curve_key,
        decimals=event.decimals,
        total_supply=event.total_supply,
        pool_type=event.venue,
        bonding_curve_progress=0.0 if curve_tokens is None else bonding_progress(curve_tokens),
        sol_raised=None if curve_sol is None else sol_raised(curve_sol),
        sol_to_graduate=None if curve_sol is None else sol_to_graduate(curve_sol),
        market_cap_sol=event.market_cap_sol,
        last_trade_at=event.seen_at if event.initial_buy_sol else None,
        last_updated_at=event.seen_at,
    )
    return round_token(token)


def birth_values(event: TokenCreated, *, on_curve: bool) -> dict[str, Value]:
    """What a birth says beyond the token's first row: nothing, unless it is born nearly sold out.

    One whose migration was heard first is bonded already.
    """
    if not on_curve or event.curve_tokens is None:
        return {}
    status = status_from_progress(bonding_progress(event.curve_tokens))
    return {"status": int(status)} if status > Status.NEW else {}


def trade_values(
    event: TradeSeen, *, on_curve: bool, total_supply: str | None = None
) -> dict[str, Value]:
    """What a trade says; a token that has left its curve takes no curve values any more.

    A trade's market cap is stated for the usual supply, whatever the token's really is.
    """
    curve_tokens, curve_sol = (event.curve_tokens, event.curve_sol) if on_curve else (None, None)
    cap = event.market_cap_sol
    if cap is not None and total_supply is not None:
        cap = Sol(cap * float(total_supply) / USUAL_SUPPLY)
    values = _curve_values(curve_tokens, curve_sol, cap)
    return values | {"last_trade_at": event.seen_at, "silent": False}


def migration_values(event: MigrationSeen) -> dict[str, Value]:
    """A confirmed migration: the curve is sold out. The frame's pool is a venue, no address."""
    return {
        "status": int(Status.BONDED),
        "pool_type": event.venue,
        "pool_created_at": event.seen_at,
        "bonding_curve_progress": COMPLETE_PERCENT,
        "sol_to_graduate": 0.0,
        "silent": False,
    }


def pool_values(event: PoolCreated) -> dict[str, Value]:
    """A pool on an exchange; only one that a launch-pad opened is a migration."""
    values: dict[str, Value] = {
        "pool_address": event.pool_address,
        "pool_type": event.venue,
        "pool_created_at": event.created_at,
    }
    if event.is_migration:
        values |= {
            "status": int(Status.BONDED),
            "bonding_curve_progress": COMPLETE_PERCENT,
            "sol_to_graduate": 0.0,
            "silent": False,
        }
    return values


def _curve_values(
    curve_tokens: float | None, curve_sol: Sol | None, market_cap_sol: Sol | None
) -> dict[str, Value]:
    values: dict[str, Value] = {}
    if curve_tokens is not None:
        progress = bonding_progress(curve_tokens)
        values["bonding_curve_progress"] = progress
        values["status"] = int(status_from_progress(progress))
    if curve_sol is not None:
        values["sol_raised"] = round(sol_raised(curve_sol), 6)
        values["sol_to_graduate"] = round(sol_to_graduate(curve_sol), 6)
    if market_cap_sol is not None:
        values["market_cap_sol"] = round(market_cap_sol, 6)
    return values
