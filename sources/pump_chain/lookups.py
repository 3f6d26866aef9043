"""What logs do not tell of a pool: its token, asked of an RPC server beside the stream.

    unknown pool + the transactions that wait for it -> getMultipleAccounts -> PoolTable
                                                     -> the transactions, to be read again

What a transaction says of known pools is told at once; for the rest it waits until its pools are
known, or turn out to be none of ours, and is read again: what was told is not told twice. While the
server does not answer, all wait. A pool that the server does not know yet is asked for again, less
and less often, for a minute; the others go on meanwhile. Beyond the bounds a transaction does not
wait, and what is not known of it is left out; that is counted. Accounts are asked for a hundred a
call, in the order in which they came.

Layouts (after 8 bytes of discriminator): PumpSwap's Pool has bump u8, index u16, creator, base
mint, quote mint (its published IDL). LaunchLab's PoolState has epoch u64, bump u8, status u8, base
decimals u8, quote decimals u8, migrate type u8, ten u64, five u64 of vesting, two configurations,
base mint, quote mint (Raydium's SDK, `LaunchpadPool`). A mint account's decimals stand at byte 44
(SPL Token, `Mint`).
"""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from math import inf

import trio
from attrs import define, field, frozen

from domain.chunks import chunks
from domain.errors import SourceUnavailable
from domain.messages import SourceEvent
from domain.values import QUOTE_MINTS, Mint
from sources.fields import read_array, read_object
from sources.pump_chain.events import PUBKEY_BYTES, encode_key
from sources.pump_chain.pools import PoolFacts, PoolTable, choose_sides
from sources.pump_chain.programs import LAUNCHLAB, PUMPSWAP
from sources.pump_chain.reading import Transaction
from sources.pump_chain.watched_rpc import RpcCalls

ACCOUNTS_PER_CALL = 100  # what getMultipleAccounts takes
WAITING_TRANSACTIONS = 5_000
WAITING_CHARACTERS = 32 * 2**20  # of their logs
# An account may not be there yet when the log has come: until a pool is asked for again.
WAITS_OF_A_POOL_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
PUMPSWAP_MINTS_AT = 8 + 1 + 2 + PUBKEY_BYTES
LAUNCHLAB_DECIMALS_AT = 8 + 8 + 1 + 1
LAUNCHLAB_MINTS_AT = 8 + 8 + 5 + 10 * 8 + 5 * 8 + 2 * PUBKEY_BYTES
MINT_DECIMALS_AT = 44


@frozen
class HeldTransaction:
    """A transaction that waits for a pool, and what has become of it so far."""

    transaction: Transaction
    told: tuple[SourceEvent, ...] = ()
    given_up: frozenset[str] = frozenset()  # pools that the server never knew

    def count_characters(self) -> int:
        """How long its log is."""
        return sum(len(str(line)) for line in read_array(self.transaction.logs))


@define(kw_only=True)
class PoolLookups:
    """The pools to be asked for, and the transactions that wait for each."""

    waiting: dict[str, list[HeldTransaction]] = field(factory=dict, init=False)  # oldest first
    tries: dict[str, int] = field(factory=dict, init=False)
    due_at: dict[str, float] = field(factory=dict, init=False)  # trio time; absent: at once
    transactions: int = field(default=0, init=False)
    characters: int = field(default=0, init=False)  # of their logs
    added: trio.Event = field(factory=trio.Event, init=False)

    def hold_transaction(self, held: HeldTransaction, pool: str) -> bool:
        """Let a transaction wait for a pool; False where as many wait as may."""
        characters = held.count_characters()
        is_full = self.transactions >= WAITING_TRANSACTIONS
        if is_full or self.characters + characters > WAITING_CHARACTERS:
            return False
        self.waiting.setdefault(pool, []).append(held)
        self.transactions += 1
        self.characters += characters
        self.added.set()
        return True

    async def wait_for_pools(self) -> list[str]:
        """The pools of the next call, once some are due."""
        while True:
            self.added = trio.Event()
            now = trio.current_time()
            due = [pool for pool in self.waiting if self.due_at.get(pool, now) <= now]
            if due:
                return due[:ACCOUNTS_PER_CALL]
            with trio.move_on_at(min(self.due_at.values(), default=inf)):
                await self.added.wait()

    def release(self, pool: str) -> list[HeldTransaction]:
        """The transactions that waited for a pool, which wait no longer."""
        self.tries.pop(pool, None)
        self.due_at.pop(pool, None)
        released = self.waiting.pop(pool, [])
        self.transactions -= len(released)
        self.characters -= sum(held.count_characters() for held in released)
        return released

    def note_absent(self, pool: str) -> bool:
        """The server does not know the pool; True when it has been asked often enough."""
        tries = self.tries[pool] = self.tries.get(pool, 0) + 1
        if tries > len(WAITS_OF_A_POOL_SECONDS):
            return True
        self.due_at[pool] = trio.current_time() + WAITS_OF_A_POOL_SECONDS[tries - 1]
        return False


