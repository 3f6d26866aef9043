"""The contract of /api/stream, with real clients on real sockets."""

import socket
from random import Random

import attrs
import orjson
import pytest
import trio

from domain.messages import ClientConnected, ClientLeft
from domain.token import Status
from feed import hub
from feed.board import BOARD_NAMES
from tests.integration.feed.clients import (
    Event,
    EventClient,
    Frame,
    event_client,
    everything,
    feed_client,
    get,
    http_client,
    raw_client,
    serving,
)
from tests.integration.feed.test_websocket import presences
from tests.unit.feed.tokens import NOW, make_token
from tests.unit.feed.worlds import Away, World, until

Boards = dict[str, dict[str, Frame]]


def fold(boards: Boards, event: Event) -> None:
    """Fold an event into what is held, as docs/API.md tells clients to."""
    held = boards.setdefault(event.data["board"], {})
    if event.kind == "snapshot":
        held.clear()
    for change in event.data.get("items", []) + event.data.get("changes", []):
        if change.get("removed"):
            held.pop(change["mint"], None)
        else:
            held[change["mint"]] = held.get(change["mint"], {}) | change


def read_board(world: World, board: str) -> dict[str, Frame]:
    snapshot = orjson.loads(world.gateway.boards.snapshot_message(board))
    return {item["mint"]: item for item in snapshot["items"]}


async def follow(client: EventClient, boards: Boards, until_offset: int) -> None:
    """Fold until the id tells that everything up to the offset is held."""
    while int(client.last_id.rpartition(":")[2] or -1) < until_offset:
        fold(boards, await client.hear_board())


async def test_a_stream_begins_with_the_health_and_every_board_and_goes_on_with_deltas() -> None:
    async with serving() as world:
        token = make_token(1, holder_count=1)
        await world.show(token)
        async with event_client(world) as client:
            assert "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" in client.head + "\r\n"
            events = [await client.hear() for _ in range(5)]
            assert ["health", *["snapshot"] * 4] == [event.kind for event in events]
            assert list(BOARD_NAMES) == [event.data["board"] for event in events[1:]]
            epoch = world.gateway.boards.epoch
            assert [None] * 4 + [f"{epoch}:1"] == [event.id for event in events]
            assert 1000 <= client.retry < 4000
            await world.show(attrs.evolve(token, holder_count=2))
            delta = await client.hear()
            assert ("delta", f"{epoch}:2") == (delta.kind, delta.id)
            assert [{"mint": token.mint, "holderCount": 2}] == delta.data["changes"]


async def test_a_stream_and_a_websocket_are_told_the_same_json() -> None:
    async with (
        serving() as world,
        event_client(world, "?boards=new") as streaming,
        feed_client(world) as client,
    ):
        assert await client.subscribe("new") == (await streaming.hear_board()).data
        await world.show(make_token(1))
        assert await client.hear() == (await streaming.hear_board()).data


async def test_only_the_last_event_of_a_round_has_an_id() -> None:
    """A client that loses its connection between two boards of a round is to get both again."""
    async with serving() as world, event_client(world, "?boards=new,bonded,hot") as client:
        for _ in range(3):
            await client.hear_board()
        world.gateway.boards.catalogue.put_token(make_token(1, hot_score=1.0))
        await world.show(make_token(2, status=Status.BONDED, hot_score=2.0))
        events = [await client.hear_board() for _ in range(3)]
        assert {"new", "bonded", "hot"} == {event.data["board"] for event in events}
        assert 1 == len({event.data["offset"] for event in events})
        assert [None, None, f"{world.gateway.boards.epoch}:1"] == [event.id for event in events]


