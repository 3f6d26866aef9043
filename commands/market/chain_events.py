"""The events that the programs print of what happens in the market, as bytes.

    Created, Traded, Migrated, PoolOpened -> CreateEvent, TradeEvent ... -> chain_logs

pump.fun and PumpSwap by the published layouts (`layouts`). A coin paired with a dollar token counts
in the quote fields, and nothing in the SOL fields. Mints of PumpSwap's trades show nowhere: only
the pool's address does.
"""

from commands.market.curve import POOL_SOL_AT_MIGRATION, POOL_TOKENS_AT_MIGRATION
from commands.market.events import Created, PoolOpened, Traded
from commands.market.keys import address
from commands.market.layouts import encode_event
from commands.market.programs import (
    PUMP_FEE_RECIPIENT,
    PUMP_MIGRATION_ACCOUNT,
    SYSTEM_PROGRAM,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
)
from commands.market.token import MarketToken
from domain.lifecycle import (
    CURVE_SOL_AT_BIRTH,
    CURVE_TOKENS_AT_BIRTH,
    CURVE_TOKENS_AT_COMPLETION,
    CURVE_TOKENS_FOR_SALE,
)

TOKEN_DECIMALS = 6
STATED_SUPPLY = 1e9  # by CreateEvent, of mayhem coins too, whose second billion it leaves out
FEE_POINTS, CREATOR_FEE_POINTS = 95, 30
LP_FEE_POINTS, PROTOCOL_FEE_POINTS = 20, 5


def raw_tokens(tokens: float) -> int:
    return round(tokens * 10.0**TOKEN_DECIMALS)


def quote_key(token: MarketToken) -> str:
    """In pump.fun's events no key at all means SOL."""
    return token.pair.mint if token.pair.is_dollar else SYSTEM_PROGRAM


def create_event(event: Created, timestamp: int) -> bytes:
    """pump.fun's CreateEvent: reserves before the creator's own buy."""
    token = event.token
    virtual = token.pair.raw(CURVE_SOL_AT_BIRTH)
    creator = address("wallet", token.creator)
    return encode_event(
        "pump",
        "CreateEvent",
        {
            "name": token.name,
            "symbol": token.symbol,
            "uri": token.uri,
            "mint": token.mint,
            "bonding_curve": address("curve", token.mint),
            "user": creator,
            "creator": creator,
            "timestamp": timestamp,
            "virtual_token_reserves": raw_tokens(CURVE_TOKENS_AT_BIRTH),
            "virtual_sol_reserves": 0 if token.pair.is_dollar else virtual,
            "real_token_reserves": raw_tokens(CURVE_TOKENS_FOR_SALE),
            "token_total_supply": raw_tokens(STATED_SUPPLY),
            "token_program": TOKEN_2022_PROGRAM if token.is_token_2022 else TOKEN_PROGRAM,
            "is_mayhem_mode": token.mayhem,
            "quote_mint": quote_key(token),
            "virtual_quote_reserves": virtual,
        },
    )


def creator_trade(event: Created) -> Traded:
    """The creator's own buy, which the chain tells as a trade of its own."""
    return Traded(
        token=event.token,
        at=event.at,
        transaction=event.transaction,
        side="buy",
        trader=event.token.creator,
        trade_sol=event.buy_sol,
        trade_tokens=event.buy_tokens,
        balance=event.buy_tokens,
        tokens=event.tokens,
        sol=event.sol,
        in_pool=False,
    )


def trade_event(event: Traded, timestamp: int) -> bytes:
    """pump.fun's TradeEvent, of a trade on the curve."""
    pair = event.token.pair
    amount = pair.raw(event.trade_sol)
    virtual, real = pair.raw(event.sol), max(pair.raw(event.sol - CURVE_SOL_AT_BIRTH), 0)
    in_sol = 0 if pair.is_dollar else 1
    tokens_left = raw_tokens(event.tokens)
    return encode_event(
        "pump",
        "TradeEvent",
        {
            "mint": event.token.mint,
            "sol_amount": amount * in_sol,
            "token_amount": raw_tokens(event.trade_tokens),
            "is_buy": event.side == "buy",
            "user": address("wallet", event.trader),
            "timestamp": timestamp,
            "virtual_sol_reserves": virtual * in_sol,
            "virtual_token_reserves": tokens_left,
            "real_sol_reserves": real * in_sol,
            "real_token_reserves": max(tokens_left - raw_tokens(CURVE_TOKENS_AT_COMPLETION), 0),
            "fee_recipient": PUMP_FEE_RECIPIENT,
            "fee_basis_points": FEE_POINTS,
            "fee": amount * FEE_POINTS // 10_000,
            "creator": address("wallet", event.token.creator),
            "creator_fee_basis_points": CREATOR_FEE_POINTS,
            "creator_fee": amount * CREATOR_FEE_POINTS // 10_000,
            "ix_name": event.side,
            "mayhem_mode": event.token.mayhem,
            "quote_mint": quote_key(event.token),
            "quote_amount": amount,
            "virtual_quote_reserves": virtual,
            "real_quote_reserves": real,
        },
    )


