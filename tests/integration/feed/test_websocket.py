"""The contract of /ws, with a real client on a real socket."""

import gc
import weakref
from typing import Any

import attrs
import orjson
import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed

from actors import gateway
from domain.messages import ClientConnected, ClientLeft, ClientSpoke, MintUnwatched, MintWatched
from domain.token import Status
from domain.values import WRAPPED_SOL
from feed import hub, session
from feed.frames import PING_FRAME
from tests.integration.feed.clients import (
    HANDSHAKE,
    everything,
    feed_client,
    get,
    raw_client,
    serving,
)
from tests.patience import PATIENCE_SECONDS
from tests.unit.feed.tokens import NOW, make_token, mint_of
from tests.unit.feed.worlds import Away, World, until


async def presences(world: World, count: int) -> list[Any]:
    """The next messages to activity, after the census of the start."""
    seen: list[Any] = []
    with trio.fail_after(PATIENCE_SECONDS):
        while len(seen) < count:
            seen += [m for m in await world.presences.receive_batch(99) if hasattr(m, "client")]
    return seen


def code_of(closed: ConnectionClosed) -> int | None:
    return closed.reason.code if closed.reason else None


async def test_a_subscriber_gets_a_snapshot_and_then_deltas() -> None:
    async with serving() as world, feed_client(world) as client:
        token = make_token(1, holder_count=1)
        await world.show(token)
        snapshot = await client.subscribe("new")
        assert ("snapshot", "new", [token.mint]) == (
            snapshot["type"],
            snapshot["board"],
            [item["mint"] for item in snapshot["items"]],
        )
        await world.show(attrs.evolve(token, holder_count=2))
        assert {
            "type": "delta",
            "board": "new",
            "epoch": snapshot["epoch"],
            "offset": snapshot["offset"] + 1,
            "changes": [{"mint": token.mint, "holderCount": 2}],
        } == await client.hear()


async def test_a_client_that_returns_resumes_with_the_deltas_it_missed() -> None:
    async with serving() as world:
        token = make_token(1, holder_count=0)
        await world.show(token)
        async with feed_client(world) as client:
            snapshot = await client.subscribe("new")
        for count in (1, 2):
            await world.show(attrs.evolve(token, holder_count=count))
        since = {"epoch": snapshot["epoch"], "offset": snapshot["offset"]}
        async with feed_client(world) as client:
            resumed = await client.subscribe("new", since=since)
            assert {"type": "resumed", "board": "new", **since} == resumed
            counts = [(await client.hear())["changes"][0]["holderCount"] for _ in range(2)]
            assert counts == [1, 2]


async def test_the_cursor_of_the_http_feed_can_be_resumed_from() -> None:
    async with serving() as world:
        await world.show(make_token(1))
        cursor = (await get(world, "/api/warp-pipes/feed")).json["cursor"]
        async with feed_client(world) as client:
            for board in ("new", "hot"):
                assert (await client.subscribe(board, since=cursor))["type"] == "resumed"


@pytest.mark.parametrize("since", [{"epoch": "other", "offset": 0}, None])
async def test_a_cursor_of_another_life_takes_a_snapshot(since: object) -> None:
    async with serving() as world, feed_client(world) as client:
        assert (await client.subscribe("new", since=since))["type"] == "snapshot"


async def test_an_unsubscribed_board_is_silent_and_the_others_are_not() -> None:
    async with serving() as world, feed_client(world) as client:
        await client.subscribe("new")
        await client.subscribe("graduating")
        await client.say({"type": "unsubscribe", "board": "new"})
        await client.say({"type": "ping"})
        assert (await client.hear())["type"] == "pong"
        await world.show(make_token(1), make_token(2, status=Status.GRADUATING))
        assert (await client.hear())["board"] == "graduating"


