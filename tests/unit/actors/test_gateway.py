"""The gateway's clockwork: when it publishes, prunes and reports. Its sockets are tested apart."""

import socket
from random import Random
from typing import Any

import attrs
import pytest
import trio
from attrs import define
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.activity import ActivityMemory, ActivityMonitor, ActivityOutboxes
from actors.gateway import PRUNED_AT_ONCE, TOKENS_AT_ONCE, GatewaySnapshot
from domain.errors import AddressUnavailable
from domain.messages import (
    CensusTaken,
    CensusWanted,
    RosterTold,
    RosterWanted,
    StatisticsPublished,
    TokensPublished,
)
from domain.token import Token
from domain.values import Mint, UnixSeconds
from feed.catalogue import Catalogue
from feed.places import ADDRESS_FULL, REASONS
from feed.view_query import parse_view
from tests.unit.actors.world import SETTINGS, Sent, environment
from tests.unit.feed.tokens import NOW, make_statistics, make_token, mint_of
from tests.unit.feed.worlds import make_world, running


@define
class PassingClient:
    """A session of a client that leaves as soon as it has come."""

    client: int
    offset: int = 0
    watched: frozenset[Mint] = frozenset()

    async def serve_client(self, connection: object) -> None:
        await trio.lowlevel.checkpoint()


async def test_a_token_is_published_at_once_after_a_quiet_time(
    autojump_clock: MockClock,
) -> None:
    async with running() as world:
        await trio.sleep(10)
        await world.publish(make_token())
        await wait_all_tasks_blocked()
        assert (trio.current_time(), world.gateway.boards.count_tokens()["new"]) == (10, 1)


async def test_snapshot_tells_what_is_shown_to_whom(autojump_clock: MockClock) -> None:
    async with running() as world:
        await world.publish(make_token(1, hot_score=5.0))
        await trio.sleep(1)
        await world.publish(make_token(2))
        await trio.sleep(1)
        server = world.gateway.server
        server.places.open, server.places.refused[ADDRESS_FULL], server.failed = 4, 5, 6
        server.hub.served = 7
        world.gateway.statistics.dropped = 10
        world.gateway.boards.catalogue.put_statistics(mint_of(3), make_statistics())
        deflated = server.hub.broadcast.deflated_frames
        deflated.input_bytes, deflated.output_bytes = 12, 3
        server.hub.broadcast.conflated, server.hub.broadcast.refused = 8, 9
        assert world.gateway.snapshot() == GatewaySnapshot(
            addresses=tuple(world.gateway.addresses),
            epoch=world.gateway.boards.epoch,
            offset=2,
            tokens=2,
            views=0,
            views_refused=0,
            boards={"new": 2, "graduating": 0, "bonded": 0, "hot": 1},
            connections=4,
            connections_refused=dict.fromkeys(REASONS, 0) | {ADDRESS_FULL: 5},
            connections_failed=6,
            clients=0,
            clients_streaming=0,
            tokens_followed=0,
            clients_deflated=0,
            clients_served=7,
            clients_conflated=8,
            frames_refused=9,
            deflate_input_bytes=12,
            deflate_output_bytes=3,
            pruned=0,
            statistics_waiting=1,
            statistics_dropped=10,
        )
        assert 1 == len(world.gateway.addresses)


async def test_what_follows_within_an_interval_becomes_one_delta(
    autojump_clock: MockClock,
) -> None:
    async with running() as world:
        await world.publish(make_token(1))
        await wait_all_tasks_blocked()
        await world.publish(make_token(2))
        await trio.sleep(0.2)
        await world.publish(make_token(3))
        await trio.sleep(0.04)
        assert (world.gateway.boards.offset, world.gateway.boards.count_tokens()["new"]) == (1, 1)
        await trio.sleep(0.02)
        assert (world.gateway.boards.offset, world.gateway.boards.count_tokens()["new"]) == (2, 3)


async def test_time_alone_changes_a_view_within_a_second_although_no_message_comes(
    autojump_clock: MockClock,
) -> None:
    async with running() as world:
        await world.publish(make_token(1))
        await trio.sleep(10)
        boards, young = world.gateway.boards, parse_view({"filters": {"maxAge": 2}})
        boards.open_view(young)
        boards.views.hold_view(young.name)
        await trio.sleep(49.9)
        assert boards.views.living[young.name].board.published
        await trio.sleep(1.3)
        assert not boards.views.living[young.name].board.published
        boards.views.release_view(young.name)
        await trio.sleep(61)
        assert not boards.views.living