def complete_event(event: Created | Traded, timestamp: int) -> bytes:
    buyer = event.trader if isinstance(event, Traded) else event.token.creator
    return encode_event(
        "pump",
        "CompleteEvent",
        {
            "user": address("wallet", buyer),
            "mint": event.token.mint,
            "bonding_curve": address("curve", event.token.mint),
            "timestamp": timestamp,
            "quote_mint": quote_key(event.token),
        },
    )


def migration_event(token: MarketToken, timestamp: int) -> bytes:
    return encode_event(
        "pump",
        "CompletePumpAmmMigrationEvent",
        {
            "user": PUMP_MIGRATION_ACCOUNT,
            "mint": token.mint,
            "mint_amount": raw_tokens(POOL_TOKENS_AT_MIGRATION),
            "sol_amount": 0 if token.pair.is_dollar else token.pair.raw(POOL_SOL_AT_MIGRATION),
            "pool_migration_fee": 15_000_001,
            "bonding_curve": address("curve", token.mint),
            "timestamp": timestamp,
            "pool": address("pool", token.mint),
            "quote_mint": quote_key(token),
        },
    )


def create_pool_event(
    token: MarketToken, reserves: tuple[float, float], creator: str, timestamp: int
) -> bytes:
    """PumpSwap's CreatePoolEvent; here the quote's mint is always named. `reserves`: model's."""
    tokens, quote = raw_tokens(reserves[0]), token.pair.raw(reserves[1])
    liquidity = round((tokens * quote) ** 0.5)
    return encode_event(
        "pump_amm",
        "CreatePoolEvent",
        {
            "timestamp": timestamp,
            "creator": creator,
            "base_mint": token.mint,
            "quote_mint": token.pair.mint,
            "base_mint_decimals": TOKEN_DECIMALS,
            "quote_mint_decimals": token.pair.decimals,
            "base_amount_in": tokens,
            "quote_amount_in": quote,
            "pool_base_amount": tokens,
            "pool_quote_amount": quote,
            "minimum_liquidity": 100,
            "initial_liquidity": liquidity,
            "lp_token_amount_out": liquidity - 100,
            "pool_bump": 254,
            "pool": address("pool", token.mint),
            "lp_mint": address("lp-mint", token.mint),
            "coin_creator": address("wallet", token.creator),
            "is_mayhem_mode": token.mayhem,
        },
    )


def opened_pool_event(event: PoolOpened, timestamp: int) -> bytes:
    creator = address("wallet", event.token.creator)
    return create_pool_event(event.token, (event.tokens, event.sol), creator, timestamp)


def swap_event(event: Traded, timestamp: int) -> bytes:
    """PumpSwap's BuyEvent or SellEvent; the pool's reserves are those before the trade."""
    pair = event.token.pair
    tokens, quote = raw_tokens(event.trade_tokens), pair.raw(event.trade_sol)
    is_buy = event.side == "buy"
    sign = 1 if is_buy else -1
    lp_fee, fee = quote * LP_FEE_POINTS // 10_000, quote * PROTOCOL_FEE_POINTS // 10_000
    values: dict[str, object] = {
        "timestamp": timestamp,
        "user_base_token_reserves": max(raw_tokens(event.balance) - sign * tokens, 0),
        "user_quote_token_reserves": 4 * quote,
        "pool_base_token_reserves": raw_tokens(event.tokens) + sign * tokens,
        "pool_quote_token_reserves": pair.raw(event.sol) - sign * quote,
        "lp_fee_basis_points": LP_FEE_POINTS,
        "lp_fee": lp_fee,
        "protocol_fee_basis_points": PROTOCOL_FEE_POINTS,
        "protocol_fee": fee,
        "pool": address("pool", event.token.mint),
        "user": address("wallet", event.trader),
        "protocol_fee_recipient": PUMP_FEE_RECIPIENT,
        "coin_creator": address("wallet", event.token.creator),
    }
    if is_buy:
        values |= {
            "base_amount_out": tokens,
            "max_quote_amount_in": quote * 2,
            "quote_amount_in": quote,
            "quote_amount_in_with_lp_fee": quote + lp_fee,
            "user_quote_amount_in": quote + lp_fee + fee,
            "ix_name": "buy",
        }
        return encode_event("pump_amm", "BuyEvent", values)
    values |= {
        "base_amount_in": tokens,
        "quote_amount_out": quote,
        "quote_amount_out_without_lp_fee": quote - lp_fee,
        "user_quote_amount_out": quote - lp_fee - fee,
    }
    return encode_event("pump_amm", "SellEvent", values)
