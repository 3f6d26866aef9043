"""The contract of `TokenStore`, continued: changes, and what is refused."""

from typing import Any

import attrs
import pytest

from domain.token import FIELDS, UPDATE_FIELDS, Status, Token, with_birth_source
from domain.values import QUOTE_MINTS, Mint, Value
from tests.contract.store_world import (
    NOW,
    ODD_VALUES,
    StoreWorld,
    a_change,
    a_token,
    after,
    found,
    full_token,
    insert,
    mint_of,
    with_statuses,
    write,
)

# -- Changes -------------------------------------------------------------------------------


async def test_every_field_of_a_change_is_kept_exactly(world: StoreWorld) -> None:
    assert set(UPDATE_FIELDS) == ODD_VALUES.keys()  # nothing was forgotten here
    store, (token,) = await world.stored(a_token(1))
    await write(store, [a_change(token, 1, **ODD_VALUES)])
    expected = attrs.evolve(token, last_updated_at=after(1), **with_statuses(ODD_VALUES))
    assert expected == await found(store, token.mint)


@pytest.mark.parametrize("name", UPDATE_FIELDS)
async def test_a_change_of_one_field_changes_no_other(world: StoreWorld, name: str) -> None:
    store, (token, other) = await world.stored(full_token(1), full_token(2))
    new_values: dict[type, Value] = {bool: False, str: "new", float: 12.5, int: 9}
    new = new_values[type(ODD_VALUES[name])]
    if name in ("status", "previous_status"):
        new = int(Status.BONDED)
    if FIELDS[name].is_time:
        new = after(7.0)
    await write(store, [a_change(token, 100, **{name: new})])
    expected = attrs.evolve(token, last_updated_at=after(100), **with_statuses({name: new}))
    assert expected == await found(store, token.mint)
    assert other == await found(store, other.mint)


async def test_zero_false_and_empty_text_are_values(world: StoreWorld) -> None:
    store, (token,) = await world.stored(full_token(1))
    empty: dict[str, Value] = {"price_usd": 0.0, "holder_count": 0, "silent": False, "twitter": ""}
    await write(store, [a_change(token, 1, **empty)])
    changed = await found(store, token.mint)
    assert empty == {name: getattr(changed, name) for name in empty}


@pytest.mark.parametrize("quote", [*sorted(QUOTE_MINTS), mint_of(7), None])
async def test_the_quote_of_a_birth_is_kept_exactly(world: StoreWorld, quote: Mint | None) -> None:
    store, (token,) = await world.stored(a_token(1, quote_mint=quote))
    assert quote == token.quote_mint == (await found(store, token.mint)).quote_mint


SHORTENED: list[dict[str, Any]] = [
    {"total_supply": "1000000000", "launchpad": "pumpfun", "pool_type": "pumpfun"},
    {"total_supply": "2000000000", "launchpad": "pumpfun", "pool_type": "pumpswap"},
    {"total_supply": "1000000000000000", "launchpad": "launchlab", "pool_type": None},
    {"total_supply": "999999999.5", "launchpad": None, "pool_type": "pumpfun"},
    {"total_supply": None, "launchpad": None, "pool_type": None},
    {"metadata_uri": "https://ipfs.io/ipfs/bafkreib3"},
    {"metadata_uri": "https://ipfs.io/ipfs/"},
    {"metadata_uri": "https://ipfs.io/ipf"},
    {"metadata_uri": "\x01bafkreib3"},
    {"metadata_uri": "\x02https://ipfs.io/ipfs/"},
    {"metadata_uri": ""},
    {"metadata_uri": None},
]


@pytest.mark.parametrize("born", SHORTENED)
async def test_what_a_birth_row_keeps_in_short_is_read_back_as_it_was(
    world: StoreWorld, born: dict[str, Any]
) -> None:
    store, (token,) = await world.stored(a_token(1, **born))
    read = await found(store, token.mint)
    assert born == {name: getattr(read, name) for name in born}


async def test_a_profile_that_is_completed_hides_what_the_birth_said(world: StoreWorld) -> None:
    """Zero, false and empty text are values here, too."""
    born: dict[str, Value] = {"decimals": 6, "freeze_revoked": True, "initial_buy_sol": 0.3}
    store, (token,) = await world.stored(a_token(1, launchpad="pumpfun", **born))
    later: dict[str, Value] = {
        "decimals": 0, "freeze_revoked": False, "initial_buy_sol": 0.0, "symbol": "",
        "mint_renounced": True, "total_supply": "2000000000",
    }  # fmt: skip
    await write(store, [a_change(token, 1, **later)])
    expected = attrs.evolve(token, last_updated_at=after(1), **with_statuses(later))
    assert expected == await found(store, token.mint)
    assert ("pumpfun", "Name 1") == (expected.launchpad, expected.name)


