"""One address among others: too many connections, too many requests, and whom a proxy tells of."""

from contextlib import AsyncExitStack

import pytest
import trio

from feed.places import ADDRESS_FULL, TOO_OFTEN
from tests.integration.feed.clients import (
    HANDSHAKE,
    Answer,
    everything,
    feed_client,
    get,
    http_client,
    port_of,
    raw_client,
    serving,
)
from tests.unit.feed.worlds import World, until

FEED = "/api/warp-pipes/feed"
DIRECT = {"unlimited_addresses": ""}  # then loopback addresses are as others
PROXIED = {"trusted_proxies": "127.0.0.1", "unlimited_addresses": ""}


async def connect(world: World, source: str = "127.0.0.1") -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", port_of(world), local_address=source)


async def ask(world: World, source: str, path: str = FEED) -> bytes:
    async with await connect(world, source) as stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return bytes(await stream.receive_some())


async def ask_for(world: World, client: str, path: str = FEED) -> Answer:
    """Through a proxy that tells of the client."""
    return await get(world, path, X_Forwarded_For=client)


async def test_an_address_with_its_fill_of_connections_gets_429_and_others_are_served() -> None:
    async with serving(clients_per_address=3, **DIRECT) as world, AsyncExitStack() as held:
        for _ in range(3):
            await held.enter_async_context(await connect(world))
        await until(lambda: world.gateway.server.places.open == 3)
        refused = await get(world, FEED)
        assert (429, "too_many_connections") == (refused.status, refused.json["error"]["code"])
        assert "1" == refused.headers["retry-after"]
        assert refused.headers["ratelimit"].endswith('"connections";r=0')
        assert (await ask(world, "127.0.0.2")).startswith(b"HTTP/1.1 200 ")
        async with await connect(world) as stream:
            await stream.send_all(HANDSHAKE)
            assert (await everything(stream)).startswith(b"HTTP/1.1 429 ")
        for path in ("/livez", "/readyz", "/metrics"):
            assert 200 == (await get(world, path)).status
        assert {2} == {world.gateway.snapshot().connections_refused[ADDRESS_FULL]}
        await held.aclose()
        await until(lambda: world.gateway.server.places.open == 0)
        assert 200 == (await get(world, FEED)).status


async def test_a_flood_of_one_address_leaves_the_places_to_the_others() -> None:
    async with serving(clients=8, clients_per_address=4, **DIRECT) as world:
        async with AsyncExitStack() as flood:
            for _ in range(100):
                await flood.enter_async_context(await connect(world, "127.0.0.9"))
            places = world.gateway.server.places
            await until(lambda: places.refused[ADDRESS_FULL] >= 100 - (4 + 64))
            async with feed_client(world) as client:  # a place is left for another address
                assert "snapshot" == (await client.subscribe("new"))["type"]
                assert 200 == (await get(world, FEED)).status
        await until(lambda: world.gateway.server.places.open == 0)


async def test_an_address_that_asks_too_often_gets_429_and_others_are_served() -> None:
    async with serving(requests_per_second_per_address=0.2, **DIRECT) as world:
        answers = [await get(world, FEED) for _ in range(3)]
        assert [200, 200, 429] == [answer.status for answer in answers]
        refused = answers[-1]
        assert "rate_limited" == refused.json["error"]["code"]
        assert refused.headers["ratelimit-policy"].startswith('"requests";q=2;w=10, ')
        assert refused.headers["ratelimit"].startswith('"requests";r=0;t=')
        seconds = int(refused.headers["retry-after"])
        assert f";t={seconds}," in refused.headers["ratelimit"]
        assert 1 <= seconds <= 5
        assert {429} == {(await get(world, path)).status for path in ("/", "/none", "/api/ops/x")}
        async with raw_client(world) as stream:
            await stream.send_all(HANDSHAKE)
            assert (await everything(stream)).startswith(b"HTTP/1.1 429 ")
        assert {200} == {(await get(world, "/livez")).status for _ in range(10)}
        assert (await ask(world, "127.0.0.2")).startswith(b"HTTP/1.1 200 ")
        assert 5 == world.gateway.snapshot().connections_refused[TOO_OFTEN]