async def test_only_a_board_that_changed_sends_a_delta() -> None:
    async with serving() as world, feed_client(world) as client:
        for board in ("new", "bonded"):
            await client.subscribe(board)
        for status in (Status.NEW, Status.NEW, Status.BONDED, Status.NEW):
            await world.show(make_token(1 + world.gateway.boards.offset, status=status))
        deltas = [await client.hear() for _ in range(4)]
        assert [("new", 1), ("new", 2), ("bonded", 3), ("new", 4)] == [
            (delta["board"], delta["offset"]) for delta in deltas
        ]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("garbage", "malformed"),
        ('{"type": "dance"}', "unknown_type"),
        ('{"type": "subscribe", "board": "best"}', "unknown_board"),
        ('{"type": "subscribe", "board": "new", "since": []}', "bad_since"),
        ('{"type": "subscribe", "board": "new", "encoding": "br"}', "unknown_encoding"),
        ('{"type": "watch", "mint": "x"}', "bad_mint"),
        (f'{{"type": "watch", "mint": "{mint_of(1)}"}}', "unknown_mint"),
        (f'{{"type": "watch", "mint": "{WRAPPED_SOL}"}}', "unknown_mint"),
        (b"\x00\xff", "text_expected"),
    ],
)
async def test_a_bad_frame_gets_an_error_frame_and_the_client_stays(
    message: str | bytes, code: str
) -> None:
    async with serving() as world, feed_client(world) as client:
        await client.connection.send_message(message)
        error = await client.hear()
        assert ("error", code) == (error["type"], error["code"])
        await client.say({"type": "ping"})
        assert (await client.hear())["type"] == "pong"


async def test_a_message_of_more_than_16_kib_closes_with_1009() -> None:
    async with serving() as world, feed_client(world) as client:
        await client.connection.send_message("x" * 17_000)
        with pytest.raises(ConnectionClosed) as closed, trio.fail_after(PATIENCE_SECONDS):
            await client.connection.get_message()
        assert code_of(closed.value) == 1009


async def test_a_client_past_its_rate_is_told_so_and_served_more_slowly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "MESSAGES_AT_ONCE", 5)
    # So slow that none is allowed again before the pause, and one after it.
    monkeypatch.setattr(session, "MESSAGES_PER_SECOND", 0.6)
    monkeypatch.setattr(session, "PAUSE_SECONDS", 2.0)
    async with serving() as world, feed_client(world) as client:
        for _ in range(7):
            await client.say({"type": "ping"})
        answers = [await client.hear() for _ in range(7)]
        assert [answer["type"] for answer in answers[:5]] == ["pong"] * 5
        assert (answers[5]["code"], answers[6]["type"]) == ("rate_limited", "pong")


async def test_activity_hears_of_a_client_and_what_it_watches() -> None:
    async with serving() as world:
        await world.show(make_token(1))
        async with feed_client(world) as client:
            await client.say({"type": "watch", "mint": mint_of(1)})
            await client.say({"type": "watch", "mint": mint_of(1)})  # changes nothing
            connected, spoke, watched = await presences(world, 3)
            number = connected.client
            assert ClientConnected(client=number) == connected
            assert ClientSpoke(client=number) == spoke
            assert MintWatched(client=number, mint=mint_of(1)) == watched
            assert {number: {mint_of(1)}} == world.gateway.server.hub.take_census().watched
            await client.say({"type": "unwatch", "mint": mint_of(1)})
            assert [MintUnwatched(client=number, mint=mint_of(1))] == await presences(world, 1)
        assert [ClientLeft(client=number)] == await presences(world, 1)


async def test_a_client_may_watch_200_tokens() -> None:
    async with serving(tokens=300, client_queue_bytes=1_000_000) as world:
        await world.show(*(make_token(number) for number in range(201)))
        async with feed_client(world) as client:
            for number in range(201):
                await client.say({"type": "watch", "mint": mint_of(number)})
            assert (await client.hear())["code"] == "too_many_watches"


async def test_a_drain_closes_every_client_with_1001_after_the_last_delta() -> None:
    async with serving() as world, feed_client(world) as client:
        await client.subscribe("new")
        await world.publish(make_token(1))
        world.inbox.close()
        assert mint_of(1) == (await client.hear())["changes"][0]["mint"]
        with pytest.raises(ConnectionClosed) as closed, trio.fail_after(PATIENCE_SECONDS):
            await client.connection.get_message()
        assert code_of(closed.value) == 1001


async def test_health_checks_are_told_of_a_drain_until_the_port_closes() -> None:
    async with serving() as world, raw_client(world) as stream:
        await stream.send_all(HANDSHAKE)
        await stream.receive_some()  # and never answers the close
        world.conditions.is_ready = False
        world.inbox.close()
        await until(lambda: world.gateway.server.is_draining)
        assert (await get(world, "/readyz")).status == 503
        assert (await get(world, "/livez")).status == 200
        refused = await get(world, "/api/warp-pipes/feed")
        assert (503, "draining") == (refused.status, refused.json["error"]["code"])
        async with raw_client(world) as late:
            await late.send_all(HANDSHAKE)
            assert (await late.receive_some()).startswith(b"HTTP/1.1 503 ")
        await until(lambda: world.conditions.said[-1][1] == "not listening")
        with pytest.raises(OSError, match="connect"):
            await get(world, "/readyz")


