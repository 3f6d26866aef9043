"""Events of the world for tests of actors; `seen_at` is a second of the test."""

from typing import Any

import attrs

from domain.lifecycle import CURVE_SOL_AT_BIRTH, CURVE_TOKENS_AT_BIRTH
from domain.messages import MigrationSeen, PoolCreated, SourceEvent, TokenCreated, TradeSeen
from domain.values import Sol
from tests.unit.actors.world import at, mint


def created(number: int = 1, second: float = 0.0, **fields: Any) -> TokenCreated:
    usual: dict[str, Any] = {
        "mint": mint(number),
        "seen_at": at(second),
        "signature": f"create {number}",
        "venue": "pumpfun",
        "name": f"Token {number}",
        "curve_tokens": CURVE_TOKENS_AT_BIRTH,
        "curve_sol": Sol(CURVE_SOL_AT_BIRTH),
    }
    return TokenCreated(**usual | fields)


def traded(number: int = 1, second: float = 0.0, **fields: Any) -> TradeSeen:
    usual: dict[str, Any] = {
        "mint": mint(number),
        "seen_at": at(second),
        "signature": f"trade {number} {second}",
        "side": "buy",
        "sol": Sol(1.0),
    }
    return TradeSeen(**usual | fields)


def migrated(number: int = 1, second: float = 0.0, venue: str = "pumpswap") -> MigrationSeen:
    return MigrationSeen(
        mint=mint(number), seen_at=at(second), signature=f"migrate {number}", venue=venue
    )


def pool(number: int = 1, second: float = 0.0, **fields: Any) -> PoolCreated:
    usual: dict[str, Any] = {
        "mint": mint(number),
        "seen_at": at(second),
        "signature": f"pool {number}",
        "source": "solana-pools",
        "venue": "raydium",
        "pool_address": mint(10_000 + number),
        "created_at": at(second),
    }
    return PoolCreated(**usual | fields)


def altered(event: SourceEvent, **fields: Any) -> SourceEvent:
    """The event with other values of these fields."""
    if isinstance(event, TradeSeen):
        return event._replace(**fields)
    return attrs.evolve(event, **fields)
