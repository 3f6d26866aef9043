"""Asking about many tokens: a bad one costs only itself, a provider in trouble is left in peace."""

from collections import deque
from collections.abc import Mapping, Sequence

import pytest
from attrs import Factory, define
from hypothesis import given
from hypothesis import strategies as st

from actors.jobs.inquiry import MOST_CUTS, MOST_FAILURES, MOST_REFUSALS, Inquiry
from domain.chunks import chunks
from domain.errors import RateLimited, SourceInTrouble, SourceRefused, SourceUnavailable
from domain.values import Mint
from tests.unit.domain.tokens import mint

REFUSED = SourceRefused("scan aborted", code=-32012)
BROKEN = SourceUnavailable("HTTP 504", reason="http_504")


@define
class World:
    """A provider that fails each request in which one of the bad mints is."""

    bad: Mapping[Mint, Exception] = Factory(dict)
    requests: list[list[Mint]] = Factory(list)

    async def fetch(self, mints: Sequence[Mint]) -> Mapping[Mint, int]:
        self.requests.append(list(mints))
        for each in mints:
            if each in self.bad:
                raise self.bad[each]
        return dict.fromkeys(mints, 1)

    async def ask(self, count: int, size: int) -> tuple[Inquiry[int], list[Mint]]:
        """One run about so many mints; the mints that were answered, in order."""
        requests = deque(chunks([mint(number) for number in range(count)], size))
        inquiry = Inquiry(fetch=self.fetch, requests=requests)
        answered: list[Mint] = []
        while (answers := await inquiry.receive_answers()) is not None:
            assert set(answers.mints) == answers.known.keys()
            answered += answers.mints
        return inquiry, answered


@pytest.mark.parametrize("error", [REFUSED, BROKEN], ids=repr)
@pytest.mark.parametrize("place", range(13))
async def test_one_bad_mint_of_thirteen_costs_only_itself(place: int, error: Exception) -> None:
    world = World({mint(place): error})
    inquiry, answered = await world.ask(13, size=1)
    assert [mint(number) for number in range(13) if number != place] == answered
    assert [mint(place)] == inquiry.refused
    assert inquiry.trouble is None
    assert 13 == len(world.requests)


@pytest.mark.parametrize(("size", "most_requests"), [(2, 3), (30, 11), (100, 15)])
async def test_a_bad_mint_of_a_batch_is_found_by_halving(size: int, most_requests: int) -> None:
    for place in range(size):
        world = World({mint(place): BROKEN})
        inquiry, answered = await world.ask(size, size)
        assert {mint(number) for number in range(size)} - {mint(place)} == set(answered)
        assert size - 1 == len(answered)
        assert [mint(place)] == inquiry.refused
        assert len(world.requests) <= most_requests
        assert inquiry.trouble is None


async def test_the_other_batches_go_before_the_halves() -> None:
    world = World({mint(0): BROKEN})
    await world.ask(90, size=30)
    assert [30, 30, 30, 15, 15, 7, 8, 3, 4, 1, 2] == [len(mints) for mints in world.requests]


@given(st.sets(st.integers(0, 199), max_size=6), st.integers(1, 100))
def test_few_bad_mints_anywhere_cost_only_themselves(places: set[int], size: int) -> None:
    import trio  # noqa: PLC0415  a property is no coroutine

    world = World({mint(place): BROKEN for place in places})
    inquiry, answered = trio.run(world.ask, 200, size)
    assert inquiry.trouble is None
    assert len(answered) == len(set(answered))
    assert not set(answered) & world.bad.keys()
    assert set(inquiry.refused) <= world.bad.keys()
    bound = -(-200 // size) + 2 * MOST_CUTS
    assert len(world.requests) <= bound
    if inquiry.cuts < MOST_CUTS:
        assert 200 - len(places) == len(answered)
        assert set(inquiry.refused) == world.bad.keys()


async def test_batches_full_of_bad_mints_take_a_bounded_number_of_requests() -> None:
    bad = {mint(number): BROKEN for number in range(0, 3000, 10)}  # three a batch
    world = World(bad)
    await world.ask(3000, size=30)
    assert len(world.requests) <= 100 + 2 * MOST_CUTS


# The provider itself.


@pytest.mark.parametrize(
    "error", [RateLimited(retry_after_seconds=3.0), SourceInTrouble("connection refused")], ids=repr
)
async def test_a_provider_that_can_serve_nobody_is_asked_no_more(error: Exception) -> None:
    world = World({mint(3): error})
    inquiry, answered = await world.ask(13, size=1)
    assert [mint(0), mint(1), mint(2)] == answered
    assert 4 == len(world.requests)
    assert error is inquiry.trouble
    assert [] == inquiry.refused  # nobody's fault but the provider's


@pytest.mark.parametrize(("error", "most"), [(BROKEN, MOST_FAILURES), (REFUSED, MOST_REFUSALS)])
async def test_failures_in_a_row_for_different_mints_are_the_providers(
    error: Exception, most: int
) -> None:
    world = World({mint(number): error for number in range(100)})
    inquiry, answered = await world.ask(100, size=1)
    assert ([], most) == (answered, len(world.requests))
    assert error is inquiry.trouble
    assert not inquiry.has_answered


async def test_bad_mints_with_good_ones_between_are_not_the_providers_fault() -> None:
    world = World({mint(number): BROKEN for number in range(0, 100, 2)})
    inquiry, answered = await world.ask(100, size=1)
    assert (50, 50, None) == (len(answered), len(inquiry.refused), inquiry.trouble)


async def test_a_batch_full_of_bad_mints_is_not_the_providers_fault_while_others_are_answered() -> (
    None
):
    world = World({mint(number): BROKEN for number in range(30, 60)})
    inquiry, answered = await world.ask(90, size=30)
    assert 60 == len(answered)
    assert inquiry.trouble is None
    assert set(inquiry.refused) <= world.bad.keys()
    assert len(inquiry.refused) > MOST_FAILURES


@pytest.mark.parametrize("size", [30, 100])
async def test_a_provider_that_fails_every_batch_is_left_in_peace_soon(size: int) -> None:
    world = World({mint(number): BROKEN for number in range(1000)})
    inquiry, _ = await world.ask(1000, size)
    assert MOST_FAILURES == len(world.requests)
    assert BROKEN is inquiry.trouble
    alone = World({mint(number): BROKEN for number in range(size)})
    inquiry, _ = await alone.ask(size, size)
    assert len(alone.requests) < 2 * MOST_FAILURES
    assert BROKEN is inquiry.trouble


async def test_a_run_without_one_answer_is_the_providers_fault_unless_it_asked_about_one() -> None:
    few = World({mint(0): BROKEN, mint(1): BROKEN})
    inquiry, _ = await few.ask(2, size=1)
    assert BROKEN is inquiry.trouble
    one = World({mint(0): BROKEN})
    inquiry, _ = await one.ask(1, size=1)
    assert inquiry.trouble is None


async def test_failures_are_counted_by_reason() -> None:
    world = World({mint(0): REFUSED, mint(2): BROKEN})
    inquiry, _ = await world.ask(4, size=2)
    assert {"rpc_-32012": 2, "http_504": 2} == inquiry.failures