@pytest.mark.parametrize("by_header", [True, False])
async def test_a_client_that_returns_gets_what_it_has_missed(by_header: bool) -> None:
    async with serving() as world:
        token = make_token(1, holder_count=0)
        await world.show(token)
        boards: Boards = {}
        async with event_client(world) as client:
            await follow(client, boards, 1)
            last_id = client.last_id
        await world.show(attrs.evolve(token, holder_count=1), make_token(2, status=Status.BONDED))
        query = "?since=gone:7" if by_header else f"?since={last_id}"
        headers = {"Last-Event-ID": last_id} if by_header else {}
        async with event_client(world, query, headers) as client:
            events = [await client.hear_board()]
            while events[-1].id is None:
                events.append(await client.hear_board())
            assert {"resumed", "delta"} == {event.kind for event in events}
            for event in events:
                fold(boards, event)
            assert all(read_board(world, name) == boards[name] for name in BOARD_NAMES)


@pytest.mark.parametrize("last_id", ["other:1", "nonsense", "", ":", "é:1", "a:9" + "9" * 30])
async def test_an_id_of_another_life_and_one_that_is_none_take_snapshots(last_id: str) -> None:
    async with serving() as world:
        await world.show(make_token(1))
        headers = {"Last-Event-ID": last_id}
        async with event_client(world, "?boards=new", headers) as client:
            assert "snapshot" == (await client.hear_board()).kind


async def test_the_cursor_of_the_feed_can_be_resumed_from() -> None:
    async with serving() as world:
        await world.show(make_token(1))
        cursor = (await get(world, "/api/warp-pipes/feed")).json["cursor"]
        since = f"?boards=new&since={cursor['epoch']}:{cursor['offset']}"
        async with event_client(world, since) as client:
            assert "resumed" == (await client.hear_board()).kind


@pytest.mark.parametrize(
    "query", ["?boards=best", "?boards=new,", "?since=x", "?since=a:-1", "?minAge=3", "?boards=,"]
)
async def test_what_cannot_be_read_is_refused(query: str) -> None:
    async with serving() as world:
        answer = await get(world, f"/api/stream{query}")
        assert (400, "bad_query") == (answer.status, answer.json["error"]["code"])


