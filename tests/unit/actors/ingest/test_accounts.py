"""Accounts of one token in any order: the token that comes of them is always the same."""

from collections.abc import Sequence
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.ingest.accounts import SHIFTS, FieldRanks, rank_source
from domain.messages import IngestMessage, MigrationSeen, SourceEvent, TokenCreated
from domain.token import BIRTH_PROFILE_FIELDS, Token
from domain.values import WRAPPED_SOL, Mint
from tests.unit.actors.ingest.ingest_world import IngestWorld
from tests.unit.actors.ingest.stream_world import fold_messages
from tests.unit.actors.world import at, mint, running, until

SOURCES = ("chain", "pumpapi", "pumpportal", "unnamed")
USDC = Mint("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
HAPPENED_AT = at(-2.0)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


@st.composite
def births(draw: st.DrawFn, source: str) -> TokenCreated:
    """What one stream might say of the birth of mint 1."""
    text = st.sampled_from(["a", "b", "c"])
    return TokenCreated(
        mint=mint(1),
        seen_at=at(0.0),
        signature="create",
        source=source,
        at=HAPPENED_AT,
        venue=draw(st.sampled_from(["pumpfun", "launchlab", "unknown"])),
        quote_mint=draw(st.sampled_from([WRAPPED_SOL, USDC])),
        name=draw(maybe(text)),
        symbol=draw(maybe(text)),
        metadata_uri=draw(maybe(text)),
        creator_wallet=draw(maybe(text)),
        bonding_curve_key=draw(maybe(text)),
        decimals=draw(maybe(st.integers(0, 9))),
        total_supply=draw(maybe(st.sampled_from(["1000000000", "2000000000"]))),
        freeze_revoked=draw(maybe(st.booleans())),
        mint_renounced=draw(maybe(st.booleans())),
        initial_buy_sol=draw(maybe(st.sampled_from([0.5, 1.0]))),
    )


@st.composite
def migrations(draw: st.DrawFn, source: str) -> MigrationSeen:
    return MigrationSeen(
        mint=mint(1),
        seen_at=at(0.0),
        signature="migrate",
        source=source,
        at=HAPPENED_AT,
        venue=draw(st.sampled_from(["pumpswap", "raydium", "unknown"])),
        pool_address=draw(maybe(st.sampled_from([mint(7), mint(8)]))),
    )


@st.composite
def told_twice(draw: st.DrawFn) -> tuple[list[SourceEvent], list[SourceEvent], bool]:
    """The same accounts in two orders, and whether they come before the first commit or after."""
    sources = draw(st.lists(st.sampled_from(SOURCES), min_size=1, unique=True))
    events: list[SourceEvent] = [draw(births(source)) for source in sources]
    for source in draw(st.lists(st.sampled_from(SOURCES), unique=True)):
        events.append(draw(migrations(source)))
    return draw(st.permutations(events)), draw(st.permutations(events)), draw(st.booleans())


def hear(events: Sequence[IngestMessage], *, at_once: bool) -> Token:
    """The token after all of the events, as sync has it."""
    world = IngestWorld()

    async def run() -> None:
        async with running(world.ingest()):
            for number, event in enumerate(events):
                await world.send(event)
                await until(trio.current_time() + (0.0 if at_once else number + 1.0))
            await until(trio.current_time() + 30.0)

    trio.run(run, clock=MockClock(autojump_threshold=0.0))
    [token] = fold_messages(world.sync.messages).values()
    return token


def what_is_known(token: Token) -> dict[str, object]:
    names = (*BIRTH_PROFILE_FIELDS, "pool_address", "status", "status_changed_at", "first_seen_at")
    known = {name: getattr(token, name) for name in names}
    # A venue that nobody could name stays what the first one said.
    known["pool_type"] = None if token.pool_type == "unknown" else token.pool_type
    return known


@settings(max_examples=60, deadline=None)
@given(told_twice())
def test_the_token_is_the_same_in_any_order(
    told: tuple[list[SourceEvent], list[SourceEvent], bool],
) -> None:
    one, other, at_once = told
    assert what_is_known(hear(one, at_once=at_once)) == what_is_known(hear(other, at_once=False))


@settings(max_examples=60, deadline=None)
@given(told_twice())
def test_each_field_is_the_best_streams_word_for_it(
    told: tuple[list[SourceEvent], list[SourceEvent], bool],
) -> None:
    events, _, at_once = told
    token = hear(events, at_once=at_once)
    best_last = sorted(events, key=lambda event: rank_source(event.source))
    expected: dict[str, object] = dict.fromkeys(("name", "decimals", "mint_renounced"))
    for event in best_last:
        for name in expected:
            if getattr(event, name, None) is not None:
                expected[name] = getattr(event, name)
    assert expected == {name: getattr(token, name) for name in expected}


@given(st.lists(st.tuples(st.sampled_from(sorted(SHIFTS)), st.integers(1, 4)), max_size=40))
def test_ranks_of_fields_do_not_touch_one_another(told: list[tuple[str, int]]) -> None:
    ranks, expected = FieldRanks(), dict.fromkeys(SHIFTS, 0)
    for name, rank in told:
        assert bool(ranks.take_above({name: 1}, rank)) == (rank > expected[name])
        expected[name] = max(expected[name], rank)
    assert expected == {name: ranks.read_rank(name) for name in SHIFTS}
    for name in SHIFTS:
        ranks.forget_rank(name)
    assert 0 == ranks.ranks
