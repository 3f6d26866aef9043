"""PumpAPI's frames: every create, trade, migration and new pool, to whoever is connected.

    Created, Traded, Migrated, PoolOpened -> frame, in the shapes recorded from December 2025 on

Nothing is subscribed to. `timestamp` is the chain's time in milliseconds, `block` its slot.
Raydium's old AMM is not covered. The fields of a coin that is not paired with SOL (`quoteMint`,
`quoteAmount`, `quoteInPool`, `vQuoteInBondingCurve`, `marketCapQuote`): the stream's documentation.
"""

from typing import Any

from commands.market.clock import slot
from commands.market.curve import POOL_SOL_AT_MIGRATION, POOL_TOKENS_AT_MIGRATION
from commands.market.events import Created, Event, Migrated, PoolOpened, Traded
from commands.market.keys import address, transaction_signature
from commands.market.launchlab import SOL_RAISED
from commands.market.programs import BONK_PLATFORM, PUMP_MIGRATION_ACCOUNT
from commands.market.token import MarketToken
from domain.lifecycle import CURVE_SOL_AT_BIRTH, CURVE_TOKENS_AT_COMPLETION

CURVES = {"pump": "pump", "bonk": "raydium-launchpad"}
POOLS = {"pump": "pump-amm", "bonk": "raydium-cpmm", "pump-amm": "pump-amm"}
FEE_RATES = {"pump": 0.0125, "pump-amm": 0.012, "raydium-launchpad": 0.0105, "raydium-cpmm": 0.003}
LAUNCHLAB_KEPT_BACK = 206_900_000.0  # tokens in its vault that the curve does not sell


def pumpapi_frame(event: Event, wall_time: float) -> dict[str, Any] | None:
    """The frame of an event at `wall_time` (Unix seconds); None of what PumpAPI does not cover."""
    token = event.token
    if token.venue == "raydium":
        return None
    frame: dict[str, Any] = {"signature": transaction_signature(event.transaction)}
    if isinstance(event, Created):
        frame |= _create(event)
    elif isinstance(event, Traded):
        frame |= _trade(event)
    else:
        frame |= _pool(event)
    frame |= _token(token, frame["pool"])
    frame |= {"tradersInvolved": {frame["txSigner"]: {}}}
    if isinstance(event, Created):
        frame["decimals"] = 6
    return frame | {"block": slot(event.at), "timestamp": int(wall_time * 1000)}


def _create(event: Created) -> dict[str, Any]:
    token = event.token
    return {
        "txType": "create",
        "poolId": address("curve", token.mint),
        "mint": token.mint,
        "txSigner": address("wallet", token.creator),
        "initialBuy": round(event.buy_tokens, 6),
        **_amount(token, event.buy_sol),
        **_curve(token, event.tokens, event.sol),
        "name": token.name,
        "symbol": token.symbol,
        "uri": token.uri,
        "supply": 1_000_000_000,
        "pool": CURVES[token.venue],
    }


def _trade(event: Traded) -> dict[str, Any]:
    token = event.token
    place = "pool" if event.in_pool else "curve"
    state = _reserves if event.in_pool else _curve
    frame = {
        "txType": event.side,
        "poolId": address(place, token.mint),
        "mint": token.mint,
        "txSigner": address("wallet", event.trader),
        "tokenAmount": round(event.trade_tokens, 6),
        **_amount(token, event.trade_sol),
        **state(token, event.tokens, event.sol),
        "pool": (POOLS if event.in_pool else CURVES)[token.venue],
    }
    return frame | (_origin(token) if event.in_pool else {})


def _pool(event: Migrated | PoolOpened) -> dict[str, Any]:
    token = event.token
    opened = isinstance(event, PoolOpened)
    reserves = (POOL_TOKENS_AT_MIGRATION, POOL_SOL_AT_MIGRATION)
    if isinstance(event, PoolOpened):
        reserves = (event.tokens, event.sol)
    return {
        "txType": "createPool" if opened else "migrate",
        "poolId": address("pool", token.mint),
        "mint": token.mint,
        "txSigner": address("wallet", token.creator) if opened else PUMP_MIGRATION_ACCOUNT,
        "initialBuy": 0.0,
        **_amount(token, 0.0),
        **_reserves(token, *reserves),
        "supply": 1_000_000_000,
        "pool": POOLS[token.venue],
        **_origin(token),
    }


def _origin(token: MarketToken) -> dict[str, Any]:
    """Of a pool: who opened it, and how much of its liquidity can never be taken out."""
    custom = token.venue == "pump-amm"
    burned = {"pump": "100%", "bonk": "91%", "pump-amm": "0%"}[token.venue]
    opener = "custom" if custom else CURVES[token.venue]
    return {"poolCreatedBy": opener, "burnedLiquidity": burned}


def _amount(token: MarketToken, sol: float) -> dict[str, Any]:
    name = "quoteAmount" if token.pair.is_dollar else "solAmount"
    return {name: round(token.pair.amount(sol), token.pair.decimals)}


def _reserves(token: MarketToken, tokens: float, sol: float) -> dict[str, Any]:
    """What really lies in the pool, and the price that follows from it."""
    in_pool = "quoteInPool" if token.pair.is_dollar else "solInPool"
    return {
        "tokensInPool": round(tokens, 6),
        in_pool: round(token.pair.amount(sol), token.pair.decimals),
        **_price(token, tokens, sol),
    }


def _curve(token: MarketToken, tokens: float, sol: float) -> dict[str, Any]:
    """What lies in the curve, and what it counts with."""
    kept_back = LAUNCHLAB_KEPT_BACK if token.venue == "bonk" else 0.0
    suffix = "QuoteInBondingCurve" if token.pair.is_dollar else "SolInBondingCurve"
    real = _reserves(
        token, tokens - CURVE_TOKENS_AT_COMPLETION + kept_back, sol - CURVE_SOL_AT_BIRTH
    )
    return real | {
        "vTokensInBondingCurve": round(tokens, 6),
        f"v{suffix}": round(token.pair.amount(sol), token.pair.decimals),
        **_price(token, tokens, sol),
    }


def _price(token: MarketToken, tokens: float, sol: float) -> dict[str, Any]:
    price = token.pair.amount(sol) / tokens if tokens > 0 else 0.0
    cap = "marketCapQuote" if token.pair.is_dollar else "marketCapSol"
    return {"price": price, cap: price * 1e9}


def _token(token: MarketToken, pool: str) -> dict[str, Any]:
    """What the frame says of the coin itself."""
    facts: dict[str, Any] = {"poolFeeRate": FEE_RATES[pool]}
    if token.pair.is_dollar:
        facts["quoteMint"] = token.pair.mint
    if pool in ("pump", "pump-amm"):
        facts |= {
            "creatorFeeAddress": address("wallet", token.creator),
            "mayhemMode": token.mayhem,
            "cashbackEnabled": True,
        }
    if pool == "raydium-launchpad":
        goal = round(token.pair.amount(SOL_RAISED), 2)
        facts |= {
            "platform": "bonk",
            "launchpadConfig": BONK_PLATFORM,
            "migrationThreshholds": {"quote": goal},
        }
    authority = address("wallet", token.creator) if token.has_free_authorities else None
    extensions = ("metadataPointer", "tokenMetadata") if token.is_token_2022 else ()
    return facts | {
        "mintAuthority": authority,
        "freezeAuthority": authority,
        "tokenProgram": "spl-token-2022" if token.is_token_2022 else "spl-token",
        "tokenExtensions": {name: {} for name in extensions},
    }
