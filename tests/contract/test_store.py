"""The contract of `TokenStore`, held by the twin and by every PostgreSQL that is here.

New tokens and reading; changes and refusals stand in test_store_changes.py.
"""

import random
from typing import Any

import attrs
import pytest
import trio

from domain.lifecycle import RETAIN_BONDED_SECONDS, RETAIN_NEW_SECONDS
from domain.outline import outline_token
from domain.token import FIELDS, Status, Token
from domain.values import Mint, UnixSeconds, Value
from store import StoredChange, TokenStore
from tests.contract.store_world import (
    DAY_SECONDS,
    NOW,
    ODD_VALUES,
    StoreWorld,
    a_change,
    a_token,
    found,
    full_token,
    insert,
    known_fields,
    memory_world,
    mint_of,
    with_statuses,
    write,
)

# -- New tokens ----------------------------------------------------------------------------


async def test_inserted_tokens_come_back_in_order_with_an_id_of_their_own(
    world: StoreWorld,
) -> None:
    tokens = [a_token(number) for number in (3, 1, 2)]
    _, stored = await world.stored(*tokens)
    assert [token.mint for token in tokens] == [token.mint for token in stored]
    assert len({token.id for token in stored} - {None}) == 3


async def test_inserting_again_returns_what_is_stored(world: StoreWorld) -> None:
    tokens = [a_token(number) for number in range(5)]
    store, first = await world.stored(*tokens)
    assert first == await insert(store, tokens)


async def test_a_batch_of_old_and_new_tokens_stores_the_new_ones(world: StoreWorld) -> None:
    store, (first,) = await world.stored(a_token(1))
    stored = await insert(store, [a_token(2), a_token(1), a_token(3)])
    assert [mint_of(2), mint_of(1), mint_of(3)] == [token.mint for token in stored]
    assert first == stored[1]


async def test_a_mint_twice_in_a_batch_is_stored_once_as_first_seen(world: StoreWorld) -> None:
    _, (first, second) = await world.stored(a_token(1, name="first"), a_token(1, name="second"))
    assert first == second
    assert first.name == "first"


@pytest.mark.parametrize("days_later", [-2, -1, 1, 5, 30])
async def test_a_mint_of_another_day_keeps_its_identity(world: StoreWorld, days_later: int) -> None:
    store, (first,) = await world.stored(a_token(1, name="first"))
    seen_at = first.first_seen_at + days_later * DAY_SECONDS
    again = await insert(store, [a_token(1, first_seen_at=seen_at, name="second"), a_token(2)])
    assert first == again[0]
    assert first == await found(store, first.mint)


async def test_one_batch_may_span_days(world: StoreWorld) -> None:
    tokens = [a_token(day, first_seen_at=NOW + day * DAY_SECONDS) for day in (-40, 0, 1, 2)]
    store, stored = await world.stored(*tokens)
    assert {token.mint: token for token in stored} == await store.find_tokens(
        [t.mint for t in tokens]
    )


async def test_every_field_of_a_new_token_is_kept_exactly(world: StoreWorld) -> None:
    token = full_token(1)
    assert set(FIELDS) - {"id"} == known_fields(token).keys()  # nothing was forgotten here
    store, (stored,) = await world.stored(token)
    assert attrs.evolve(token, id=stored.id) == stored
    assert stored == await found(store, token.mint)


async def test_nothing_unknown_becomes_known_by_storing(world: StoreWorld) -> None:
    bare = Token(mint=mint_of(1), first_seen_at=NOW)
    store, (stored,) = await world.stored(bare)
    assert attrs.evolve(bare, id=stored.id, last_updated_at=NOW) == stored
    assert stored == await found(store, bare.mint)


async def test_two_stores_that_insert_the_same_tokens_agree(world: StoreWorld) -> None:
    tokens = [a_token(number) for number in range(40)]
    orders = [tokens, tokens[::-1], tokens[20:] + tokens[:20]]
    stores = [await world.store("ingest") for _ in orders]
    results: list[dict[Mint, int | None]] = []

    async def insert_in_parts(store: TokenStore, batch: list[Token]) -> None:
        for start in range(0, len(batch), 10):
            results.append({t.mint: t.id for t in await insert(store, batch[start : start + 10])})

    async with trio.open_nursery() as nursery:
        for store, order in zip(stores, orders, strict=True):
            nursery.start_soon(insert_in_parts, store, order)
    ids: dict[Mint, set[int | None]] = {}
    for result in results:
        for mint, token_id in result.items():
            ids.setdefault(mint, set()).add(token_id)
    assert dict.fromkeys(ids, 1) == {mint: len(found) for mint, found in ids.items()}
    assert len(set.union(*ids.values()) - {None}) == 40


# -- Reading -------------------------------------------------------------------------------


