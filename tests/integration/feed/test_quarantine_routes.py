"""What operators ask of the quarantine, over HTTP."""

from collections.abc import Mapping

import h11
import pytest
import trio

from domain.quarantine import DropWanted, ReplayWanted
from tests.integration.feed.clients import Answer, everything, get, raw_client, serving
from tests.patience import PATIENCE_SECONDS
from tests.unit.feed.worlds import ENTRIES, World

PATH = "/api/ops/quarantine"


async def order(
    world: World, method: str, path: str, headers: Mapping[str, str] | None = None
) -> Answer:
    chosen = {"Host": "localhost", "Connection": "close", **(headers or {})}
    head = h11.Request(
        method=method, target=PATH + path, headers=[*chosen.items(), ("Content-Length", "0")]
    )
    async with raw_client(world) as stream:
        await stream.send_all(h11.Connection(h11.CLIENT).send(head) or b"")
        raw = await everything(stream)
    top, _, answer = raw.partition(b"\r\n\r\n")
    return Answer(int(top[9:12]), {}, answer)


async def test_the_operator_looks_at_all_and_at_one() -> None:
    async with serving() as world:
        assert {"of": "quarantine"} == (await get(world, PATH)).json
        assert ENTRIES["aa"] == (await get(world, f"{PATH}/aa")).json


@pytest.mark.parametrize(
    ("method", "path", "name", "message"),
    [
        ("POST", "/aa/replay", "replay", ReplayWanted(entry_id="aa")),
        ("DELETE", "/aa", "drop", DropWanted(entry_id="aa")),
        ("DELETE", "/cc", "drop", DropWanted(entry_id="cc")),
    ],
)
async def test_an_order_is_accepted_and_told(
    method: str, path: str, name: str, message: object
) -> None:
    async with serving() as world:
        answer = await order(world, method, path)
        accepted = {"accepted": {"id": path[1:3], "order": name}}
        assert (202, accepted) == (answer.status, answer.json)
        with trio.fail_after(PATIENCE_SECONDS):
            assert message == await anext(world.quarantine)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/zz", 404, "unknown_entry"),
        ("POST", "/zz/replay", 404, "unknown_entry"),
        ("DELETE", "/zz", 404, "unknown_entry"),
        ("POST", "/bb/replay", 409, "entry_busy"),
        ("DELETE", "/bb", 409, "entry_busy"),
        ("POST", "/cc/replay", 409, "not_replayable"),
        ("POST", "/aa", 405, "method_not_allowed"),
        ("GET", "/aa/replay", 405, "method_not_allowed"),
        ("DELETE", "", 405, "method_not_allowed"),
        ("POST", "/aa/burn", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
        ("POST", "/aa/replay/", 404, "not_found"),
    ],
)
async def test_what_cannot_be_done_is_refused_and_told_to_nobody(
    method: str, path: str, status: int, code: str
) -> None:
    async with serving() as world:
        answer = await order(world, method, path)
        assert (status, code) == (answer.status, answer.json["error"]["code"])
        assert 0 == world.quarantine.statistics().sent


@pytest.mark.parametrize(
    ("headers", "token", "status"),
    [
        ({"Origin": "http://localhost:8080"}, "", 403),
        ({"X-Forwarded-For": "1.2.3.4"}, "", 403),
        ({}, "s3cret", 401),
        ({"Authorization": "Bearer wrong"}, "s3cret", 401),
        ({"Authorization": "Bearer s3cret"}, "s3cret", 202),
    ],
    ids=["browser", "proxy", "none", "wrong", "right"],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/aa/replay"), ("DELETE", "/aa")])
async def test_orders_are_for_operators(
    method: str, path: str, headers: dict[str, str], token: str, status: int
) -> None:
    async with serving(control_token=token) as world:
        assert status == (await order(world, method, path, headers)).status
        assert (status == 202) == bool(world.quarantine.statistics().sent)


async def test_the_paths_tell_their_methods() -> None:
    async with serving() as world:
        for path, allowed in {
            "": "GET, HEAD, OPTIONS",
            "/aa": "DELETE, GET, HEAD, OPTIONS",
            "/aa/replay": "OPTIONS, POST",
        }.items():
            async with raw_client(world) as stream:
                request = f"OPTIONS {PATH}{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                await stream.send_all(request.encode())
                assert f"Allow: {allowed}\r\n".encode() in await everything(stream)
