"""The junk that real streams carry, each kind recorded: what must not end up in the database.

frame -> Traps.spoil -> the frame, perhaps damaged, and perhaps more frames
"""

from collections import Counter
from random import Random
from typing import Any

from attrs import define, field, frozen

from commands.market.keys import mint_ending_in, signature
from domain.values import QUOTE_MINTS

USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
# A tokenised share that comes as a launch-pad coin; its 8 decimals and small supply show nowhere.
STOCK_CREATE: dict[str, Any] = {
    "mint": "XsDoVfqeBukxuZHWhdvWHBhgEHjGNst4MLodqsJHzoB",
    "txType": "create",
    "traderPublicKey": "S7vYFFWH6BjJyEsdrPQpqpYTqLTrPRK6KW3VwsJuRaS",
    "initialBuy": 0.31,
    "solAmount": 0.6,
    "solInPool": 0.6,
    "tokensInPool": 11_999.69,
    "newTokenBalance": 0.31,
    "marketCapSol": 1_935_483_870.9,
    "name": "Tesla xStock",
    "symbol": "TSLAx",
    "uri": "https://xstocks-metadata.backed.fi/tokens/Solana/TSLAx/metadata.json",
    "pool": "bonk",
}


@frozen(kw_only=True)
class TrapShares:
    """How often each kind occurs, as a share of creates (of all frames for duplicates)."""

    duplicate: float = 0.005
    misread_quote: float = 1.0  # of coins paired with a dollar token; their creates name its mint
    quote_mint: float = 0.01  # USDC announced as a new coin; once 5 %
    stock: float = 0.002
    blank_symbol: float = 0.01
    spaces: float = 0.03
    no_metadata: float = 0.02
    strange_uri: float = 0.01
    unseen_migration: float = 0.002


NO_TRAPS = TrapShares(
    duplicate=0.0,
    misread_quote=0.0,
    quote_mint=0.0,
    stock=0.0,
    blank_symbol=0.0,
    spaces=0.0,
    no_metadata=0.0,
    strange_uri=0.0,
    unseen_migration=0.0,
)


@define
class Traps:
    """Spoils frames now and then; counts what it did."""

    shares: TrapShares
    random: Random
    counts: "Counter[str]" = field(factory=Counter)

    def spoil(self, frame: dict[str, Any]) -> list[dict[str, Any]]:
        """The frames to send in place of a good one."""
        frames = [frame]
        if frame["txType"] == "create":
            if frame["mint"] in QUOTE_MINTS:
                return [frame] if self._happens("misread_quote", self.shares.misread_quote) else []
            frames = [*self._extra(frame), self._damaged(frame)]
        if self._happens("duplicate", self.shares.duplicate):
            frames.append(frames[-1])
        return frames

    def _happens(self, kind: str, share: float) -> bool:
        happens = self.random.random() < share
        self.counts[kind] += happens
        return happens

    def _extra(self, frame: dict[str, Any]) -> list[dict[str, Any]]:
        """Whole frames that should never have been sent."""
        extra: list[dict[str, Any]] = []
        if self._happens("quote_mint", self.shares.quote_mint):
            extra.append(frame | {"mint": USDC, "signature": signature(self.random)})
        if self._happens("stock", self.shares.stock):
            extra.append(STOCK_CREATE | {"signature": signature(self.random)})
        if self._happens("unseen_migration", self.shares.unseen_migration):
            mint = mint_ending_in("pump", self.random)
            migration = {"txType": "migrate", "pool": "pump-amm"}
            extra.append({"signature": signature(self.random), "mint": mint} | migration)
        return extra

    def _damaged(self, frame: dict[str, Any]) -> dict[str, Any]:
        """A good token with something odd about its name or address."""
        if self._happens("blank_symbol", self.shares.blank_symbol):
            return frame | {"symbol": self.random.choice(["", " ", "\t"])}
        if self._happens("spaces", self.shares.spaces):
            return frame | {"name": f" {frame['name']} ", "symbol": frame["symbol"] + " "}
        if self._happens("no_metadata", self.shares.no_metadata):
            return {
                key: value for key, value in frame.items() if key not in ("name", "symbol", "uri")
            }
        if self._happens("strange_uri", self.shares.strange_uri):
            odd = ["data:application/json;base64,eyJuYW1lIjoiIn0=", "http://203.0.113.7/1.json"]
            return frame | {"uri": self.random.choice(odd)}
        return frame
