"""The spool and the quarantine of every buffer: the twin's, and the real one's."""

import pytest
from attrs import evolve

from buffer import UpdateBuffer
from domain.errors import BufferUnavailable
from domain.quarantine import QuarantineEntry
from domain.token import Status, Token
from domain.values import Mint, UnixSeconds, Value
from tests.contract.buffer_rigs import MINT, OTHER_MINT, THIRD_MINT, Rig, bounds

# The spool.


def token(mint: Mint, name: str = "Name") -> Token:
    return Token(mint=mint, first_seen_at=UnixSeconds(1_760_000_000.123), name=name)


async def test_spooled_tokens_come_back_exactly_and_in_order(buffer: UpdateBuffer) -> None:
    full = Token(
        mint=THIRD_MINT,
        first_seen_at=UnixSeconds(1.5),
        name=' 币\n"',
        symbol="",
        total_supply="1000000000000000",
        decimals=0,
        freeze_revoked=False,
        status=Status.BONDED,
        previous_status=Status.NEW,
        silent=True,
        watcher_count=3,
    )
    tokens = [full, token(MINT), token(OTHER_MINT)]
    await buffer.spool_tokens(tokens[:1])
    await buffer.spool_tokens(tokens[1:])
    spooled = await buffer.read_spooled(10)
    assert tokens == spooled
    assert isinstance(spooled[0].status, Status)
    assert isinstance(spooled[0].previous_status, Status)
    assert tokens[:2] == await buffer.read_spooled(2)


async def test_a_mint_is_spooled_once_the_first(buffer: UpdateBuffer) -> None:
    await buffer.spool_tokens([token(MINT, "first"), token(MINT, "second")])
    await buffer.spool_tokens([token(OTHER_MINT), token(MINT, "third")])
    assert [token(MINT, "first"), token(OTHER_MINT)] == await buffer.read_spooled(10)


async def test_unspooled_tokens_are_gone_and_the_order_stays(buffer: UpdateBuffer) -> None:
    await buffer.spool_tokens([token(MINT), token(OTHER_MINT), token(THIRD_MINT)])
    await buffer.remove_spooled([OTHER_MINT, Mint("unknown")])
    await buffer.remove_spooled([])
    await buffer.spool_tokens([token(OTHER_MINT)])
    assert [one.mint for one in await buffer.read_spooled(10)] == [MINT, THIRD_MINT, OTHER_MINT]


async def test_past_its_bound_the_spool_refuses_the_whole_call(rig: Rig) -> None:
    buffer = rig.bounded(bounds(spooled_tokens=2))
    await buffer.spool_tokens([token(MINT)])
    with pytest.raises(BufferUnavailable, match="FULL 1 new tokens wait to be stored"):
        await buffer.spool_tokens([token(OTHER_MINT), token(THIRD_MINT)])
    assert [token(MINT)] == await buffer.read_spooled(10)
    await buffer.spool_tokens([token(MINT), token(OTHER_MINT)])
    assert [token(MINT), token(OTHER_MINT)] == await buffer.read_spooled(10)


# The quarantine.


def entry(number: int, reason: str = "a reason", **values: Value) -> QuarantineEntry:
    return QuarantineEntry(
        id=f"{number:010x}",
        kind="update",
        place="sync",
        mint=MINT,
        reason=reason,
        refused_at=UnixSeconds(1.25),
        tries=number,
        content={"TokenUpdated": {"mint": MINT, "values": values}},
    )


async def test_quarantined_entries_come_back_exactly_and_in_order(buffer: UpdateBuffer) -> None:
    message = evolve(entry(3), kind="message", mint=None, content=None, is_replayable=False)
    entries = [
        entry(1, "value out of range", price_usd=1e300, holder_count=2**60, silent=False),
        entry(2, 'reason "with" \n 币', name=""),
        message,
    ]
    await buffer.quarantine_entries(entries)
    assert entries == await buffer.read_quarantined()


async def test_the_latest_entry_of_an_id_is_kept_and_stands_last(buffer: UpdateBuffer) -> None:
    await buffer.quarantine_entries([entry(1, "first"), entry(2)])
    await buffer.quarantine_entries([entry(1, "second")])
    assert [entry(2), entry(1, "second")] == await buffer.read_quarantined()


async def test_past_its_bound_the_quarantine_forgets_the_oldest(rig: Rig) -> None:
    buffer = rig.bounded(bounds(quarantined_entries=2))
    await buffer.quarantine_entries([entry(1), entry(2)])
    await buffer.quarantine_entries([entry(3)])
    assert [entry(2), entry(3)] == await buffer.read_quarantined()


async def test_released_entries_are_gone(buffer: UpdateBuffer) -> None:
    await buffer.quarantine_entries([entry(1), entry(2)])
    await buffer.release_quarantined([entry(1).id, "unknown"])
    assert [entry(2)] == await buffer.read_quarantined()
