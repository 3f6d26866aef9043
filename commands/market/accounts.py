"""Accounts as getAccountInfo and getMultipleAccounts show them: mints, curves and pools.

    Accounts.note(event) -> Accounts.find(address) -> owner, bytes -> base64 or jsonParsed

Layouts: SPL Token's mint (82 bytes; a Token-2022 mint goes on after byte 165), PumpSwap's Pool,
pump.fun's BondingCurve, LaunchLab's PoolState (`launchlab`).
"""

import struct
from base64 import b64encode
from typing import Any, Literal

from attrs import define, field, frozen

from commands.market.chain_events import raw_tokens
from commands.market.events import Created, Event, Migrated, PoolOpened
from commands.market.keys import address, key_bytes
from commands.market.launchlab import pool_account
from commands.market.model import Market
from commands.market.programs import (
    LAUNCHLAB,
    PUMP,
    PUMP_AMM,
    RAYDIUM_AMM_V4,
    RAYDIUM_CPMM,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
)
from commands.market.token import MarketToken
from domain.lifecycle import CURVE_SOL_AT_BIRTH, CURVE_TOKENS_AT_COMPLETION
from domain.values import Mint

PUMP_AMM_POOL = bytes.fromhex("f19a6d0411b16dbc")
BONDING_CURVE = bytes.fromhex("17b7f83760d8ac60")
CURVE_ACCOUNT_BYTES = 151
MINT_ACCOUNT_BYTES = 82
EXTENDED_FROM_BYTE = 165
METADATA_POINTER = 18  # type of an extension
POOL_ACCOUNT_BYTES = 300
RENT_EPOCH = 18_446_744_073_709_551_615
LIMIT = 50_000  # curves and pools whose address is known

Kind = Literal["mint", "curve", "pool"]


@frozen(kw_only=True)
class ChainAccount:
    """An account's owner and content."""

    token: MarketToken
    kind: Kind
    owner: str
    content: bytes


@define(kw_only=True)
class Accounts:
    """Whose account an address is: mints of the market, and curves and pools it was told of."""

    market: Market
    places: dict[str, tuple[Kind, Mint]] = field(factory=dict, repr=False)  # the oldest goes first

    def note(self, event: Event) -> None:
        """Learn the address of a new curve or pool."""
        mint = event.token.mint
        if isinstance(event, Created):
            self._place("curve", mint)
        elif isinstance(event, Migrated | PoolOpened):
            self._place("pool", mint)

    def _place(self, kind: Kind, mint: Mint) -> None:
        self.places[address(kind, mint)] = (kind, mint)
        if len(self.places) > LIMIT:
            del self.places[next(iter(self.places))]

    def find(self, wanted: str) -> ChainAccount | None:
        kind, mint = self.places.get(wanted, ("mint", Mint(wanted)))
        token = self.market.tokens.get(mint)
        if token is None:
            return None
        if kind == "mint":
            return ChainAccount(
                token=token, kind=kind, owner=token_program(token), content=_mint_bytes(token)
            )
        owner, content = _curve(token) if kind == "curve" else _pool(token)
        return ChainAccount(token=token, kind=kind, owner=owner, content=content)


def token_program(token: MarketToken) -> str:
    """Newer pump coins are Token-2022 mints; whoever asks the old program alone sees none."""
    return TOKEN_2022_PROGRAM if token.is_token_2022 else TOKEN_PROGRAM


def account_json(account: ChainAccount, encoding: object) -> dict[str, Any]:
    """The account as an RPC answer's value."""
    data: object = [b64encode(account.content).decode(), "base64"]
    if encoding == "jsonParsed" and account.kind == "mint":
        data = _parsed_mint(account)
    return {
        "lamports": 1_461_600,
        "data": data,
        "owner": account.owner,
        "executable": False,
        "rentEpoch": RENT_EPOCH,
        "space": len(account.content),
    }


def _parsed_mint(account: ChainAccount) -> dict[str, Any]:
    authority = _authority(account.token)
    info = {
        "decimals": 6,
        "freezeAuthority": authority,
        "isInitialized": True,
        "mintAuthority": authority,
        "supply": str(raw_tokens(account.token.supply)),
    }
    program = "spl-token-2022" if account.owner == TOKEN_2022_PROGRAM else "spl-token"
    parsed = {"info": info, "type": "mint"}
    return {"program": program, "parsed": parsed, "space": len(account.content)}


def _authority(token: MarketToken) -> str | None:
    return address("wallet", token.creator) if token.has_free_authorities else None


def _mint_bytes(token: MarketToken) -> bytes:
    authority = _authority(token)
    option = b"\0" * 36 if authority is None else b"\1\0\0\0" + key_bytes(authority)
    content = option + struct.pack("<QB?", raw_tokens(token.supply), 6, True) + option
    if not token.is_token_2022:
        return content
    pointer = struct.pack("<HH", METADATA_POINTER, 64) + bytes(32) + key_bytes(token.mint)
    return content.ljust(EXTENDED_FROM_BYTE, b"\0") + b"\1" + pointer


def _curve(token: MarketToken) -> tuple[str, bytes]:
    if token.venue == "bonk":
        return LAUNCHLAB, pool_account(token)
    complete = token.completed_at is not None
    tokens, sol = (0.0, 0.0) if token.in_pool else (token.reserves.tokens, token.reserves.sol)
    numbers = (
        raw_tokens(tokens),
        token.pair.raw(sol),
        raw_tokens(max(tokens - CURVE_TOKENS_AT_COMPLETION, 0.0)),
        token.pair.raw(max(sol - CURVE_SOL_AT_BIRTH, 0.0)),
        raw_tokens(1e9),
    )
    content = BONDING_CURVE + struct.pack("<5Q?", *numbers, complete)
    content += key_bytes(address("wallet", token.creator)) + bytes([token.mayhem, 1])
    content += key_bytes(token.pair.mint) if token.pair.is_dollar else bytes(32)
    return PUMP, content.ljust(CURVE_ACCOUNT_BYTES, b"\0")


def _pool(token: MarketToken) -> tuple[str, bytes]:
    if token.venue not in ("pump", "pump-amm"):
        return RAYDIUM_CPMM if token.venue == "bonk" else RAYDIUM_AMM_V4, bytes(POOL_ACCOUNT_BYTES)
    keys = (
        address("wallet", token.creator),
        token.mint,
        token.pair.mint,
        address("lp-mint", token.mint),
        address("base-vault", token.mint),
        address("quote-vault", token.mint),
    )
    content = PUMP_AMM_POOL + b"\xfe\0\0" + b"".join(map(key_bytes, keys))
    content += struct.pack("<Q", 4_193_388_245_000) + key_bytes(keys[0]) + bytes([token.mayhem])
    return PUMP_AMM, content.ljust(POOL_ACCOUNT_BYTES, b"\0")
