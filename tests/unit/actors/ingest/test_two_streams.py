"""Two streams of the same world, one of them cut again and again: nothing is missing or twice."""

from collections import Counter
from random import Random

import pytest
import trio
from trio.testing import MockClock

from domain.messages import MigrationSeen, TokenCreated, TradeSeen
from domain.token import Status
from tests.unit.actors.ingest.events import altered
from tests.unit.actors.ingest.ingest_world import IngestWorld
from tests.unit.actors.ingest.stream_world import (
    Cut,
    StreamOfWorld,
    fold_messages,
    make_cuts,
    make_world,
)
from tests.unit.actors.world import at, mint, running

TEN_MINUTES = 600.0
CUTS = 50


async def play(world: IngestWorld, *streams: StreamOfWorld) -> None:
    async with running(world.ingest()):
        async with trio.open_nursery() as nursery:
            for stream in streams:
                nursery.start_soon(stream.run, world.events)
        await trio.sleep(10.0)


def check_world(world: IngestWorld, streams: tuple[StreamOfWorld, ...]) -> None:
    """Whatever one of the streams has told is there, once."""
    happened = [event for _, event in streams[0].happenings]
    tokens = fold_messages(world.sync.messages)
    births = {event.mint for event in happened if isinstance(event, TokenCreated)}
    assert births == tokens.keys() == set(world.stored_mints)

    moved = {event.mint: event for event in happened if isinstance(event, MigrationSeen)}
    assert moved.keys() == {m for m, token in tokens.items() if token.status is Status.BONDED}
    trades = Counter((t.signature, t.mint, t.side, t.ordinal) for t in world.trades.messages)
    assert {
        (t.signature, t.mint, t.side, t.ordinal) for t in happened if isinstance(t, TradeSeen)
    } == set(trades)
    assert {1} == set(trades.values())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("cut_source", ["pumpportal", "pumpapi", "chain"])
async def test_of_two_streams_one_is_cut_fifty_times(
    autojump_clock: MockClock, seed: int, cut_source: str
) -> None:
    random = Random(f"{seed} {cut_source}")
    happenings = make_world(random, TEN_MINUTES)
    other = "pumpportal" if cut_source != "pumpportal" else "chain"
    cut = StreamOfWorld(
        cut_source, random.uniform(0, 2), happenings, make_cuts(random, CUTS, TEN_MINUTES)
    )
    whole = StreamOfWorld(other, random.uniform(0, 2), happenings)
    world = IngestWorld()
    await play(world, cut, whole)
    assert 0 < cut.sent < whole.sent == len(happenings)
    check_world(world, (whole, cut))


@pytest.mark.parametrize("seed", range(5))
async def test_both_are_cut_but_never_at_the_same_time(
    autojump_clock: MockClock, seed: int
) -> None:
    """Also a cut that hides an event at one stream only because of the other's lag."""
    random = Random(seed)
    happenings = make_world(random, TEN_MINUTES)
    lags = {"pumpapi": 0.4, "pumpportal": 1.1}
    cuts: dict[str, list[Cut]] = {source: [] for source in lags}
    for slot in range(CUTS * 2):  # each its own twelfth of a minute, with room for both lags
        begin = slot * TEN_MINUTES / (CUTS * 2)
        cut = Cut(begin, begin + random.uniform(0.5, 4.0))
        cuts[("pumpapi", "pumpportal")[slot % 2]].append(cut)
    streams = tuple(StreamOfWorld(s, lag, happenings, cuts[s]) for s, lag in lags.items())
    world = IngestWorld()
    await play(world, *streams)
    assert all(stream.sent < len(happenings) for stream in streams)
    check_world(world, streams)


async def test_the_better_streams_pool_and_time_come_through_the_cuts(
    autojump_clock: MockClock,
) -> None:
    random = Random(11)
    happenings = make_world(random, TEN_MINUTES)
    cuts = make_cuts(random, CUTS, TEN_MINUTES)
    chain = StreamOfWorld("chain", 0.3, happenings, cuts)
    portal = StreamOfWorld("pumpportal", 0.9, happenings)
    world = IngestWorld()
    await play(world, chain, portal)
    heard = [
        event
        for second, event in happenings
        if isinstance(event, MigrationSeen) and not any(c.hides(second + 0.3) for c in cuts)
    ]
    tokens = fold_messages(world.sync.messages)
    assert heard
    assert [event.pool_address for event in heard] == [
        tokens[event.mint].pool_address for event in heard
    ]


async def test_a_late_lot_for_a_gap_is_taken_as_if_it_had_come_in_time(
    autojump_clock: MockClock,
) -> None:
    """Both streams are away for five minutes; then the chain's births of the gap are fetched."""
    happenings = [
        (second, event)
        for second, event in make_world(Random(3), TEN_MINUTES)
        if isinstance(event, TokenCreated | MigrationSeen)
    ]
    gap = Cut(100.0, 400.0)
    chain = StreamOfWorld("chain", 0.0, happenings, [gap])
    world = IngestWorld()
    async with running(world.ingest()):
        await chain.run(world.events)
        for second, event in happenings:
            if gap.hides(second):
                late = altered(chain.tell(second, event), seen_at=at(trio.current_time()))
                await world.send(late)
        await trio.sleep(10.0)
    tokens = fold_messages(world.sync.messages)
    for second, event in happenings:
        token = tokens[event.mint]
        if isinstance(event, TokenCreated):
            assert abs(token.first_seen_at - at(second)) <= 1.0
        else:
            assert token.status_changed_at is not None
            assert abs(token.status_changed_at - at(second)) <= 1.0
    assert mint(1) in tokens