async def test_a_drain_does_not_wait_for_a_client_that_ignores_the_close() -> None:
    async with serving() as world, raw_client(world) as stream:
        await stream.send_all(HANDSHAKE)
        await stream.receive_some()
        world.inbox.close()
        await until(lambda: world.conditions.said[-1][1] == "not listening")


async def test_a_client_that_answers_pings_stays_and_one_that_does_not_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub, "KEEPALIVE_SECONDS", 0.05)
    monkeypatch.setattr(session, "MOST_UNANSWERED", 50)
    async with (
        serving() as world,
        raw_client(world) as mute,
        raw_client(world) as answering,
        trio.open_nursery() as nursery,
    ):
        for stream in (mute, answering):
            await stream.send_all(HANDSHAKE)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 101 ")
        pings = 0

        async def answer() -> None:
            nonlocal pings
            async for data in answering:
                assert set(data) == set(PING_FRAME)
                pings += len(data) // 2
                await answering.send_all(b"\x8a\x80\x00\x00\x00\x00")

        nursery.start_soon(answer)
        assert (await everything(mute)).startswith(PING_FRAME)
        await until(lambda: len(world.gateway.server.hub.sessions) == 1)
        pings_before = pings
        await until(lambda: pings > pings_before)
        nursery.cancel_scope.cancel()


async def test_a_client_that_has_left_is_freed_without_the_garbage_collector() -> None:
    async with serving() as world:
        server = world.gateway.server
        gc.disable()
        try:
            async with feed_client(world) as client:
                await client.subscribe("new")
                (session,) = map(weakref.ref, server.hub.sessions.values())
                assert session() is not None
            await until(lambda: server.places.open == 0)
            await trio.testing.wait_all_tasks_blocked()
            assert session() is None
        finally:
            gc.enable()


async def test_who_follows_the_health_is_told_at_once_and_when_it_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway, "HEALTH_SECONDS", 0.01)
    async with serving() as world, feed_client(world) as client, feed_client(world) as other:
        await client.say({"type": "health"})
        healthy = {"type": "health", "status": "ready", "reasons": [], "degraded": []}
        assert healthy == await client.hear()
        world.conditions.away = [Away("postgres", "connection refused", NOW)]
        told = await client.hear()
        assert ("degraded", ["postgres"]) == (told["status"], [o["name"] for o in told["degraded"]])
        world.conditions.away = []
        assert healthy == await client.hear()
        world.conditions.is_ready = False
        assert ["not just now"] == (await client.hear())["reasons"]
        await other.say({"type": "ping"})  # which does not follow it
        assert "pong" == (await other.hear())["type"]


async def test_who_wants_a_heartbeat_hears_one_each_time_the_health_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway, "HEALTH_SECONDS", 0.01)
    async with serving() as world, feed_client(world) as client, feed_client(world) as other:
        await other.say({"type": "health"})
        await client.say({"type": "health", "heartbeat": True})
        assert "health" == (await client.hear())["type"]
        beats = [await client.hear() for _ in range(3)]
        assert ["heartbeat"] * 3 == [beat["type"] for beat in beats]
        times = [beat["at"] for beat in beats]
        assert sorted(times) == times
        assert times[0] >= NOW * 1000
        await client.say({"type": "health"})  # and no heartbeat from now on
        while "health" != (await client.hear())["type"]:
            pass
        await client.say({"type": "ping"})
        assert "pong" == (await client.hear())["type"]
        await other.say({"type": "ping"})
        assert ["health", "pong"] == [(await other.hear())["type"] for _ in range(2)]


async def test_one_publication_reaches_every_client_with_the_same_bytes() -> None:
    async with serving(clients=30) as world, trio.open_nursery() as nursery:
        heard: list[bytes] = []
        following = 0

        async def follow() -> None:
            nonlocal following
            async with feed_client(world) as client:
                await client.subscribe("new")
                following += 1
                heard.append(orjson.dumps(await client.hear()))

        for _ in range(20):
            nursery.start_soon(follow)
        await until(lambda: following == 20)
        await world.show(make_token(1))
        await until(lambda: len(heard) == 20)
        assert len(set(heard)) == 1