async def fetch_pools(rpc: RpcCalls, addresses: Sequence[str]) -> Mapping[str, PoolFacts | None]:
    """What each pool trades; None: nothing of ours. One that is not there is left out."""
    accounts = await _fetch_accounts(rpc, addresses)
    sides = {
        address: _read_pool(read_object(account).get("owner"), data)
        for address, (account, data) in accounts.items()
    }
    wanted = {s[0] for s in sides.values() if s is not None and s[3] is None}
    decimals = await _fetch_decimals(rpc, sorted(wanted))
    found: dict[str, PoolFacts | None] = {}
    for address, side in sides.items():
        if side is None:
            found[address] = None
            continue
        mint, quote, is_base_quote, told = side
        known = decimals.get(mint) if told is None else told
        if known is not None:
            found[address] = PoolFacts(
                mint=mint, quote_mint=quote, decimals=known, is_base_quote=is_base_quote
            )
    return found


async def _fetch_decimals(rpc: RpcCalls, mints: Sequence[str]) -> dict[str, int]:
    accounts = await _fetch_accounts(rpc, mints) if mints else {}
    return {
        mint: data[MINT_DECIMALS_AT]
        for mint, (_, data) in accounts.items()
        if len(data) > MINT_DECIMALS_AT
    }


async def _fetch_accounts(
    rpc: RpcCalls, addresses: Sequence[str]
) -> dict[str, tuple[object, bytes]]:
    """Each account that is there, with its data."""
    found: dict[str, tuple[object, bytes]] = {}
    for part in chunks(addresses, ACCOUNTS_PER_CALL):
        options = {"encoding": "base64", "commitment": "confirmed"}
        result = await rpc.call_method("getMultipleAccounts", [list(part), options])
        accounts = read_array(read_object(result).get("value"))
        if len(accounts) != len(part):
            raise SourceUnavailable(
                f"getMultipleAccounts: {len(accounts)} accounts for {len(part)} addresses"
            )
        for address, account in zip(part, accounts, strict=True):
            data = _read_data(account)
            if data is not None:
                found[address] = account, data
    return found


def _read_data(account: object) -> bytes | None:
    encoded = read_array(read_object(account).get("data"))[:1]
    try:
        return b64decode(str(encoded[0]), validate=True) if encoded else None
    except ValueError:
        return None


def _read_pool(owner: object, data: bytes) -> tuple[Mint, Mint, bool, int | None] | None:
    """(token, quote, whether the base is the quote, the token's decimals if told) of a pool."""
    offset = {PUMPSWAP: PUMPSWAP_MINTS_AT, LAUNCHLAB: LAUNCHLAB_MINTS_AT}.get(str(owner))
    if offset is None or len(data) < offset + 2 * PUBKEY_BYTES:
        return None
    base = encode_key(data[offset : offset + PUBKEY_BYTES])
    quote = encode_key(data[offset + PUBKEY_BYTES : offset + 2 * PUBKEY_BYTES])
    sides = choose_sides(base, quote)
    if owner != LAUNCHLAB:
        return None if sides is None else (*sides, None)
    if sides is None:  # paired with another coin: born all the same, at prices that we cannot tell
        sides = None if base in QUOTE_MINTS else (Mint(base), Mint(quote), False)
    return None if sides is None else (*sides, data[LAUNCHLAB_DECIMALS_AT + sides[2]])


def note_pools(table: PoolTable, found: Mapping[str, PoolFacts | None]) -> None:
    """Put what was found into the table."""
    for address, facts in found.items():
        if facts is None:
            table.note_stranger(address)
        else:
            table.put_pool(address, facts)
