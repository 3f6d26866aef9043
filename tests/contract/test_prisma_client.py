"""The owner's Prisma client, unchanged, on this service's view as on the table that he had.

Every claim here is made of both, with the same rows in them: a reader cannot tell which he has.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg
import pytest
import trio

from commands.embedded import EmbeddedPostgres
from tests.conftest import fresh_database
from tests.contract.prisma_world import (
    COLUMNS,
    PrismaWorld,
    Row,
    kept_tokens,
    row_of,
    store_tokens,
    to_datetime,
    without_id,
)
from tests.contract.store_world import after
from tests.owner.backend import MIGRATION, PrismaClient, PrismaError, PrismaProcess

WORLDS = ("table", "view", "view for replicas", "view after a crash")
STATES = ("new", "graduating", "bonded")
STATUSES = ("LAUNCHING", "ACTIVE", "ABOUT_TO_BOND", "BONDED", "DEAD")
ORDERS = ("hotScore", "volume24h", "firstSeenAt", "stateChangedAt")


@pytest.fixture(scope="module", params=WORLDS)
def readers(
    request: pytest.FixtureRequest,
    prisma_process: PrismaProcess,
    postgres_server: EmbeddedPostgres,
) -> Iterator[PrismaWorld]:
    """The owner's own table, and the view that this service has in its place."""
    rows = [row_of(token) for token in kept_tokens()]
    with fresh_database(postgres_server) as url:
        client = PrismaClient(prisma_process, url)
        if request.param == "table":
            make_owners_table(url)
            client.token_discovery("createMany", data=rows)
        else:
            stats_logged = request.param == "view for replicas"
            trio.run(partial(store_tokens, url, stats_logged=stats_logged))
            if request.param == "view after a crash":
                empty_unlogged_tables(url)
        yield PrismaWorld(client, {row["mint"]: row for row in rows})
        client.disconnect()


def empty_unlogged_tables(url: str) -> None:
    """As Postgres does when it recovers; the service, which would rebuild them, is away."""
    with psycopg.connect(url) as connection:
        query = """SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
            WHERE relpersistence = 'u' AND relkind = 'r'"""
        (tables,) = connection.execute(query).fetchone() or ("",)
        connection.execute(f"TRUNCATE {tables}")


