"""What the chain itself says of a mint: its authorities, decimals and supply.

    mints -> getMultipleAccounts, at most 100 -> MintFacts

Source of the layout: `spl_token::state::Mint`, 82 bytes, of both token programs: mint authority
(a COption: 4 bytes that say 0 or 1, then 32), supply (u64, little endian), decimals (u8), is
initialised (u8), freeze authority (a COption). Under Token-2022 extensions follow at 166, and the
byte at 165 tells a mint (1) from an account (2).
"""

from base64 import b64decode
from collections import Counter
from collections.abc import Mapping, Sequence

from attrs import define, field

from domain.errors import SourceUnavailable
from domain.values import Mint, Value
from sources.fields import GREATEST_TOKENS, read_array, read_object
from sources.holders import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from sources.metadata import MintFacts
from sources.refusals import LastingRefusal
from sources.rpc import JsonRpc

MINT_BYTES = 82
KIND_OFFSET, KIND_MINT = 165, 1
OPTION_BYTES = 4
NONE, SOME = (0).to_bytes(4, "little"), (1).to_bytes(4, "little")
SUPPLY, DECIMALS, IS_INITIALISED, FREEZE_AUTHORITY = slice(36, 44), 44, 45, 46
LONGEST_SLICE = KIND_OFFSET + 1
MOST_DECIMALS = 30  # none that is traded has nearly as many


@define(kw_only=True)
class MintAccounts:
    """The `MintProvider` of any Solana RPC server."""

    rpc: JsonRpc
    refusal: LastingRefusal = field(
        factory=lambda: LastingRefusal(url_setting="ingest.chain_rpc_url")
    )
    name: str = field(default="rpc mints", init=False)
    mints_per_request: int = field(default=100, init=False)  # the most that the method takes
    unusable: Counter[str] = field(factory=Counter, init=False)  # accounts, by reason

    async def fetch_facts(self, mints: Sequence[Mint]) -> Mapping[Mint, MintFacts]:
        if not mints:
            return {}
        options = {
            "encoding": "base64",
            "commitment": "confirmed",
            "dataSlice": {"offset": 0, "length": LONGEST_SLICE},
        }
        result = await self.rpc.call_method("getMultipleAccounts", [list(mints), options])
        found, refused = parse_mint_accounts(result, mints)
        self.unusable.update(refused)
        return found


def parse_mint_accounts(
    result: object, mints: Sequence[Mint]
) -> tuple[dict[Mint, MintFacts], Counter[str]]:
    """The facts of each account that is a mint, and the others, by reason.

    The answer has the order of the question, and null for an account that there is not.
    """
    accounts = read_object(result).get("value")
    if not isinstance(accounts, list) or len(accounts) != len(mints):
        raise SourceUnavailable(f"getMultipleAccounts: not {len(mints)} accounts")
    found: dict[Mint, MintFacts] = {}
    refused: Counter[str] = Counter()
    for mint, account in zip(mints, accounts, strict=True):
        if account is None:
            continue
        values = _read_account(read_object(account))
        if isinstance(values, str):
            refused[values] += 1
        else:
            found[mint] = MintFacts(mint=mint, values=values)
    return found, refused


def _read_account(account: Mapping[str, object]) -> dict[str, Value] | str:
    """The values of a mint, or the reason why the account is none."""
    if account.get("owner") not in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM):
        return "other_program"
    encoded = read_array(account.get("data"))[:1]
    try:
        data = b64decode(str(encoded[0]), validate=True) if encoded else b""
    except ValueError:  # also for what is not ASCII
        return "not_base64"
    is_extended = len(data) > KIND_OFFSET and data[KIND_OFFSET] == KIND_MINT
    if len(data) != MINT_BYTES and not is_extended:
        return "not_a_mint"
    if data[IS_INITIALISED] != 1:
        return "not_initialised"
    return _read_mint(data)


def _read_mint(data: bytes) -> dict[str, Value] | str:
    mint_authority, freeze_authority = (
        data[offset : offset + OPTION_BYTES] for offset in (0, FREEZE_AUTHORITY)
    )
    if not {mint_authority, freeze_authority} <= {NONE, SOME}:
        return "not_a_mint"
    decimals = data[DECIMALS]
    values: dict[str, Value] = {
        "mint_renounced": mint_authority == NONE,
        "freeze_revoked": freeze_authority == NONE,
    }
    if decimals <= MOST_DECIMALS:
        values["decimals"] = decimals
        tokens = int.from_bytes(data[SUPPLY], "little") // 10**decimals  # whole ones, as Jupiter
        if 0 < tokens <= GREATEST_TOKENS:
            values["total_supply"] = str(tokens)
    return values
