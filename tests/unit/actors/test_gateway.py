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
from actors.gateway import PRUNED_AT_ONCE, GatewaySnapshot
from domain.errors import AddressUnavailable
from domain.messages import (
    CensusTaken,
    CensusWanted,
    RosterTold,
    RosterWanted,
    StatisticsPublished,
    TokenPublished,
)
from domain.values import Mint, UnixSeconds
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
        server.connections, server.refused, server.failed = 4, 5, 6
        server.hub.served = 7
        world.gateway.statistics.dropped = 10
        world.gateway.boards.catalogue.put_statistics(mint_of(3), make_statistics())
        server.hub.broadcast.conflated, server.hub.broadcast.refused = 8, 9
        assert world.gateway.snapshot() == GatewaySnapshot(
            addresses=tuple(world.gateway.addresses),
            epoch=world.gateway.boards.epoch,
            offset=2,
            tokens=2,
            boards={"new": 2, "graduating": 0, "bonded": 0, "hot": 1},
            connections=4,
            connections_refused=5,
            connections_failed=6,
            clients=0,
            clients_served=7,
            clients_conflated=8,
            frames_refused=9,
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


async def test_statistics_make_a_delta_and_stay_with_the_token(
    autojump_clock: MockClock,
) -> None:
    async with running() as world:
        early, late = make_statistics(buys=1), make_statistics(buys=2)
        tokens = world.gateway.boards.catalogue.tokens
        await world.inbox.send(StatisticsPublished(mint=mint_of(1), statistics=early))
        await world.publish(make_token(1))
        await trio.sleep(1)
        assert (world.gateway.boards.offset, tokens[mint_of(1)].statistics) == (1, early)
        await world.inbox.send(StatisticsPublished(mint=mint_of(1), statistics=late))
        await trio.sleep(1)
        await world.publish(make_token(1, holder_count=5))
        await trio.sleep(1)
        token = tokens[mint_of(1)]
        assert (world.gateway.boards.offset, token.statistics, token.holder_count) == (3, late, 5)


async def test_a_restarted_gateway_remembers_the_statistics(autojump_clock: MockClock) -> None:
    async with running() as world:
        await world.publish(make_token(1))
        message = StatisticsPublished(mint=mint_of(1), statistics=make_statistics())
        await world.inbox.send(message)
        await trio.sleep(1)
        memory = world.gateway.statistics
    async with running(statistics=memory) as world:
        await world.publish(make_token(1))
        await trio.sleep(1)
        token = world.gateway.boards.catalogue.tokens[mint_of(1)]
        assert message.statistics == token.statistics


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
                visit: Any = world.gateway.server.hub._attend_client
                nursery.start_soon(visit, PassingClient(client), None)
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
        await world.inbox.send_all((TokenPublished(token=make_token(1)), RosterTold()))
        await trio.sleep(3)
    unfilled = (0, "the boards are not filled yet")
    assert world.conditions.said == [unfilled, (2, None), (5, "not listening")]


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
