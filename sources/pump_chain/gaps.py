"""Gaps: births and migrations that the stream has missed, fetched from an RPC server.

    slot before the gap -> getSignaturesForAddress (newest first, until that slot)
                        -> getTransaction, oldest first -> Transaction

Every birth on pump.fun has the program's mint authority among its accounts, and every migration
its migration account; so two short lists tell of all, while the program's own list has hundreds of
transactions a second. Trades of a gap stay unknown. The lists are bounded; what is older than they
reach is counted as left out.

A server's index lags behind its socket by seconds. So a gap is looked at twice, and one of whose
transactions the server does not know yet, or that it does not answer for, is tried again later,
while other gaps are filled.
"""

from collections.abc import AsyncIterator, Callable

import trio
from attrs import define, field

from domain.backoff import Backoff
from domain.errors import SourceUnavailable
from domain.values import UnixSeconds
from sources.fields import read_array, read_number, read_object
from sources.pump_chain.reading import Transaction
from sources.pump_chain.watched_rpc import RpcCalls

# The address that pump derives from the seed "mint-authority" (checked), which signs each birth,
# and the account that carries out each migration.
PUMP_MINT_AUTHORITY = "TSLvdd1pWpHVjahSpsvCXUbgwsL3JAcvokwaKt1eokM"
PUMP_MIGRATION_ACCOUNT = "39azUYFWPz3VHgKCf3VChUwbpURdCHRxjWVowf5jUJjg"
ACCOUNTS = (PUMP_MIGRATION_ACCOUNT, PUMP_MINT_AUTHORITY)
SIGNATURES_PER_PAGE = 1000  # what the method gives at most
MOST_PAGES = 5  # an account and gap
LOOK_SECONDS = (2.0, 20.0)  # after a gap was found, and after the look before
MOST_GAPS = 4  # that wait
MOST_TRIES = 8  # that fail, of one gap: about two minutes
TRANSACTION_OPTIONS = {
    "encoding": "json",
    "commitment": "confirmed",
    "maxSupportedTransactionVersion": 0,
}


@define(kw_only=True, eq=False)
class Gap:
    """What happened in a slot and after it may be unknown."""

    from_slot: int
    due_at: float  # trio time of the next look
    looks: int = field(default=0, init=False)  # that found all there was
    backoff: Backoff  # counts the tries that failed
    left_out: int = field(default=0, init=False)  # pages that the bound has cut off
    fetched: int = field(default=0, init=False)  # transactions
    unknown: int = field(default=0, init=False)  # that the server did not know at the last look


@define(kw_only=True)
class GapList:
    """The gaps to be filled; it outlives a restart of the stream.

    A look fetches everything since its gap began; so beyond the bound gaps are joined, and nothing
    is forgotten.
    """

    gaps: list[Gap] = field(factory=list, init=False)
    current: Gap | None = field(default=None, init=False)  # that is being filled
    added: trio.Event = field(factory=trio.Event, init=False)

    def note_gap(self, from_slot: int, backoff: Backoff) -> None:
        """Something may be missing from this slot on."""
        self._put(
            Gap(
                from_slot=from_slot,
                due_at=trio.current_time() + LOOK_SECONDS[0],
                backoff=backoff,
            )
        )
        self.added.set()

    async def wait_for_gap(self) -> Gap:
        """The gap whose look is due; one that an earlier life had begun comes first."""
        while True:
            if self.current is not None:
                return self.current
            self.added = trio.Event()
            next_gap = min(self.gaps, key=lambda gap: gap.due_at, default=None)
            if next_gap is None:
                await self.added.wait()
            elif next_gap.due_at > trio.current_time():
                with trio.move_on_at(next_gap.due_at):
                    await self.added.wait()
            else:
                self.gaps.remove(next_gap)
                self.current = next_gap

    def note_look(self, gap: Gap) -> bool:
        """The current gap was looked at without a problem; False where that was the last look."""
        self.current = None
        gap.looks += 1
        if gap.looks == len(LOOK_SECONDS):
            return False
        gap.backoff.reset()
        gap.due_at = trio.current_time() + LOOK_SECONDS[gap.looks]
        self._put(gap)
        return True

    def note_failure(self, gap: Gap) -> bool:
        """The current gap could not be filled; False where it is given up."""
        self.current = None
        wait_seconds = gap.backoff.next_wait_seconds()
        if gap.backoff.attempts >= MOST_TRIES:
            return False
        gap.due_at = trio.current_time() + wait_seconds
        self._put(gap)
        return True

    def _put(self, gap: Gap) -> None:
        """Let a gap wait; beyond the bound it becomes one with the gap that was put last."""
        if len(self.gaps) < MOST_GAPS:
            self.gaps.append(gap)
            return
        last = self.gaps[-1]
        last.from_slot = min(last.from_slot, gap.from_slot)
        last.looks = min(last.looks, gap.looks)
        last.fetched += gap.fetched
        last.left_out += gap.left_out


async def fetch_missed(
    rpc: RpcCalls,
    gap: Gap,
    *,
    is_known: Callable[[str], bool],
    clock: Callable[[], UnixSeconds],
) -> AsyncIterator[Transaction]:
    """The births and migrations since the gap began, each account's oldest first.

    `SourceUnavailable` when the server does not answer; asked again, known ones are left out.
    Transactions that the server lists and does not know yet are counted in `gap.unknown`.
    """
    gap.unknown = 0
    for account in ACCOUNTS:
        for signature in reversed(await _list_signatures(rpc, account, gap)):
            if is_known(signature):
                continue
            result = await rpc.call_method("getTransaction", [signature, TRANSACTION_OPTIONS])
            if result is None:
                gap.unknown += 1
            elif (transaction := _read_transaction(signature, result, clock)) is not None:
                gap.fetched += 1
                yield transaction


async def _list_signatures(rpc: RpcCalls, account: str, gap: Gap) -> list[str]:
    """Signatures of successful transactions since the gap began, newest first."""
    found: list[str] = []
    before: str | None = None
    for _ in range(MOST_PAGES):
        options: dict[str, object] = {"limit": SIGNATURES_PER_PAGE, "commitment": "confirmed"}
        if before is not None:
            options["before"] = before
        page = read_array(await rpc.call_method("getSignaturesForAddress", [account, options]))
        for entry in map(read_object, page):
            slot, signature = read_number(entry.get("slot")), entry.get("signature")
            if slot is None or not isinstance(signature, str):
                raise SourceUnavailable("getSignaturesForAddress: an entry without slot")
            if slot < gap.from_slot:
                return found
            before = signature
            if entry.get("err") is None:
                found.append(signature)
        if len(page) < SIGNATURES_PER_PAGE:
            return found
    gap.left_out += 1
    return found


def _read_transaction(
    signature: str, result: object, clock: Callable[[], UnixSeconds]
) -> Transaction | None:
    """The transaction; None if it has failed."""
    facts = read_object(result)
    meta = read_object(facts.get("meta"))
    if not meta or meta.get("err") is not None:
        return None
    slot = read_number(facts.get("slot"))
    return Transaction(
        signature=signature,
        slot=None if slot is None else int(slot),
        seen_at=clock(),
        logs=meta.get("logMessages"),
    )