async def test_where_values_came_from_stands_in_no_table(world: StoreWorld) -> None:
    born = with_birth_source(a_token(1), "chain", NOW)
    store, (token,) = await world.stored(born)
    assert born.provenance == token.provenance  # as it was offered
    assert {} == (await found(store, token.mint)).provenance
    (again,) = await insert(store, [born])
    assert {} == again.provenance


async def test_an_older_version_never_replaces_a_newer_one(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    await write(store, [a_change(token, 7, price_usd=7.0, twitter="seven")])
    for version in (1, 6, 7):
        receipt = await write(store, [a_change(token, version, price_usd=1.0, twitter="old")])
        assert receipt.rows == 0
    changed = await found(store, token.mint)
    assert (changed.price_usd, changed.twitter, changed.last_updated_at) == (7.0, "seven", NOW + 7)


async def test_a_repeated_write_changes_nothing(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    change = a_change(token, 7, price_usd=7.0, website="w")
    assert (await write(store, [change])).rows == 2  # one in each table
    changed = await found(store, token.mint)
    assert (await write(store, [change])).rows == 0
    assert changed == await found(store, token.mint)


async def test_equal_values_are_not_written(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    await write(store, [a_change(token, 1, price_usd=1.5, holder_count=3, twitter="t")])
    before = await found(store, token.mint)
    receipt = await write(store, [a_change(token, 2, price_usd=1.5, holder_count=3, twitter="t")])
    assert receipt.rows == 0
    assert before == await found(store, token.mint)


async def test_only_tokens_that_differ_are_written(world: StoreWorld) -> None:
    store, tokens = await world.stored(*(a_token(number) for number in range(10)))
    await write(store, [a_change(token, 1, hot_score=1.0) for token in tokens])
    mixed = [a_change(token, 2, hot_score=1.0 + index % 2) for index, token in enumerate(tokens)]
    assert (await write(store, mixed)).rows == 5


async def test_a_status_never_falls(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    for version, status in enumerate((0, 1, 2, 1, 0), start=1):
        await write(store, [a_change(token, version, status=status, price_usd=float(version))])
    changed = await found(store, token.mint)
    assert (changed.status, changed.price_usd) == (Status.BONDED, 5.0)


async def test_a_flush_of_1000_tokens_is_one_statement(world: StoreWorld) -> None:
    store, tokens = await world.stored(*(a_token(number) for number in range(1000)))
    receipt = await write(store, [a_change(token, 1, price_usd=1.5) for token in tokens])
    assert (receipt.statements, receipt.rows) == (1, 1000)
    both = [a_change(token, 2, price_usd=2.5, twitter="t") for token in tokens]
    assert (await write(store, both)).statements == 2


async def test_a_change_of_a_token_that_is_not_there_harms_no_other(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    stranger = attrs.evolve(token, id=999_999, mint=mint_of(9))
    await write(store, [a_change(stranger, 1, price_usd=9.0), a_change(token, 1, price_usd=1.0)])
    assert {token.mint} == (await store.find_tokens([token.mint, stranger.mint])).keys()
    assert (await found(store, token.mint)).price_usd == 1.0


async def test_two_changes_of_one_token_in_a_batch_are_an_error(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    with pytest.raises(ValueError, match="at most one change a token"):
        await write(store, [a_change(token, 1, price_usd=1.0), a_change(token, 2, price_usd=2.0)])


async def test_nothing_to_do_costs_nothing(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    assert list(await insert(store, [])) == []
    assert await store.find_tokens([]) == {}
    for changes in ([], [a_change(token, 1)]):
        assert (await write(store, changes)).statements == 0


async def test_whole_floats_are_integers_and_integers_are_numbers(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1, decimals=6.0))
    await write(store, [a_change(token, 1, holder_count=12.0, price_usd=3)])
    changed = await found(store, token.mint)
    assert (changed.decimals, changed.holder_count, changed.price_usd) == (6, 12, 3.0)


# -- Refusals ------------------------------------------------------------------------------

REFUSED_VALUES: list[Any] = [
    ("website", "before\x00after"),
    ("twitter", "\ud800"),
    ("image_url", 5),
    ("holder_count", 2**31),
    ("tx_count_24h", -(2**31) - 1),
    ("buys_24h", 2**80),
    ("sells_24h", 1.5),
    ("unique_traders_24h", "many"),
    ("price_usd", float("nan")),
    ("market_cap_usd", float("inf")),
    pytest.param("volume_24h", 10**400, id="volume_24h-googols"),
    ("liquidity_usd", "12.5"),
    ("hot_score", True),
    ("volume_24h_sol", 3.5e38),
    ("last_trade_at", 1e12),
    ("silent", 1),
    ("status", 3),
    ("status", -1),
    ("status", 1.5),
]


@pytest.mark.parametrize(("name", "value"), REFUSED_VALUES)
async def test_a_value_that_no_column_takes_is_refused_alone(
    world: StoreWorld, name: str, value: Value
) -> None:
    store, (token, other) = await world.stored(a_token(1), a_token(2))
    bad = a_change(token, 1, **{name: value})
    receipts, refused = await store.write_changes([a_change(other, 1, price_usd=2.0), bad])
    [(refused_change, reason)] = refused
    assert (bad, [1]) == (refused_change, [receipt.rows for receipt in receipts])
    assert name in reason
    found = await store.find_tokens([token.mint, other.mint])
    assert (token, 2.0) == (found[token.mint], found[other.mint].price_usd)


@pytest.mark.parametrize(
    "token",
    [
        a_token(1, name="\x00"),
        a_token(1, decimals=2**31),
        a_token(1, first_seen_at=-1.0),
        a_token(1, first_seen_at=1e12),
        a_token(1, first_seen_at=float("nan")),
        a_token(1, holder_count=2**31),
        attrs.evolve(a_token(1), mint=Mint("x" * 5000)),
    ],
    ids=["text", "integer", "before", "after", "nan", "later", "mint"],
)
async def test_a_token_that_no_row_takes_is_refused_alone(world: StoreWorld, token: Token) -> None:
    store = await world.store("ingest")
    stored, refused = await store.insert_tokens([a_token(2), token])
    assert [mint_of(2)] == [each.mint for each in stored]
    assert [token] == [each for each, _ in refused]
    assert {mint_of(2)} == (await store.find_tokens([mint_of(2), token.mint])).keys()


async def test_everything_but_a_poisoned_change_is_committed(world: StoreWorld) -> None:
    store, tokens = await world.stored(*(a_token(number) for number in range(100)))
    changes = [a_change(token, 1, price_usd=1.5) for token in tokens]
    changes[37] = a_change(tokens[37], 1, website="\x00")
    receipts, refused = await store.write_changes(changes)
    assert [changes[37]] == [change for change, _ in refused]
    assert sum(receipt.rows for receipt in receipts) == 99
    stored = await store.find_tokens([token.mint for token in tokens])
    assert [mint_of(37)] == [token.mint for token in stored.values() if token.price_usd != 1.5]


async def test_everything_but_a_poisoned_token_is_committed(world: StoreWorld) -> None:
    store = await world.store("ingest")
    tokens = [a_token(number) for number in range(20)]
    tokens[5] = attrs.evolve(tokens[5], mint=Mint("x" * 65))  # only the server knows its limit
    stored, refused = await store.insert_tokens(tokens)
    assert [tokens[5]] == [token for token, _ in refused]
    assert [t.mint for t in tokens if t is not tokens[5]] == [t.mint for t in stored]


# -- Versions ------------------------------------------------------------------------------


async def test_changes_are_told_from_what_is_stored_with_their_version_or_a_later_one(
    world: StoreWorld,
) -> None:
    store, tokens = await world.stored(a_token(1), a_token(2), a_token(3), a_token(4))
    await write(
        store,
        [
            a_change(tokens[0], 5, price_usd=1.0),
            a_change(tokens[1], 7, price_usd=1.0, twitter="t"),
            a_change(tokens[2], 9, twitter="t"),
        ],
    )
    offered = [
        a_change(tokens[0], 6, price_usd=2.0),  # newer
        a_change(tokens[1], 7, price_usd=2.0, twitter="u"),  # as stored
        a_change(tokens[2], 8, price_usd=2.0, twitter="u"),  # older in one table
        a_change(tokens[3], 1, holder_count=1),  # of which nothing is stored
    ]
    newer = {change.mint: change.values for change in await store.select_newer(offered)}
    assert {
        tokens[0].mint: {"price_usd": 2.0},
        tokens[2].mint: {"price_usd": 2.0},
        tokens[3].mint: {"holder_count": 1},
    } == newer
    assert [] == list(await store.select_newer([]))