def make_owners_table(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(MIGRATION)


def mints_of(rows: list[Row]) -> set[str]:
    return {row["mint"] for row in rows}


# -- Rows, and the types of their values ----------------------------------------------------


def test_every_token_is_found_as_it_was_stored(readers: PrismaWorld) -> None:
    found = readers.client.token_discovery("findMany")
    assert readers.rows == {row["mint"]: without_id(row) for row in found}
    assert len(readers.rows) == len(found)


def test_tokens_of_every_kind_are_among_them(readers: PrismaWorld) -> None:
    """Else the claims here would say less than they seem to."""
    assert set(STATES) == {row["state"] for row in readers.rows.values()}
    assert set(STATUSES) == {row["status"] for row in readers.rows.values()}
    assert 5 < len([row for row in readers.rows.values() if row["firstSeenAt"] < seen(-86_400)])
    assert 30 < len([row for row in readers.rows.values() if row["symbol"] is None])


def test_every_value_has_the_type_of_the_model(readers: PrismaWorld) -> None:
    for row in readers.client.token_discovery("findMany"):
        assert list(COLUMNS) == list(row)
        for column in COLUMNS.values():
            value = row[column.name]
            if value is None:
                assert not column.is_required, column
            else:
                assert column.type is type(value), column


def test_ids_are_unique_and_stay(readers: PrismaWorld) -> None:
    asked = {"select": {"id": True, "mint": True}}
    first = readers.client.token_discovery("findMany", **asked)
    again = readers.client.token_discovery("findMany", **asked)
    assert len(readers.rows) == len({row["id"] for row in first})
    assert sorted(map(str, first)) == sorted(map(str, again))


# -- What the owner's feed asks -------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("state", STATES)
def test_the_feed_gets_the_first_fifty_of_a_state(
    readers: PrismaWorld, state: str, order: str
) -> None:
    page = readers.client.token_discovery(
        "findMany", where={"state": state}, orderBy={order: "desc"}, take=50
    )
    assert [readers.rows[row["mint"]] for row in page] == [without_id(row) for row in page]
    assert {state} == {row["state"] for row in page}
    best_first = sorted(map(nulls_first(order), readers.rows_where(state=state)), reverse=True)
    assert best_first[:50] == [nulls_first(order)(row) for row in page]
    assert len(page) == len(mints_of(page)) == min(50, len(best_first))


def nulls_first(column: str) -> Callable[[Row], tuple[bool, Any]]:
    """A key that sorts as Postgres does in descending order."""
    return lambda row: (row[column] is None, 0 if row[column] is None else row[column])


def test_unknown_numbers_can_be_asked_for_last(readers: PrismaWorld) -> None:
    page = readers.client.token_discovery(
        "findMany", orderBy={"priceUsd": {"sort": "desc", "nulls": "last"}}, take=20
    )
    prices = [row["priceUsd"] for row in readers.rows.values() if row["priceUsd"] is not None]
    assert sorted(prices, reverse=True)[:20] == [row["priceUsd"] for row in page]


def test_a_token_is_found_by_its_mint_and_by_its_id(readers: PrismaWorld) -> None:
    for mint in (min(readers.rows), max(readers.rows)):
        by_mint = readers.client.token_discovery("findUnique", where={"mint": mint})
        by_id = readers.client.token_discovery("findUnique", where={"id": by_mint["id"]})
        assert readers.rows[mint] == without_id(by_mint)
        assert by_mint == by_id


def test_a_token_that_is_unknown_is_null_or_an_error_as_asked(readers: PrismaWorld) -> None:
    for where in ({"mint": "nobody's"}, {"id": "no number"}, {"id": ""}):
        assert None is readers.client.token_discovery("findUnique", where=where)
        with pytest.raises(PrismaError) as refusal:
            readers.client.token_discovery("findUniqueOrThrow", where=where)
        assert "P2025" == refusal.value.code


def test_many_look_ups_of_a_batch_are_each_answered(readers: PrismaWorld) -> None:
    mints = sorted(readers.rows)[::9]
    calls = [("tokenDiscovery", "findUnique", {"where": {"mint": mint}}) for mint in mints]
    found = readers.client.call(*calls, together="batch")
    assert [readers.rows[mint] for mint in mints] == [without_id(row) for row in found]


def test_find_first_gets_the_best(readers: PrismaWorld) -> None:
    where = {"state": "new", "status": {"not": "DEAD"}}
    found = readers.client.token_discovery("findFirst", where=where, orderBy={"hotScore": "desc"})
    alive = [row for row in readers.rows_where(state="new") if row["status"] != "DEAD"]
    assert max(row["hotScore"] for row in alive) == found["hotScore"]


# -- Filters --------------------------------------------------------------------------------


def seen(seconds: float) -> datetime:
    return to_datetime(after(seconds))


def a_price(rows: list[Row]) -> Decimal:
    prices = sorted(row["priceUsd"] for row in rows if row["priceUsd"] is not None)
    return Decimal(prices[len(prices) // 2])


FILTERS: dict[str, tuple[Callable[[list[Row]], Any], Callable[[Row, Any], bool]]] = {
    "in": (
        lambda rows: {"mint": {"in": [row["mint"] for row in rows[::5]] + ["unknown"]}},
        lambda row, where: row["mint"] in where["mint"]["in"],
    ),
    "contains": (
        lambda rows: {"name": {"contains": "名前"}},
        lambda row, where: "名前" in (row["name"] or ""),
    ),
    "contains, in any case": (
        lambda rows: {"name": {"contains": "nAmE 4", "mode": "insensitive"}},
        lambda row, where: "name 4" in (row["name"] or "").lower(),
    ),
    "contains what LIKE takes for a pattern": (
        lambda rows: {"name": {"contains": "\\%\\_"}},
        lambda row, where: "%_" in (row["name"] or ""),
    ),
    "an empty text": (
        lambda rows: {"name": ""},
        lambda row, where: row["name"] == "",
    ),
    "a price itself": (
        lambda rows: {"priceUsd": a_price(rows)},
        lambda row, where: row["priceUsd"] == where["priceUsd"],
    ),
    "from a price on": (
        lambda rows: {"priceUsd": {"gte": a_price(rows)}},
        lambda row, where: row["priceUsd"] is not None
        and row["priceUsd"] >= where["priceUsd"]["gte"],
    ),
    "below a price": (
        lambda rows: {"priceUsd": {"lt": a_price(rows)}},
        lambda row, where: row["priceUsd"] is not None
        and row["priceUsd"] < where["priceUsd"]["lt"],
    ),
    "a price that is a float": (
        lambda rows: {"priceUsd": {"lte": float(a_price(rows))}},
        lambda row, where: row["priceUsd"] is not None
        and row["priceUsd"] <= Decimal(repr(where["priceUsd"]["lte"])),
    ),
    "a score": (
        lambda rows: {"hotScore": {"gte": 50}},
        lambda row, where: row["hotScore"] >= 50,
    ),
    "a time itself": (
        lambda rows: {"firstSeenAt": seen(0.123)},
        lambda row, where: row["firstSeenAt"] == seen(0.123),
    ),
    "between times": (
        lambda rows: {"firstSeenAt": {"gte": seen(0.05), "lt": seen(0.3)}},
        lambda row, where: seen(0.05) <= row["firstSeenAt"] < seen(0.3),
    ),
    "no price": (
        lambda rows: {"priceUsd": None},
        lambda row, where: row["priceUsd"] is None,
    ),
    "a picture": (
        lambda rows: {"imageUrl": {"not": None}},
        lambda row, where: row["imageUrl"] is not None,
    ),
    "flags": (
        lambda rows: {"freezeRevoked": True, "mintRenounced": False, "sellable": True},
        lambda row, where: row["freezeRevoked"] and not row["mintRenounced"] and row["sellable"],
    ),
    "one or the other, and not a third": (
        lambda rows: {
            "OR": [{"status": "DEAD"}, {"holderCount": {"gt": 5000}}],
            "NOT": {"state": "graduating"},
        },
        lambda row, where: (row["status"] == "DEAD" or (row["holderCount"] or 0) > 5000)
        and row["state"] != "graduating",
    ),
    "none": (lambda rows: {"mint": {"in": []}}, lambda row, where: False),
}  # fmt: skip


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_finds_the_rows_that_it_names(readers: PrismaWorld, name: str) -> None:
    make_filter, is_meant = FILTERS[name]
    where = make_filter(list(readers.rows.values()))
    meant = {mint for mint, row in readers.rows.items() if is_meant(row, where)}
    assert bool(meant) == (name != "none")
    assert meant == mints_of(readers.client.token_discovery("findMany", where=where))
    assert len(meant) == readers.client.token_discovery("count", where=where)


# -- Figures over many rows -----------------------------------------------------------------


def test_counts_are_those_of_the_rows(readers: PrismaWorld) -> None:
    assert len(readers.rows) == readers.client.token_discovery("count")
    known = [row for row in readers.rows.values() if row["priceUsd"] is not None]
    counted = readers.client.token_discovery("count", select={"_all": True, "priceUsd": True})
    assert {"_all": len(readers.rows), "priceUsd": len(known)} == counted


def test_aggregates_are_exact(readers: PrismaWorld) -> None:
    found = readers.client.token_discovery(
        "aggregate",
        where={"state": "bonded"},
        _avg={"holderCount": True, "hotScore": True},
        _sum={"buys24h": True, "liquidityUsd": True},
        _max={"marketCapUsd": True, "firstSeenAt": True, "txCount24h": True},
        _min={"priceUsd": True, "mint": True},
    )
    bonded = readers.rows_where(state="bonded")
    names = COLUMNS.keys() - {"id"}
    known = {name: [row[name] for row in bonded if row[name] is not None] for name in names}
    holders, scores = known["holderCount"], known["hotScore"]
    assert sum(holders) / len(holders) == pytest.approx(float(found["_avg"]["holderCount"]))
    assert float(sum(scores) / len(scores)) == pytest.approx(float(found["_avg"]["hotScore"]))
    assert {
        "buys24h": sum(known["buys24h"]),
        "liquidityUsd": sum(known["liquidityUsd"]),
    } == found["_sum"]
    assert {
        name: max(known[name]) for name in ("marketCapUsd", "firstSeenAt", "txCount24h")
    } == found["_max"]
    assert {name: min(known[name]) for name in ("priceUsd", "mint")} == found["_min"]


def test_groups_are_those_of_the_rows(readers: PrismaWorld) -> None:
    groups = readers.client.token_discovery(
        "groupBy", by=["state", "status"], _count={"_all": True}, _max={"hotScore": True}
    )
    counted = Counter((row["state"], row["status"]) for row in readers.rows.values())
    assert counted == {(g["state"], g["status"]): g["_count"]["_all"] for g in groups}
    for group in groups:
        rows = readers.rows_where(state=group["state"], status=group["status"])
        assert max(row["hotScore"] for row in rows) == group["_max"]["hotScore"]


def test_states_are_told_apart(readers: PrismaWorld) -> None:
    found = readers.client.token_discovery(
        "findMany", distinct=["state"], select={"state": True}, orderBy={"state": "asc"}
    )
    assert [{"state": state} for state in sorted(STATES)] == found


# -- Pages, and parts of rows ---------------------------------------------------------------


@pytest.mark.parametrize("order", [{"id": "asc"}, [{"hotScore": "desc"}, {"id": "desc"}]])
def test_pages_by_cursor_have_every_row_once(readers: PrismaWorld, order: Any) -> None:
    rows: list[Row] = []
    page = readers.client.token_discovery("findMany", take=37, orderBy=order)
    while page:
        rows += page
        cursor = {"cursor": {"id": page[-1]["id"]}, "skip": 1}
        page = readers.client.token_discovery("findMany", take=37, orderBy=order, **cursor)
    assert sorted(readers.rows) == sorted(row["mint"] for row in rows)


def test_pages_by_offset_have_every_row_once(readers: PrismaWorld) -> None:
    order = [{"firstSeenAt": "desc"}, {"mint": "asc"}]
    mints: list[str] = []
    for skip in range(0, len(readers.rows), 100):
        page = readers.client.token_discovery("findMany", orderBy=order, skip=skip, take=100)
        mints += [row["mint"] for row in page]
    by_mint = sorted(readers.rows.values(), key=lambda row: str(row["mint"]))
    by_age = sorted(by_mint, key=lambda row: row["firstSeenAt"], reverse=True)
    assert [row["mint"] for row in by_age] == mints


def test_a_selection_brings_its_columns_alone(readers: PrismaWorld) -> None:
    found = readers.client.token_discovery("findMany", select={"mint": True, "priceUsd": True})
    assert {mint: row["priceUsd"] for mint, row in readers.rows.items()} == {
        row["mint"]: row["priceUsd"] for row in found
    }
    assert {"mint", "priceUsd"} == found[0].keys()


def test_an_omission_brings_all_other_columns(readers: PrismaWorld) -> None:
    found = readers.client.token_discovery("findFirst", omit={"description": True, "id": True})
    assert COLUMNS.keys() - {"description", "id"} == found.keys()


# -- Transactions and raw queries -----------------------------------------------------------


@pytest.mark.parametrize("together", ["batch", "interactive"])
def test_a_transaction_reads_page_and_count(readers: PrismaWorld, together: Any) -> None:
    where = {"state": "new"}
    page, count = readers.client.call(
        ("tokenDiscovery", "findMany", {"where": where, "take": 5, "orderBy": {"mint": "asc"}}),
        ("tokenDiscovery", "count", {"where": where}),
        together=together,
    )
    rows = sorted(readers.rows_where(state="new"), key=lambda row: str(row["mint"]))
    assert rows[:5] == [without_id(row) for row in page]
    assert len(rows) == count


def test_a_raw_query_gets_the_same_values(readers: PrismaWorld) -> None:
    found = readers.client.query_raw(
        'SELECT * FROM "TokenDiscovery" WHERE state = $1 AND "firstSeenAt" > $2 ORDER BY mint',
        "bonded",
        seen(-1) - timedelta(hours=1),
    )
    rows = sorted(readers.rows_where(state="bonded"), key=lambda row: str(row["mint"]))
    young = [row for row in rows if row["firstSeenAt"] > seen(-1) - timedelta(hours=1)]
    # The view's score is a number of JavaScript's where no model says what it is.
    found = [{**row, "hotScore": Decimal(str(row["hotScore"]))} for row in found]
    assert young == [{name: row[name] for name in COLUMNS if name != "id"} for row in found]


def test_what_the_model_lacks_is_refused_by_the_client(readers: PrismaWorld) -> None:
    with pytest.raises(PrismaError) as refusal:
        readers.client.token_discovery("findMany", where={"nothing": 1})
    assert "PrismaClientValidationError" == refusal.value.name