async def test_statistics_make_a_delta_and_stay_with_the_token(
    autojump_clock: MockClock,
) -> None:
    async with running() as world:
        early, late = make_statistics(buys=1), make_statistics(buys=2)
        tokens = world.gateway.boards.catalogue.tokens
        await world.inbox.send(StatisticsPublished(statistics={mint_of(1): early}))
        await world.publish(make_token(1))
        await trio.sleep(1)
        assert (world.gateway.boards.offset, tokens[mint_of(1)].statistics) == (1, early)
        await world.inbox.send(StatisticsPublished(statistics={mint_of(1): late}))
        await trio.sleep(1)
        await world.publish(make_token(1, holder_count=5))
        await trio.sleep(1)
        token = tokens[mint_of(1)]
        assert (world.gateway.boards.offset, token.statistics, token.holder_count) == (3, late, 5)


async def test_a_restarted_gateway_remembers_the_statistics(autojump_clock: MockClock) -> None:
    async with running() as world:
        await world.publish(make_token(1))
        message = StatisticsPublished(statistics={mint_of(1): make_statistics()})
        await world.inbox.send(message)
        await trio.sleep(1)
        memory = world.gateway.statistics
    async with running(statistics=memory) as world:
        await world.publish(make_token(1))
        await trio.sleep(1)
        token = world.gateway.boards.catalogue.tokens[mint_of(1)]
        assert message.statistics[mint_of(1)] == token.statistics


async def test_under_load_deltas_follow_one_another_at_the_interval(
    autojump_clock: MockClock,
) -> None:
    times: list[float] = []
    async with running() as world:
        for number in range(32):
            await world.publish(make_token(holder_count=number))
            await wait_all_tasks_blocked()
            if world.gateway.boards.offset > len(times):
                times.append(trio.current_time() // 0.25 * 0.25)
            await trio.sleep(0.0625)
    assert times == [0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]


async def test_an_idle_gateway_publishes_nothing(autojump_clock: MockClock) -> None:
    async with running() as world:
        await trio.sleep(3600)
        assert world.gateway.boards.offset == 0


async def test_tokens_leave_the_boards_when_their_retention_ends(
    autojump_clock: MockClock,
) -> None:
    async with running() as world:
        await world.publish(make_token(first_seen_at=NOW))
        await trio.sleep(48 * 3600 - 1)
        assert world.gateway.boards.count_tokens()["new"] == 1
        await trio.sleep(61)
        assert world.gateway.boards.count_tokens()["new"] == 0
        assert world.gateway.snapshot().pruned == 1


async def test_a_start_asks_for_the_roster_and_says_that_nobody_is_here(
    autojump_clock: MockClock,
) -> None:
    world = make_world()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.gateway.run)
        assert RosterWanted(subscriber="gateway", wants_end=True) == await anext(world.roster)
        assert CensusTaken(watched={}) == await anext(world.presences)
        world.inbox.close()


async def test_a_full_mailbox_of_sync_does_not_keep_the_gateway_from_publishing(
    autojump_clock: MockClock,
) -> None:
    world = make_world()
    for _ in range(world.roster.capacity):
        await world.roster.send(RosterWanted(subscriber="somebody"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.gateway.run)
        await trio.sleep(10)
        await world.publish(make_token())
        await wait_all_tasks_blocked()
        assert 1 == world.gateway.boards.count_tokens()["new"]
        asked = [await anext(world.roster) for _ in range(world.roster.capacity + 1)]
        assert RosterWanted(subscriber="gateway", wants_end=True) == asked[-1]
        world.inbox.close()


async def test_many_tokens_that_expire_together_leave_others_their_turn(
    autojump_clock: MockClock,
) -> None:
    world = make_world()
    catalogue = world.gateway.boards.catalogue
    for number in range(500):
        catalogue.put_token(make_token(number, first_seen_at=UnixSeconds(NOW - 48 * 3600)))
    left_at_each_turn: list[int] = []

    async def take_turns() -> None:
        while catalogue.tokens:
            await trio.lowlevel.checkpoint()
            left_at_each_turn.append(len(catalogue.tokens))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_turns)
        nursery.start_soon(world.gateway.prune_expired)
    # Once between two batches, or between two pairs of them: tasks run in any order.
    assert len(set(left_at_each_turn)) >= 500 / PRUNED_AT_ONCE / 2
    assert 500 == world.gateway.pruned


async def test_a_census_is_taken_whenever_activity_wants_one(autojump_clock: MockClock) -> None:
    async with running() as world:
        await anext(world.presences)
        await world.inbox.send(CensusWanted())
        assert CensusTaken(watched={}) == await anext(world.presences)


async def visit(world: Any, client: Any) -> None:
    with world.gateway.server.hub.attending(client):
        await client.serve_client(None)


async def test_a_census_agrees_with_who_comes_and_goes_in_the_same_tick(
    autojump_clock: MockClock,
) -> None:
    """Else a client that has left would be counted for ever, and the system never be idle."""
    async with running() as world:
        activity = ActivityMonitor(
            presences=world.presences,
            settings=SETTINGS.activity,
            environment=environment(),
            memory=ActivityMemory(),
            outboxes=ActivityOutboxes(control=(), updates=Sent(), census=Sent()),
        )
        for client in range(100):
            world.gateway.census_wanted = True
            async with trio.open_nursery() as nursery:
                nursery.start_soon(visit, world, PassingClient(client))
                for _ in range(client % 4):  # at every moment of the visit, in any order of tasks
                    await trio.lowlevel.checkpoint()
                await world.gateway.publish_changes()
            activity.take_presences(await world.presences.receive_batch(1000))
            assert {} == activity.watched