async def test_other_methods_get_no_stream() -> None:
    async with serving() as world, raw_client(world) as stream:
        await stream.send_all(b"HEAD /api/stream HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await everything(stream)
        assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        assert head.endswith(b"\r\n\r\n")
        assert head.count(b"\r\n\r\n") == 1
        async with http_client(world) as client:
            assert 405 == (await client.request("/api/stream", method="POST")).status
            assert 204 == (await client.request("/api/stream", method="OPTIONS")).status


async def test_a_page_of_an_allowed_origin_may_read_the_stream() -> None:
    origin = "https://app.example.com"
    async with (
        serving(allowed_origins=origin) as world,
        event_client(world, "?boards=new", {"Origin": origin}) as client,
    ):
        assert f"Access-Control-Allow-Origin: {origin}" in client.head


async def test_a_client_that_is_connected_counts_as_one_who_looks() -> None:
    async with serving() as world:
        async with event_client(world) as client:
            await client.hear()
            (connected,) = await presences(world, 1)
            assert ClientConnected(client=connected.client) == connected
            snapshot = world.gateway.snapshot()
            assert (1, 1) == (snapshot.clients, snapshot.clients_streaming)
        assert [ClientLeft(client=connected.client)] == await presences(world, 1)


async def test_a_silent_stream_has_a_comment_once_an_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert hub.KEEPALIVE_SECONDS == 15
    monkeypatch.setattr(hub, "KEEPALIVE_SECONDS", 0.02)
    async with serving() as world, event_client(world, "?boards=new") as client:
        await client.hear_board()
        await trio.sleep(0.2)  # more comments than a WebSocket may leave pings unanswered
        await world.show(make_token(1))
        await client.hear_board()
        assert client.comments > 4


async def test_a_change_of_the_health_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.gateway.HEALTH_SECONDS", 0.01)
    async with serving() as world, event_client(world, "?boards=new") as client:
        assert "ready" == (await client.hear()).data["status"]
        assert "snapshot" == (await client.hear()).kind
        world.conditions.away = [Away("redis", "gone", NOW)]
        told = await client.hear()
        assert ("health", "degraded", None) == (told.kind, told.data["status"], told.id)


async def test_a_drain_ends_the_stream_behind_what_was_sent() -> None:
    async with serving() as world, event_client(world, "?boards=new") as client:
        await client.hear_board()
        world.inbox.close()
        with pytest.raises(trio.EndOfChannel):
            await client.hear_board()


async def test_a_client_that_speaks_http_1_0_or_says_more_is_served_and_let_go() -> None:
    async with serving() as world, raw_client(world) as stream:
        await stream.send_all(b"GET /api/stream?boards=new HTTP/1.0\r\n\r\n")
        received = b""
        while b"event: snapshot" not in received:
            received += await stream.receive_some()
        assert b"chunked" not in received
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await everything(stream)
        await until(lambda: len(world.gateway.server.hub.sessions) == 0)


async def test_a_client_has_its_share_of_connections_and_requests() -> None:
    limits = {"unlimited_addresses": "", "clients_per_address": 2}
    async with (
        serving(**limits) as world,
        event_client(world, "?boards=new") as client,
        event_client(world, "?boards=new"),
    ):
        assert 'RateLimit: "requests";r=99' in client.head
        refused = await get(world, "/api/stream")
        assert (429, "too_many_connections") == (refused.status, refused.json["error"]["code"])


async def test_a_slow_reader_is_owed_no_more_than_its_queue_and_folds_the_board() -> None:
    random = Random(1)
    async with serving(client_queue_bytes=30_000) as world, raw_client(world) as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client = EventClient(stream)
        await client.begin("/api/stream", {})
        (session,) = world.gateway.server.hub.sessions.values()
        ours = session.outgoing.stream
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        for count in range(400):
            name = random.randbytes(1000).hex()
            await world.show(make_token(count % 8, holder_count=count, hot_score=1.0, name=name))
            assert session.outgoing.queued_bytes <= 30_000
        assert world.gateway.server.hub.broadcast.conflated > 0
        boards: Boards = {}
        await follow(client, boards, world.gateway.boards.offset)
        assert all(read_board(world, name) == boards[name] for name in BOARD_NAMES)


async def test_clients_that_come_and_go_at_random_fold_the_same_boards() -> None:
    """Also where the connection breaks within a round, between two boards of it."""
    random = Random(7)
    async with serving(clients=50, delta_history=30) as world:
        is_over = trio.Event()

        async def keep_following(seed: int, boards: Boards) -> None:
            whims = Random(seed)
            last_id = ""
            while not is_over.is_set():
                headers = {"Last-Event-ID": last_id} if last_id else {}
                async with event_client(world, "", headers) as client:
                    client.last_id = last_id
                    for _ in range(whims.randrange(12)):
                        fold(boards, await client.hear_board())
                    last_id = client.last_id
                await trio.sleep(whims.random() / 50)
            async with event_client(world, "", {"Last-Event-ID": last_id}) as client:
                await follow(client, boards, world.gateway.boards.offset)

        folded: list[Boards] = [{} for _ in range(8)]
        async with trio.open_nursery() as nursery:
            for seed, boards in enumerate(folded):
                nursery.start_soon(keep_following, seed, boards)
            for count in range(150):
                number, status = random.randrange(12), random.choice(list(Status))
                token = make_token(number, status=status, hot_score=1.0 * count)
                world.gateway.boards.catalogue.put_token(make_token(20 + count % 3, hot_score=2.0))
                await world.show(token)
            # A round of all boards, so that every client is told an id.
            await world.show(*(make_token(40 + n, status=s) for n, s in enumerate(Status)))
            is_over.set()  # not before: who came meanwhile would follow as far as the round before
        expected = {name: read_board(world, name) for name in BOARD_NAMES}
        assert [expected] * len(folded) == folded
