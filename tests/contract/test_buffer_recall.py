"""The contract of `UpdateBuffer`: what is remembered of what Postgres has taken."""

from collections.abc import Sequence

import attrs

from buffer import UpdateBuffer
from domain.merging import Observations
from domain.token import Token
from domain.values import NO_VERSION, Mint, UnixSeconds

AT = UnixSeconds(1.76e9)


def births(*mints: str) -> list[Token]:
    return [Token(mint=Mint(mint), first_seen_at=AT, symbol=mint.upper()) for mint in mints]


async def dirty(buffer: UpdateBuffer) -> dict[Mint, dict[str, object]]:
    changes = (await buffer.read_dirty(NO_VERSION, 100)).changes
    return {change.mint: dict(change.values) for change in changes}


async def flushed(buffer: UpdateBuffer, *mints: str) -> None:
    await buffer.append_observations({Mint(m): Observations({"price_usd": 1.5}, AT) for m in mints})
    await buffer.clear_flushed((await buffer.read_dirty(NO_VERSION, 100)).changes)
    assert {} == await dirty(buffer)


async def recalled(buffer: UpdateBuffer, epoch: str) -> tuple[Sequence[Token], bool]:
    await buffer.open()
    return tuple(await buffer.recall_stored(epoch))  # type: ignore[return-value]


async def test_births_are_remembered_one_a_mint_the_newest_last(buffer: UpdateBuffer) -> None:
    await buffer.note_store_epoch("e")
    await buffer.remember_births(births("a", "b"))
    await buffer.remember_births(births("a", "c"))
    assert (births("b", "a", "c"), False) == await recalled(buffer, "e")


async def test_in_the_noted_epoch_what_was_flushed_stays_so(buffer: UpdateBuffer) -> None:
    await flushed(buffer, "a")
    await buffer.note_store_epoch("e")
    assert ([], False) == await recalled(buffer, "e")
    assert {} == await dirty(buffer)


async def test_in_another_epoch_what_was_flushed_is_dirty_again(buffer: UpdateBuffer) -> None:
    await flushed(buffer, "a", "b")
    before = (await buffer.append_observations({})).newest
    await buffer.append_observations({Mint("b"): Observations({"holder_count": 3}, AT)})
    await buffer.note_store_epoch("e")
    assert ([], True) == await recalled(buffer, "f")
    changes = (await buffer.read_dirty(NO_VERSION, 100)).changes
    assert {"a": {"price_usd": 1.5}, "b": {"price_usd": 1.5, "holder_count": 3}} == {
        change.mint: change.values for change in changes
    }
    assert {"a": True, "b": False} == {each.mint: each.version <= before for each in changes}
    await buffer.clear_flushed(changes)
    assert {} == await dirty(buffer)
    assert ([], True) == await recalled(buffer, "f")  # until the epoch is noted
    assert {"a", "b"} == (await dirty(buffer)).keys()


async def test_without_a_noted_epoch_anything_may_be_lost(buffer: UpdateBuffer) -> None:
    await flushed(buffer, "a")
    assert ([], True) == await recalled(buffer, "e")
    assert {"a": {"price_usd": 1.5}} == await dirty(buffer)


async def test_recalled_values_lose_to_newer_ones_alone(buffer: UpdateBuffer) -> None:
    await flushed(buffer, "a")
    await recalled(buffer, "e")
    older = Observations({"price_usd": 9.0}, UnixSeconds(AT - 1))
    assert {} == (await buffer.append_observations({Mint("a"): older})).changed
    newer = Observations({"price_usd": 2.5}, UnixSeconds(AT + 1))
    await buffer.append_observations({Mint("a"): newer})
    assert {"a": {"price_usd": 2.5}} == await dirty(buffer)


async def test_a_birth_keeps_every_field(buffer: UpdateBuffer) -> None:
    (birth,) = births("a")
    full = attrs.evolve(birth, name="牛", decimals=0, freeze_revoked=False)
    await buffer.remember_births([full])
    assert [full] == list((await buffer.recall_stored("")).births)