async def test_what_the_mailbox_still_holds_when_it_closes_is_published(
    autojump_clock: MockClock,
) -> None:
    world = make_world()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.gateway.run)
        await anext(world.roster)
        await world.publish(*(make_token(number) for number in range(3)))
        world.inbox.close()
    assert world.gateway.boards.count_tokens()["new"] == 3
    assert trio.current_time() == 0


async def test_the_gateway_is_ready_once_its_boards_are_filled(autojump_clock: MockClock) -> None:
    async with running() as world:
        await trio.sleep(2)
        published = TokensPublished(tokens={mint_of(1): make_token(1)})
        await world.inbox.send_all((published, RosterTold()))
        await trio.sleep(3)
    unfilled = (0, "the boards are not filled yet")
    assert world.conditions.said == [unfilled, (2, None), (5, "not listening")]


async def test_silent_tokens_come_after_the_boards_and_the_newest_of_each_counts(
    autojump_clock: MockClock,
) -> None:
    silent = [make_token(number, silent=True) for number in range(900)]
    roster = TokensPublished(tokens={t.mint: t for t in (*silent, make_token(900))})
    traded = make_token(0, silent=False)
    async with running() as world:
        catalogue = world.gateway.boards.catalogue
        await world.inbox.send_all((roster, RosterTold()))
        while world.conditions.said[-1][1] is not None:
            await trio.lowlevel.checkpoint()
        assert {"new": 1} == {n: c for n, c in world.gateway.boards.count_tokens().items() if c}
        assert len(catalogue.tokens) < 901
        assert ["silent tokens"] == [each.name for each in world.conditions.away]
        await world.publish(traded)
        await trio.sleep(1)
        assert 901 == len(catalogue.tokens)
        assert catalogue.tokens[traded.mint] == traded
        assert not world.conditions.away


async def test_a_cancelled_gateway_is_not_ready(autojump_clock: MockClock) -> None:
    world = make_world()
    with trio.move_on_after(1):
        await world.gateway.run()
    assert world.conditions.said[-1] == (1, "not listening")


async def test_an_address_in_use_is_told_by_name_after_some_attempts(
    autojump_clock: MockClock,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        world = make_world(port=port)
        reason = f"cannot listen on 127.0.0.1:{port}: Address already in use"
        with pytest.raises(AddressUnavailable, match=f"^{reason}$"):
            await world.gateway.run()
    assert 2.5 == trio.current_time()
    assert [("address is taken; trying again", reason)] == [
        (entry["event"], entry["error"]) for entry in world.log.entries
    ]


async def test_an_address_whose_owner_leaves_is_taken_over(autojump_clock: MockClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        world = make_world(port=port)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.gateway.run)
            await trio.sleep(1.2)
            assert [] == world.conditions.said
            other.close()
            await anext(world.roster)
            assert 1.5 == trio.current_time() == world.conditions.said[0][0]
            world.inbox.close()


async def test_a_restarted_gateway_listens_on_the_same_port_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for _ in range(2):
        world = make_world(port=port)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.gateway.run)
            await anext(world.roster)
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
            nursery.cancel_scope.cancel()  # our side closes first and is left in TIME_WAIT
        await stream.aclose()


async def test_every_life_has_an_epoch_of_its_own() -> None:
    chance = Random(7)
    worlds = []
    for _ in range(2):
        world = make_world()
        environment = attrs.evolve(world.gateway.environment, random=chance)
        worlds.append(attrs.evolve(world.gateway, environment=environment))
    assert worlds[0].boards.epoch != worlds[1].boards.epoch


async def test_a_large_publication_delays_no_round(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[int] = []
    put_token = Catalogue.put_token
    async with running() as world:
        boards = world.gateway.boards
        interval_seconds = world.gateway.plan.gateway.delta_interval_seconds

        def put_slowly(catalogue: Catalogue, token: Token) -> None:
            autojump_clock.jump(1.01 * interval_seconds / TOKENS_AT_ONCE)
            put_token(catalogue, token)
            rounds.append(boards.offset)

        monkeypatch.setattr(Catalogue, "put_token", put_slowly)
        births = [UnixSeconds(NOW + number) for number in range(3 * TOKENS_AT_ONCE)]
        tokens = [make_token(n, first_seen_at=birth) for n, birth in enumerate(births)]
        await world.inbox.send(TokensPublished(tokens={token.mint: token for token in tokens}))
        await trio.sleep(1)
    assert [0, 1, 2] == rounds[::TOKENS_AT_ONCE]