async def test_requests_in_one_packet_are_counted_one_by_one_and_the_rest_is_not_read() -> None:
    async with serving(requests_per_second_per_address=0.2, **DIRECT) as world:
        async with raw_client(world) as stream:
            await stream.send_all(b"GET /api/none HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
            answers = await everything(stream)
        assert (2, 1) == (answers.count(b"HTTP/1.1 404 "), answers.count(b"HTTP/1.1 429 "))
        assert 3 == answers.count(b"HTTP/1.1 ")


async def test_answers_of_the_api_tell_what_is_left_and_pages_do_not() -> None:
    settings = {"requests_per_second_per_address": 0.3, **DIRECT}
    async with serving(**settings) as world, http_client(world) as client:
        left = [(await client.request(FEED)).headers["ratelimit"] for _ in range(2)]
        assert ['"requests";r=2', '"requests";r=1'] == [told.split(";t=")[0] for told in left]
        for path in ("/", "/livez"):
            assert "ratelimit" not in (await client.request(path)).headers


async def test_this_machine_is_not_limited_by_default() -> None:
    async with serving(clients_per_address=1, requests_per_second_per_address=0.1) as world:
        async with http_client(world) as first, http_client(world) as second:
            answers = [await client.request(FEED) for client in (first, second) for _ in range(5)]
        assert {200} == {answer.status for answer in answers}
        assert all("ratelimit" not in answer.headers for answer in answers)


async def test_clients_of_a_trusted_proxy_are_limited_one_by_one() -> None:
    async with serving(requests_per_second_per_address=0.1, **PROXIED) as world:
        clients = ("198.51.100.7", "198.51.100.8", "2001:db8::1")
        assert [200, 200, 200] == [(await ask_for(world, c)).status for c in clients]
        for same in (
            "198.51.100.7",
            "::ffff:198.51.100.7",
            "198.51.100.7:99",
            "1.1.1.1, 198.51.100.7",
        ):
            await ask_for(world, same)
            assert 429 == (await ask_for(world, same)).status
        await ask_for(world, "2001:db8::2")  # of the same /64
        assert 429 == (await ask_for(world, "2001:db8::3")).status
        assert 200 == (await ask_for(world, "2001:db8:0:1::3")).status
        assert 200 == (await get(world, FEED)).status  # the proxy itself


async def test_websockets_behind_a_proxy_count_while_they_last() -> None:
    handshake = HANDSHAKE.replace(b"Host: a", b"Host: a\r\nX-Forwarded-For: 198.51.100.7")
    async with serving(clients_per_address=2, **PROXIED) as world, AsyncExitStack() as held:
        for _ in range(2):
            stream = await held.enter_async_context(await connect(world))
            await stream.send_all(handshake)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 101 ")
        async with raw_client(world) as stream:
            await stream.send_all(handshake)
            assert (await everything(stream)).startswith(b"HTTP/1.1 429 ")
        refused = await ask_for(world, "198.51.100.7")
        assert (429, "too_many_connections") == (refused.status, refused.json["error"]["code"])
        assert 200 == (await ask_for(world, "198.51.100.8")).status
        await held.aclose()
        await until(lambda: len(world.gateway.server.hub.sessions) == 0)
        assert 200 == (await ask_for(world, "198.51.100.7")).status


async def test_an_address_that_a_client_makes_up_is_not_believed() -> None:
    async with serving(requests_per_second_per_address=0.2, **DIRECT) as world:
        answers = [await ask_for(world, f"198.51.100.{n}") for n in range(3)]
        assert [200, 200, 429] == [answer.status for answer in answers]


async def test_a_proxy_that_nobody_has_named_is_told_of_once() -> None:
    async with serving() as world:
        for client in ("198.51.100.7", "198.51.100.8"):
            assert 200 == (await ask_for(world, client)).status
        told = [e for e in world.log.entries if "gateway.trusted_proxies" in e["event"]]
        assert [("warning", "127.0.0.1")] == [(each["log_level"], each["peer"]) for each in told]


@pytest.mark.parametrize("value", ["\x00", "x" * 9000, "," * 5000, '"' * 999, "for=" * 999])
async def test_an_odd_address_is_only_not_understood(value: str) -> None:
    async with serving(**PROXIED) as world, raw_client(world) as stream:
        head = f"GET {FEED} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {value}\r\n\r\n"
        await stream.send_all(head.encode())
        status = (await stream.receive_some()).split()[1]
        assert status == (b"400" if value == "\x00" else b"200")


async def test_a_key_is_counted_by_itself_and_a_wrong_one_is_told() -> None:
    key = "0123456789abcdef"
    async with serving(
        api_keys=f"acme:{key}:0.1:1", unlimited_addresses="", requests_per_second_per_address=0.1
    ) as world:
        path = "/api/warp-pipes/feed"
        assert 200 == (await get(world, path)).status
        assert 429 == (await get(world, path)).status
        answer = await get(world, path, X_API_Key=key)
        assert (200, '"requests";r=0;t=10, "connections";r=0') == (
            answer.status,
            answer.headers["ratelimit"],
        )
        assert 429 == (await get(world, path, X_API_Key=key)).status
        wrong = await get(world, path, X_API_Key=key[1:])
        assert (401, "unknown_key") == (wrong.status, wrong.json["error"]["code"])
        assert "www-authenticate" not in wrong.headers
