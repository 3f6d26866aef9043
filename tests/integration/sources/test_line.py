"""The renewing WebSocket itself: what may end a conversation, and what may not."""

import trio

from domain.errors import SourceUnavailable
from sources.connection import SourceConnection
from sources.line import Line, LineSettings
from tests.integration.sources.servers import (
    ScriptedServer,
    answers_http,
    says,
    says_and_closes,
)
from tests.patience import PATIENCE_SECONDS
from tests.unit.sources.doubles import Surroundings


def line_to(server: ScriptedServer) -> Line:
    settings = LineSettings(
        url=server.url,
        silence_seconds=PATIENCE_SECONDS,
        reconnect_seconds=0.01,
        reconnect_longest_seconds=0.05,
    )
    return Line(name="somewhere", settings=settings, environment=Surroundings())


async def foreign_cancelled() -> trio.Cancelled:
    """A `Cancelled` whose scope is long gone, as trio-websocket leaks it while closing."""
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as cancelled:
            return cancelled
    raise AssertionError("the scope was cancelled")


async def test_a_foreign_cancellation_ends_the_connection_not_the_line() -> None:
    server, talks = ScriptedServer([says()], subscriptions=0), 0
    arrived_again = trio.Event()

    async def talk(_: SourceConnection) -> None:
        nonlocal talks
        talks += 1
        if talks == 1:
            raise await foreign_cancelled()
        arrived_again.set()
        await trio.sleep_forever()

    async with server.running(), trio.open_nursery() as nursery:
        line = line_to(server)
        nursery.start_soon(line.serve, talk)
        with trio.fail_after(PATIENCE_SECONDS):
            await arrived_again.wait()
        assert line.last_problem == "the connection ended"
        nursery.cancel_scope.cancel()


async def test_a_conversation_that_returns_is_begun_again() -> None:
    server, talks = ScriptedServer([says()], subscriptions=0), 0

    async with server.running(), trio.open_nursery() as nursery:

        async def talk(_: SourceConnection) -> None:
            nonlocal talks
            talks += 1
            if talks == 3:
                nursery.cancel_scope.cancel()

        with trio.fail_after(PATIENCE_SECONDS):
            await line_to(server).serve(talk)
    assert talks == 3


async def test_an_error_of_our_own_is_not_taken_for_a_lost_connection() -> None:
    server = ScriptedServer([says()], subscriptions=0)

    async def talk(_: SourceConnection) -> None:
        raise KeyError("a defect in the code")

    async with server.running():
        caught: list[str] = []
        try:
            with trio.fail_after(PATIENCE_SECONDS):
                await line_to(server).serve(talk)
        except* KeyError as group:
            caught = [str(error) for error in group.exceptions]
        assert caught == ["'a defect in the code'"]
        assert server.connections == 1


async def test_a_healthy_connection_makes_the_next_wait_short_again() -> None:
    server, talks = ScriptedServer([says()], subscriptions=0), 0

    async with server.running(), trio.open_nursery() as nursery:
        line = line_to(server)
        line.backoff.attempts = 50

        async def talk(_: SourceConnection) -> None:
            nonlocal talks
            talks += 1
            if talks == 2:
                nursery.cancel_scope.cancel()
            await trio.sleep(0.06)  # longer than the longest wait

        with trio.fail_after(PATIENCE_SECONDS):
            await line.serve(talk)
    assert line.backoff.attempts < 5


async def test_an_outage_and_its_end_are_reported_by_name() -> None:
    refuses = answers_http(b"502 Bad Gateway")
    server = ScriptedServer(
        [says_and_closes("a", "b"), *[refuses] * 5, says("c", "d")],
        subscriptions=0,
        raw=frozenset(range(1, 6)),
    )
    serving_again = trio.Event()

    async def talk(connection: SourceConnection) -> None:
        while True:
            if "d" in await line.receive_frames(connection):
                serving_again.set()

    async with server.running(), trio.open_nursery() as nursery:
        line = line_to(server)
        nursery.start_soon(line.serve, talk)
        with trio.fail_after(PATIENCE_SECONDS):
            await serving_again.wait()
        nursery.cancel_scope.cancel()
    surroundings = line.environment
    assert isinstance(surroundings, Surroundings)
    told = [each for each in surroundings.log.lines if each[0] != "debug"]
    assert told == [("info", "connected")]  # readiness tells of the outage
    outages = surroundings.readiness.outages
    assert {("somewhere", "somewhere")} == {(name, reporter) for name, reporter, _ in outages}
    problems = [problem for *_, problem in outages]
    assert problems[0] is None
    assert str(problems[1]).startswith("closed by the server")
    assert problems[2:] == ["HTTP 502 at the upgrade"] * 5 + [None]


async def test_a_server_that_accepts_and_refuses_everything_is_away_all_the_time() -> None:
    server, talks = ScriptedServer([says("no")], subscriptions=0), 0

    async def talk(connection: SourceConnection) -> None:
        nonlocal talks
        talks += 1
        raise SourceUnavailable(f"refused: {await line.receive_frames(connection)!r}")

    async with server.running(), trio.open_nursery() as nursery:
        line = line_to(server)
        nursery.start_soon(line.serve, talk)
        with trio.fail_after(PATIENCE_SECONDS):
            while talks < 5:
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    surroundings = line.environment
    assert isinstance(surroundings, Surroundings)
    assert len(surroundings.readiness.outages) >= 4
    assert None not in [problem for *_, problem in surroundings.readiness.outages]
