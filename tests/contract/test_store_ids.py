"""The contract of `TokenStore`: an id is never enough to write a token's values by.

A server that has lost its last commits, as a replica that was promoted before it had them, may give
the ids of the tokens that are gone to others.
"""

from collections.abc import Mapping

import attrs
import pytest

from domain.token import Token
from domain.values import Mint, Value
from tests.contract.store_world import (
    StoreWorld,
    a_change,
    a_token,
    asked,
    found,
    insert,
    mint_of,
    url_of,
    write,
)

LATER: Mapping[str, Value] = {"price_usd": 2.5, "holder_count": 7, "twitter": "t"}
JOURNALED = "SELECT count(*) FROM token_journal_a WHERE %s = ANY (token_ids)"


def another(token: Token) -> Token:
    """Of a token that was never stored, as somebody knows it who was told so."""
    return attrs.evolve(token, mint=mint_of(99))


async def test_values_of_another_token_under_the_id_are_not_written(world: StoreWorld) -> None:
    store, (token, other) = await world.stored(a_token(1), a_token(2))
    await write(store, [a_change(token, 1, price_usd=1.0, website="w")])
    before = await found(store, token.mint)
    receipt = await write(
        store, [a_change(another(token), 2, **LATER), a_change(other, 2, price_usd=3.0)]
    )
    assert (frozenset({mint_of(99)}), 1) == (receipt.misplaced, receipt.rows)
    assert before == await found(store, token.mint)
    assert 3.0 == (await found(store, other.mint)).price_usd


@pytest.mark.parametrize("values", [{"price_usd": 1.0}, {"twitter": "t"}])
async def test_a_token_that_is_not_there_is_told_of_and_leaves_nothing(
    world: StoreWorld, values: dict[str, Value]
) -> None:
    """Else the token that is given the id next would be born with values of the lost one."""
    store, (token,) = await world.stored(a_token(1))
    assert token.id is not None
    lost = attrs.evolve(another(token), id=token.id + 1)
    receipt = await write(store, [a_change(lost, 5, **values)])
    assert (frozenset({lost.mint}), 0) == (receipt.misplaced, receipt.rows)
    (heir,) = await insert(store, [a_token(2)])
    assert lost.id == heir.id or world.url is not None  # a sequence leaves what it likes
    assert (None, None) == (heir.price_usd, heir.twitter)
    assert heir == await found(store, heir.mint)
    if world.url is not None:
        assert [(0,)] == await asked(url_of(world), JOURNALED, lost.id)


async def test_a_token_that_has_its_id_is_never_misplaced(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    for version in (1, 1, 2):  # new, a repetition, equal values
        receipt = await write(store, [a_change(token, version, **LATER)])
        assert frozenset() == receipt.misplaced


@pytest.mark.parametrize("mint", ['"', "{,}", "\\", "牛", "null", " "])
async def test_any_mint_is_told_from_any_other(world: StoreWorld, mint: str) -> None:
    named = attrs.evolve(a_token(1), mint=Mint(mint))
    store, (token,) = await world.stored(named)
    receipt = await write(store, [a_change(token, 1, **LATER)])
    assert frozenset() == receipt.misplaced
    assert 2.5 == (await found(store, token.mint)).price_usd
    wrong = attrs.evolve(token, mint=Mint(mint + mint))
    assert {wrong.mint} == (await write(store, [a_change(wrong, 2, **LATER)])).misplaced


async def test_what_is_stored_under_the_id_of_another_token_is_not_its_own(
    world: StoreWorld,
) -> None:
    """At a start: values of the buffer that Postgres seems to have newer ones of are forgotten."""
    store, (token,) = await world.stored(a_token(1))
    await write(store, [a_change(token, 9, **LATER)])
    old, of_another = a_change(token, 8, **LATER), a_change(another(token), 8, **LATER)
    assert [of_another[1]] == list(await store.select_newer([of_another]))
    assert [] == list(await store.select_newer([old]))
