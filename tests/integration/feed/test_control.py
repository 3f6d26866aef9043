"""Who may change what the service does, over HTTP."""

from collections.abc import Mapping

import h11
import orjson
import pytest
import trio

from domain.errors import RequestRefused
from domain.messages import GovernorSet, UsersElsewhereTold
from feed.control import parse_governor_set, parse_users_elsewhere
from tests.integration.feed.clients import Answer, everything, get, http_client, raw_client, serving
from tests.patience import PATIENCE_SECONDS
from tests.unit.feed.tokens import make_token, mint_of
from tests.unit.feed.worlds import World, until

PATH = "/api/ops/governor"
ACTIVITY_PATH = "/api/activity"


async def post(
    world: World, body: object, headers: Mapping[str, str] | None = None, path: str = PATH
) -> Answer:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    chosen = {"Host": "localhost", "Connection": "close", **(headers or {})}
    client = h11.Connection(h11.CLIENT)
    head = h11.Request(
        method="POST",
        target=path,
        headers=[*chosen.items(), ("Content-Length", str(len(content)))],
    )
    async with raw_client(world) as stream:
        await stream.send_all((client.send(head) or b"") + content)
        raw = await everything(stream)
    top, _, answer = raw.partition(b"\r\n\r\n")
    return Answer(int(top[9:12]), {}, answer)


async def test_the_operator_of_this_machine_sets_the_governor() -> None:
    async with serving() as world:
        answer = await post(world, {"walBytesPerSecond": 4000, "rowsPerHour": 1e5})
        assert answer.status == 202
        with trio.fail_after(PATIENCE_SECONDS):
            message = await anext(world.governor)
        assert message == GovernorSet(wal_bytes_per_second=4000.0, rows_per_hour=100_000.0)


async def test_this_machine_may_look() -> None:
    async with serving() as world:
        assert (await get(world, PATH)).json == {"of": "governor"}


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://localhost:8080"}, {"X-Forwarded-For": "1.2.3.4"}, {"Via": "1.1 proxy"}],
    ids=["browser", "forwarded", "proxy"],
)
async def test_browsers_and_proxies_are_refused_without_a_token(headers: dict[str, str]) -> None:
    async with serving() as world:
        answer = await post(world, {"reset": True}, headers)
        assert (answer.status, answer.json["error"]["code"]) == (403, "forbidden")
        assert world.governor.statistics().sent == 0


@pytest.mark.parametrize(
    ("authorization", "status"),
    [("", 401), ("Bearer wrong", 401), ("Bearer s3cret", 202)],
    ids=["none", "wrong", "right"],
)
async def test_a_token_that_is_set_is_always_wanted(authorization: str, status: int) -> None:
    async with serving(control_token="s3cret") as world:
        headers = {"Authorization": authorization} if authorization else {}
        answer = await post(world, {"reset": True}, headers | {"X-Forwarded-For": "1.2.3.4"})
        assert answer.status == status


async def test_a_full_mailbox_of_sync_holds_up_nobody_else_and_is_told() -> None:
    async with serving(request_timeout_seconds=2.0) as world:
        for _ in range(world.governor.capacity):
            await world.governor.send(GovernorSet(reset=True))
        async with trio.open_nursery() as nursery:
            answers: list[Answer] = []

            async def ask() -> None:
                answers.append(await post(world, {"rowsPerHour": 5}))

            nursery.start_soon(ask)
            await until(lambda: world.governor.statistics().senders_waiting == 1)
            await world.show(make_token(1))
            assert 200 == (await get(world, f"/api/tokens/{mint_of(1)}")).status
        (answer,) = answers
        assert (503, "busy") == (answer.status, answer.json["error"]["code"])
        assert world.governor.statistics().depth == world.governor.capacity  # nothing came later


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (PATH, "GET, HEAD, OPTIONS, POST"),
        ("/api/ops/writes", "GET, HEAD, OPTIONS"),
        (ACTIVITY_PATH, "OPTIONS, POST"),
    ],
)
async def test_405_allows_what_the_path_answers(path: str, methods: str) -> None:
    async with serving() as world, http_client(world) as client:
        answer = await client.request(path, method="DELETE")
        assert (405, methods) == (answer.status, answer.headers["allow"])


async def test_no_other_path_takes_a_post() -> None:
    async with serving() as world, raw_client(world) as stream:
        await stream.send_all(b"POST /api/ops/writes HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"{",
        b'{"walBytesPerSecond": 0}',
        b'{"walBytesPerSecond": -5}',
        b'{"walBytesPerSecond": 1e300}',
        b'{"rowsPerHour": true}',
        b'{"rowsPerHour": "5"}',
        b'{"rowsPerHour": null}',
        b'{"reset": 1}',
        b'{"rows": 5}',
    ],
)
def test_a_bad_request_is_refused(body: bytes) -> None:
    with pytest.raises(RequestRefused) as caught:
        parse_governor_set(body)
    assert caught.value.status == 400


# Users of another server.


@pytest.mark.parametrize("users", [0, 12, 1_000_000_000])
async def test_users_elsewhere_are_told_to_activity(users: int) -> None:
    async with serving() as world:
        answer = await post(world, {"activeUsers": users}, path=ACTIVITY_PATH)
        assert (202, {"accepted": {"activeUsers": users}}) == (answer.status, answer.json)
        await until(lambda: world.presences.statistics().sent > 1)  # after the census
        told = [*await world.presences.receive_batch(10)]
        assert UsersElsewhereTold(by="http", users=users) == told[-1]


async def test_a_refused_report_tells_nothing() -> None:
    async with serving() as world:
        assert 400 == (await post(world, {"activeUsers": -1}, path=ACTIVITY_PATH)).status
        assert 413 == (await post(world, b" " * 1_000_000, path=ACTIVITY_PATH)).status
        foreign = {"Origin": "http://localhost:8080"}
        assert 403 == (await post(world, {"activeUsers": 1}, foreign, ACTIVITY_PATH)).status
        assert 405 == (await get(world, ACTIVITY_PATH)).status
        assert 1 == world.presences.statistics().sent  # the census


async def test_a_report_wants_the_control_token() -> None:
    async with serving(control_token="s3cret") as world:
        assert 401 == (await post(world, {"activeUsers": 1}, path=ACTIVITY_PATH)).status
        bearer = {"Authorization": "Bearer s3cret"}
        assert 202 == (await post(world, {"activeUsers": 1}, bearer, ACTIVITY_PATH)).status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"5",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b'{"activeUsers": null}',
        b'{"activeUsers": true}',
        b'{"activeUsers": "5"}',
        b'{"activeUsers": 5.0}',
        b'{"activeUsers": -1}',
        b'{"activeUsers": 1000000001}',
        b'{"activeUsers": 99999999999999999999999}',
        b'{"activeUsers": 5, "source": "a"}',
        b'{"activeusers": 5}',
    ],
)
def test_a_bad_report_is_refused(body: bytes) -> None:
    with pytest.raises(RequestRefused) as caught:
        parse_users_elsewhere(body)
    assert caught.value.status == 400
