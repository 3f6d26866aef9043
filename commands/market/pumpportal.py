"""PumpPortal's frames and conversation, in the wording recorded in 2026.

    Created, Traded, Migrated -> frame -> every client that has subscribed to it

Numbers that happen to be whole arrive as integers; bonk frames name the pool's own reserves
instead of the curve's virtual ones; a migration carries four fields and no pool address. Coins
that are paired with a dollar token come misread: their create names the quote's mint (recorded),
and their trades do not come.
"""

from typing import Any

import orjson
from attrs import define, field

from commands.market.events import Created, Event, Migrated, Traded
from commands.market.keys import address, transaction_signature
from commands.market.token import MarketToken
from domain.values import Mint

SUBSCRIBED_TO_CREATES = "Successfully subscribed to token creation events."
SUBSCRIBED_TO_MIGRATIONS = "Subscribed to 'migration' events."
SUBSCRIBED_TO_KEYS = "Successfully subscribed to keys."
UNSUBSCRIBED_FROM_CREATES = "Successfully unsubscribed from token creation events."
UNSUBSCRIBED_FROM_KEYS = "Successfully unsubscribed from keys."
KEY_WANTED = (
    "'subscribeTokenTrade' and 'subscribeAccountTrade' methods are only available when "
    "connecting with an API key funded with at least 0.02 SOL."
)
MOST_KEYS = 100_000  # of one client; more are refused
MIGRATION_VENUES = {"pump": "pump-amm", "bonk": "raydium-cpmm"}
BONK_SUPPLY = 1e9


def frame_of(event: Event) -> dict[str, Any] | None:
    """The frame that PumpPortal sends of an event; None of what it does not know."""
    if isinstance(event, Created):
        frame = _create(event)
        return frame | {"mint": event.token.pair.mint} if event.token.pair.is_dollar else frame
    if isinstance(event, Traded):
        return None if event.token.pair.is_dollar else _trade(event)
    if isinstance(event, Migrated):
        return {
            "signature": transaction_signature(event.transaction),
            "mint": event.token.mint,
            "txType": "migrate",
            "pool": MIGRATION_VENUES[event.token.venue],
        }
    return None


def _create(event: Created) -> dict[str, Any]:
    token = event.token
    frame: dict[str, Any] = {
        "signature": transaction_signature(event.transaction),
        "mint": token.mint,
        "traderPublicKey": address("wallet", token.creator),
        "txType": "create",
        "initialBuy": number(event.buy_tokens, 6),
        "solAmount": number(event.buy_sol, 9),
    }
    frame |= _reserves(token, event.tokens, event.sol, in_pool=token.venue == "bonk")
    frame |= {"name": token.name, "symbol": token.symbol, "uri": token.uri}
    if token.venue == "pump":
        frame["is_mayhem_mode"] = token.mayhem
    frame["pool"] = token.venue
    return frame


def _trade(event: Traded) -> dict[str, Any]:
    token = event.token
    frame: dict[str, Any] = {
        "signature": transaction_signature(event.transaction),
        "mint": token.mint,
        "traderPublicKey": address("wallet", event.trader),
        "txType": event.side,
        "tokenAmount": number(event.trade_tokens, 6),
        "solAmount": number(event.trade_sol, 9),
        "newTokenBalance": number(event.balance, 6),
    }
    pooled = event.in_pool or token.venue == "bonk"
    frame |= _reserves(token, event.tokens, event.sol, in_pool=pooled)
    frame["pool"] = _venue(token, event.in_pool)
    return frame


def _venue(token: MarketToken, in_pool: bool) -> str:
    return MIGRATION_VENUES.get(token.venue, token.venue) if in_pool else token.venue


def _reserves(token: MarketToken, tokens: float, sol: float, *, in_pool: bool) -> dict[str, Any]:
    cap = {"marketCapSol": sol / tokens * 1e9}
    if in_pool and not token.in_pool:  # the launch pad's own pool counts from its full supply
        sold = 1_073_000_000.0 - tokens
        return {
            "solInPool": number(sol - 30.0, 9),
            "tokensInPool": number(BONK_SUPPLY - sold, 6),
        } | cap
    if in_pool:
        return {"solInPool": number(sol, 9), "tokensInPool": number(tokens, 6)} | cap
    return {
        "bondingCurveKey": address("curve", token.mint),
        "vTokensInBondingCurve": number(tokens, 6),
        "vSolInBondingCurve": number(sol, 17),
    } | cap


def number(value: float, digits: int) -> int | float:
    """Whole numbers are written without a point, as JavaScript does."""
    rounded = round(value, digits)
    return int(rounded) if rounded == int(rounded) else rounded


@define(kw_only=True)
class Subscriptions:
    """What one socket has asked for."""

    has_api_key: bool
    creates: bool = False
    migrations: bool = False
    keys: set[Mint] = field(factory=set)

    def answer(self, text: str | bytes) -> dict[str, str]:
        """The acknowledgement of a request, or what is wrong with it."""
        try:
            request = orjson.loads(text)
            method = request["method"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return {"errors": "Invalid message."}
        if method == "subscribeNewToken":
            self.creates = True
            return {"message": SUBSCRIBED_TO_CREATES}
        if method == "unsubscribeNewToken":
            self.creates = False
            return {"message": UNSUBSCRIBED_FROM_CREATES}
        if method == "subscribeMigration":
            self.migrations = True
            return {"message": SUBSCRIBED_TO_MIGRATIONS}
        if method in ("subscribeTokenTrade", "unsubscribeTokenTrade"):
            return self._trades(method, request.get("keys"))
        return {"errors": f"Unknown method: {str(method)[:50]}"}

    def _trades(self, method: str, keys: object) -> dict[str, str]:
        if not self.has_api_key:
            return {"message": KEY_WANTED}
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            return {"errors": "keys must be an array of addresses."}
        if method == "unsubscribeTokenTrade":
            self.keys.difference_update(keys)
            return {"message": UNSUBSCRIBED_FROM_KEYS}
        if len(self.keys) + len(keys) > MOST_KEYS:
            return {"errors": "Too many keys."}
        self.keys.update(keys)
        return {"message": SUBSCRIBED_TO_KEYS}

    def wants(self, kind: str, mint: Mint) -> bool:
        """Whether a frame of this `txType` goes to this socket."""
        if kind == "create":
            return self.creates
        if kind == "migrate":
            return self.migrations
        return mint in self.keys
