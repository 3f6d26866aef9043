"""Gaps: births and migrations that the stream has missed, fetched from an RPC server.

    slot before the gap -> getSignaturesForAddress (newest first, until that slot)
                        -> getTransaction, oldest first -> Transaction

Every birth on pump.fun has the program's mint authority among its accounts, and every migration
its migration account; so two short lists tell of all, while the program's own list has hundreds of
transactions a second. Trades of a gap stay unknown. The lists are bounded; what is older than they
reach is counted as left out.
"""

from collections.abc import AsyncIterator, Callable

from attrs import define, field

from domain.errors import SourceUnavailable
from domain.values import UnixSeconds
from sources.fields import read_array, read_number, read_object
from sources.pump_chain.reading import Transaction
from sources.rpc import JsonRpc

# The address that pump derives from the seed "mint-authority" (checked), which signs each birth,
# and the account that carries out each migration.
PUMP_MINT_AUTHORITY = "TSLvdd1pWpHVjahSpsvCXUbgwsL3JAcvokwaKt1eokM"
PUMP_MIGRATION_ACCOUNT = "39azUYFWPz3VHgKCf3VChUwbpURdCHRxjWVowf5jUJjg"
ACCOUNTS = (PUMP_MIGRATION_ACCOUNT, PUMP_MINT_AUTHORITY)
SIGNATURES_PER_PAGE = 1000  # what the method gives at most
MOST_PAGES = 5  # an account and gap
TRANSACTION_OPTIONS = {
    "encoding": "json",
    "commitment": "confirmed",
    "maxSupportedTransactionVersion": 0,
}


@define(kw_only=True)
class Gap:
    """What happened after a slot is unknown."""

    after_slot: int
    left_out: int = field(default=0, init=False)  # pages that the bound has cut off
    fetched: int = field(default=0, init=False)  # transactions


async def fetch_missed(
    rpc: JsonRpc,
    gap: Gap,
    *,
    is_known: Callable[[str], bool],
    clock: Callable[[], UnixSeconds],
) -> AsyncIterator[Transaction]:
    """The births and migrations since the gap began, each account's oldest first.

    `SourceUnavailable` when the server does not answer; asked again, known ones are left out.
    """
    for account in ACCOUNTS:
        for signature in reversed(await _list_signatures(rpc, account, gap)):
            if is_known(signature):
                continue
            transaction = await _fetch_transaction(rpc, signature, clock)
            if transaction is not None:
                gap.fetched += 1
                yield transaction


async def _list_signatures(rpc: JsonRpc, account: str, gap: Gap) -> list[str]:
    """Signatures of successful transactions after the gap's slot, newest first."""
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
            if slot <= gap.after_slot:
                return found
            before = signature
            if entry.get("err") is None:
                found.append(signature)
        if len(page) < SIGNATURES_PER_PAGE:
            return found
    gap.left_out += 1
    return found


async def _fetch_transaction(
    rpc: JsonRpc, signature: str, clock: Callable[[], UnixSeconds]
) -> Transaction | None:
    """The transaction; None while the server does not know it, or if it failed."""
    result = await rpc.call_method("getTransaction", [signature, TRANSACTION_OPTIONS])
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
