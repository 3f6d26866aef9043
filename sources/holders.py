"""How many own a token: from Jupiter, a hundred tokens a request, or counted over JSON-RPC.

    JupiterHolders: GET {base}/tokens/v2/search?query={mints} -> jupiter_tokens -> HolderStats
    RpcHolders: getProgramAccounts over both token programs -> distinct owners with an amount

Pump coins of today live under Token-2022, whose accounts are longer than the 165 bytes of the
first token program: a count of one program alone, or with `dataSize: 165`, misses them all.
"""

from base64 import b64decode
from collections import Counter
from collections.abc import Mapping, Sequence

from attrs import define, field

from domain.errors import SourceUnavailable
from domain.values import Mint
from sources import HolderStats
from sources.fields import read_array, read_object
from sources.http import JsonHttp
from sources.jupiter_tokens import parse_tokens
from sources.refusals import LastingRefusal
from sources.rpc import JsonRpc

TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"  # noqa: S105
TOKEN_2022_PROGRAM = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"  # noqa: S105
TOKEN_ACCOUNT_BYTES = 165  # exactly, under the first program; at least, under Token-2022

# A token account begins with mint (32 bytes), owner (32) and amount (8).
OWNER_OFFSET, OWNER_BYTES, AMOUNT_BYTES = 32, 32, 8
SLICE_BYTES = OWNER_BYTES + AMOUNT_BYTES


def _new_jupiter_refusal() -> LastingRefusal:
    return LastingRefusal(url_setting="jupiter.url", key_setting="jupiter.api_key")


def _new_rpc_refusal() -> LastingRefusal:
    return LastingRefusal(url_setting="holder_count.url")


@define(kw_only=True)
class JupiterHolders:
    """The `HolderProvider` of Jupiter's tokens API, version 2."""

    url: str  # base address
    http: JsonHttp
    name: str = field(default="jupiter", init=False)
    refusal: LastingRefusal = field(factory=_new_jupiter_refusal)
    mints_per_request: int = field(default=100, init=False)  # the provider drops the 101st
    unusable: Counter[str] = field(factory=Counter, init=False)  # entries and fields, by reason

    async def fetch_holders(self, mints: Sequence[Mint]) -> Mapping[Mint, HolderStats]:
        if not mints:
            return {}
        url = f"{self.url.rstrip('/')}/tokens/v2/search?query={','.join(mints)}"
        found, refused = parse_tokens(await self.http.get(url), mints)
        self.unusable.update(refused)
        return found


@define(kw_only=True)
class RpcHolders:
    """The `HolderProvider` of any Solana RPC server that offers getProgramAccounts."""

    rpc: JsonRpc
    refusal: LastingRefusal = field(factory=_new_rpc_refusal)
    name: str = field(default="rpc", init=False)
    mints_per_request: int = field(default=1, init=False)
    unusable: Counter[str] = field(factory=Counter, init=False)  # none: it fails whole requests

    async def fetch_holders(self, mints: Sequence[Mint]) -> Mapping[Mint, HolderStats]:
        return {mint: await self._count_holders(mint) for mint in mints}

    async def _count_holders(self, mint: Mint) -> HolderStats:
        owners: frozenset[bytes] = frozenset()
        for program in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM):
            parameters = _program_accounts(program, mint)
            owners |= parse_owners(await self.rpc.call_method("getProgramAccounts", parameters))
        return HolderStats(mint=mint, holder_count=len(owners))


def _program_accounts(program: str, mint: Mint) -> list[object]:
    filters: list[object] = [{"memcmp": {"offset": 0, "bytes": mint}}]
    if program == TOKEN_PROGRAM:
        filters.append({"dataSize": TOKEN_ACCOUNT_BYTES})
    options = {
        "encoding": "base64",
        "commitment": "confirmed",
        "dataSlice": {"offset": OWNER_OFFSET, "length": SLICE_BYTES},
        "filters": filters,
    }
    return [program, options]


def parse_owners(result: object) -> frozenset[bytes]:
    """The owners of the accounts that hold something."""
    accounts = read_object(result).get("value", result)  # some servers wrap it in a context
    if not isinstance(accounts, list):
        raise SourceUnavailable(f"getProgramAccounts: not a list: {str(result)[:200]}")
    slices = [_read_slice(read_object(entry)) for entry in accounts]
    return frozenset(data[:OWNER_BYTES] for data in slices if any(data[OWNER_BYTES:]))


def _read_slice(entry: Mapping[str, object]) -> bytes:
    """Owner and amount of one account; an account that has another shape spoils the count."""
    encoded = read_array(read_object(entry.get("account")).get("data"))[:1]
    try:
        data = b64decode(str(encoded[0]), validate=True) if encoded else b""
    except ValueError as error:
        raise SourceUnavailable("getProgramAccounts: data is not base64") from error
    if len(data) != SLICE_BYTES:
        raise SourceUnavailable(f"getProgramAccounts: {len(data)} bytes of data, not {SLICE_BYTES}")
    return data
