"""What the owner's backend writes through Prisma: on its own table, and through the view."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import trio

from tests.contract.prisma_world import row_of
from tests.contract.store_world import a_token, asked, postgres_world
from tests.owner.backend import MIGRATION, PrismaClient, PrismaError, PrismaProcess

MINTS = [a_token(number).mint for number in range(4)]
TEXTS = ("imageUrl", "logoURI", "description", "twitter", "telegram", "website")


@pytest.fixture
def table(prisma_process: PrismaProcess, postgres_url: str) -> Iterator[PrismaClient]:
    """The client on the owner's own table, with four tokens."""
    client = PrismaClient(prisma_process, postgres_url)
    trio.run(asked, postgres_url, MIGRATION)
    rows = [row_of(a_token(number)) for number in range(4)]
    client.token_discovery("createMany", data=rows)
    yield client
    client.disconnect()


@pytest.fixture
def view(prisma_process: PrismaProcess, postgres_url: str) -> Iterator[PrismaClient]:
    """The client on this service's view, with the same tokens."""
    client = PrismaClient(prisma_process, postgres_url)
    trio.run(store_few, postgres_url)
    yield client
    client.disconnect()


@pytest.fixture(params=["table", "view"])
def client(request: pytest.FixtureRequest) -> PrismaClient:
    client: PrismaClient = request.getfixturevalue(request.param)
    return client


async def store_few(url: str) -> None:
    world = postgres_world(url, status_words="LAUNCHING")
    await world.stored(*(a_token(number) for number in range(4)))
    await world.close()


def rows_of(client: PrismaClient) -> dict[str, dict[str, Any]]:
    return {row["mint"]: row for row in client.token_discovery("findMany")}


def update(client: PrismaClient, mint: str, **data: Any) -> dict[str, Any]:
    row: dict[str, Any] = client.token_discovery("update", where={"mint": mint}, data=data)
    return row


def test_a_watcher_more_and_one_less_are_counted(client: PrismaClient) -> None:
    changes: list[Any] = [{"increment": 1}, {"increment": 3}, {"decrement": 2}, 7]
    told = [update(client, MINTS[1], watcherCount=change)["watcherCount"] for change in changes]
    assert [1, 4, 2, 7] == told
    assert [0, 7, 0, 0] == [row["watcherCount"] for _, row in sorted(rows_of(client).items())]


def test_watchers_that_come_at_once_are_all_counted(client: PrismaClient) -> None:
    increment = {"where": {"mint": MINTS[0]}, "data": {"watcherCount": {"increment": 1}}}
    client.call(*[("tokenDiscovery", "update", increment)] * 20, together="parallel")
    assert 20 == rows_of(client)[MINTS[0]]["watcherCount"]


def test_an_update_answers_with_the_row_that_is_then_there(client: PrismaClient) -> None:
    before = rows_of(client)
    sent = {name: f"{name} 名 '\"\\ 🚀" for name in TEXTS}
    told = update(client, MINTS[2], **sent)
    later = rows_of(client)
    assert later[MINTS[2]] == told
    untimed = {name: value for name, value in told.items() if name != "lastUpdatedAt"}
    assert {**before[MINTS[2]], **sent, "lastUpdatedAt": None} == {**untimed, "lastUpdatedAt": None}
    assert before[MINTS[2]]["lastUpdatedAt"] < told["lastUpdatedAt"] <= datetime.now(UTC)
    assert {**before, MINTS[2]: told} == later


def test_a_part_of_the_row_can_be_asked_back(client: PrismaClient) -> None:
    told = client.token_discovery(
        "update",
        where={"mint": MINTS[2], "state": "new"},
        data={"description": "", "watcherCount": {"increment": 1}},
        select={"description": True, "watcherCount": True, "symbol": True},
    )
    assert {"description": "", "watcherCount": 1, "symbol": "S2"} == told


def test_an_update_of_many_counts_what_it_met(client: PrismaClient) -> None:
    where = {"mint": {"in": [MINTS[1], MINTS[3], "unknown"]}}
    told = client.token_discovery(
        "updateMany", where=where, data={"watcherCount": {"increment": 2}, "website": "w"}
    )
    assert {"count": 2} == told
    rows = sorted(rows_of(client).items())
    assert [0, 2, 0, 2] == [row["watcherCount"] for _, row in rows]
    assert [None, "w", None, "w"] == [row["website"] for _, row in rows]
    assert {"count": 0} == client.token_discovery(
        "updateMany", where={"mint": "unknown"}, data={"watcherCount": 1}
    )


def test_an_update_of_nobody_is_told(client: PrismaClient) -> None:
    with pytest.raises(PrismaError) as refusal:
        update(client, "unknown", watcherCount={"increment": 1})
    assert "P2025" == refusal.value.code


def test_a_transaction_that_fails_leaves_nothing(client: PrismaClient) -> None:
    before = rows_of(client)
    calls: list[Any] = [
        ("tokenDiscovery", "update", {"where": {"mint": mint}, "data": {"watcherCount": 5}})
        for mint in (MINTS[0], "unknown")
    ]
    for together in ("batch", "interactive"):
        with pytest.raises(PrismaError):
            client.call(*calls, together=together)
    assert before == rows_of(client)


NEW_ROW = {"mint": "new", "symbol": "NEW"}


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("create", {"data": NEW_ROW}),
        ("createMany", {"data": [NEW_ROW], "skipDuplicates": False}),
        ("delete", {"where": {"mint": MINTS[0]}}),
        ("deleteMany", {}),
    ],
)
def test_the_view_takes_no_births_and_no_deaths_and_hints_why(
    view: PrismaClient, operation: str, arguments: dict[str, Any]
) -> None:
    before = rows_of(view)
    with pytest.raises(PrismaError) as refusal:
        view.token_discovery(operation, **arguments)
    assert "takes no" in str(refusal.value)
    assert "token-discovery" in refusal.value.cause["hint"]
    assert before == rows_of(view)


@pytest.mark.parametrize("column", ["hotScore", "symbol", "state", "sellable"])
def test_what_the_service_says_itself_is_not_written_by_others(
    view: PrismaClient, column: str
) -> None:
    before = rows_of(view)
    values: dict[str, Any] = {"hotScore": 99, "symbol": "X", "state": "bonded", "sellable": False}
    with pytest.raises(PrismaError) as refusal:
        update(view, MINTS[0], website="w", **{column: values[column]})
    assert f'column "{column}"' in str(refusal.value)
    assert before == rows_of(view)


@pytest.mark.parametrize("mint", ["new", MINTS[0]])
def test_an_upsert_is_refused_by_postgres_itself(view: PrismaClient, mint: str) -> None:
    """It asks for a unique index, which no view has, or for a trigger; no trigger is reached."""
    before = rows_of(view)
    with pytest.raises(PrismaError) as refusal:
        view.token_discovery(
            "upsert", where={"mint": mint}, create={"mint": mint}, update={"website": "w"}
        )
    assert "42P10" == refusal.value.cause["code"]
    assert before == rows_of(view)