async def test_unknown_mints_are_left_out(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    assert {token.mint: token} == await store.find_tokens([mint_of(8), token.mint, mint_of(9)])


async def test_the_newest_retained_tokens_are_loaded(world: StoreWorld) -> None:
    def seen(number: int, age_seconds: float, **more: object) -> Token:
        return a_token(number, first_seen_at=NOW - age_seconds, **more)

    bonded = {"status": Status.BONDED}
    changed_at = {"status_changed_at": NOW - RETAIN_BONDED_SECONDS + 1}
    tokens = [
        seen(1, 0),
        seen(2, RETAIN_NEW_SECONDS - 1),
        seen(3, RETAIN_NEW_SECONDS),
        seen(4, RETAIN_NEW_SECONDS + 1, **bonded),
        seen(5, RETAIN_BONDED_SECONDS, **bonded),
        seen(6, 10 * DAY_SECONDS, **bonded, **changed_at),
        seen(7, 10 * DAY_SECONDS, **bonded, status_changed_at=NOW - RETAIN_BONDED_SECONDS),
        seen(8, 10 * DAY_SECONDS, status=Status.GRADUATING, **changed_at),
        seen(9, 5),
    ]
    store, stored = await world.stored(*tokens)
    expected = [stored[number - 1] for number in (1, 9, 2, 4, 6)]
    assert expected == list(await store.load_tokens(NOW, 100))
    assert expected[:2] == list(await store.load_tokens(NOW, 2))
    assert list(map(outline_token, expected)) == list(await store.outline_tokens(NOW, 100))
    assert list(map(outline_token, expected[:2])) == list(await store.outline_tokens(NOW, 2))


async def test_loaded_tokens_carry_their_changes(world: StoreWorld) -> None:
    store, (token, _) = await world.stored(a_token(2), a_token(1))
    await write(store, [a_change(token, 1, **ODD_VALUES)])
    changed = await found(store, token.mint)
    assert changed == (await store.load_tokens(NOW, 10))[0]
    assert outline_token(changed) == (await store.outline_tokens(NOW, 10))[0]


async def test_a_store_reads_what_another_wrote(world: StoreWorld) -> None:
    ingest, sync = await world.store("ingest"), await world.store("sync")
    (token,) = await insert(ingest, [a_token(1)])
    await write(sync, [a_change(token, 1, price_usd=1.5)])
    assert (await found(ingest, token.mint)).price_usd == 1.5


async def test_opening_and_closing_again_is_harmless(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    await store.open()
    await store.close()
    await store.close()
    await store.open()
    assert token == await found(store, token.mint)


# -- Everything together -------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
async def test_a_random_history_ends_as_in_the_twin(world: StoreWorld, seed: int) -> None:
    """The same inserts, repeats, stale and refused writes; every answer is compared."""
    dice = random.Random(seed)
    stores = (await world.store(), await memory_world().store())
    for version in range(1, 60):
        tokens = [random_token(dice) for _ in range(dice.randrange(4))]
        first, second = [await insert_or_refusal(store, tokens) for store in stores]
        assert without_ids(second) == without_ids(first)
        known = [await store.find_tokens([mint_of(n) for n in range(12)]) for store in stores]
        assert [without_ids([t])[0] for t in known[1].values()] == sorted_without_ids(known)
        numbers = dice.sample(range(12), 5)
        values = {mint_of(number): random_values(dice) for number in numbers}
        stale = dice.randrange(3)
        receipts = []
        for store, tokens_by_mint in zip(stores, known, strict=True):
            changes = [
                a_change(tokens_by_mint[mint], max(version - stale, 1), **values[mint])
                for mint in values
                if mint in tokens_by_mint
            ]
            receipts.append(await write_or_refusal(store, changes))
        assert receipts[0] == receipts[1]
    moment = UnixSeconds(NOW + 2 * DAY_SECONDS)
    loaded = [without_ids(await store.load_tokens(moment, 100)) for store in stores]
    assert loaded[0] == loaded[1]


def random_token(dice: random.Random) -> Token:
    seen_at = NOW + dice.randrange(-2, 3) * DAY_SECONDS + dice.random()
    more = random_values(dice) if dice.random() < 0.3 else {}
    return a_token(dice.randrange(12), first_seen_at=seen_at, **with_statuses_if_any(more))


def with_statuses_if_any(values: dict[str, Value]) -> dict[str, Any]:
    return {**values, **with_statuses({n: v for n, v in values.items() if "status" in n})}


def random_values(dice: random.Random) -> dict[str, Value]:
    choices: dict[str, list[Value]] = {
        "status": [0, 1, 2],
        "price_usd": [0.0, 0.5],
        "bonding_curve_progress": [0.0, 12.5],
        "holder_count": [0, 7] if dice.random() < 0.95 else [2**40],
        "silent": [True, False],
        "pool_type": ["pumpfun", "raydium"],
        "twitter": ["", "t"],
    }
    names = dice.sample(sorted(choices), dice.randrange(4))
    return {name: dice.choice(choices[name]) for name in names}


async def insert_or_refusal(store: TokenStore, tokens: list[Token]) -> list[Token]:
    stored, _ = await store.insert_tokens(tokens)
    return list(stored)


async def write_or_refusal(
    store: TokenStore, changes: list[StoredChange]
) -> tuple[list[tuple[int, int]], list[str]]:
    receipts, refused = await store.write_changes(changes)
    return [(each.rows, each.statements) for each in receipts], [reason for _, reason in refused]


def without_ids(tokens: Any) -> list[Token]:
    return [attrs.evolve(token, id=None) for token in tokens]


def sorted_without_ids(known: list[Any]) -> list[Token]:
    """The first store's tokens in the order of the second's."""
    return without_ids(known[0][mint] for mint in known[1])
