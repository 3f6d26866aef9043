"""Turns, and what one address may have of them."""

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from domain.errors import RequestRefused
from feed.turns import Turns

A, B = "198.51.100.7", "198.51.100.8"


async def have_turns(turns: Turns, gate: trio.Event, asking: dict[str | None, int]) -> list[str]:
    """Who has had a turn and who was refused, in this order."""
    told: list[str] = []

    async def ask(block: str | None) -> None:
        try:
            async with turns.take_turn(block):
                await gate.wait()
                told.append(f"turn of {block}")
        except RequestRefused as refusal:
            told.append(f"{refusal.code} for {block}")

    async with trio.open_nursery() as nursery:
        for block, count in asking.items():
            for _ in range(count):
                nursery.start_soon(ask, block)
            await wait_all_tasks_blocked()
        gate.set()
    return told


async def test_a_few_have_a_turn_some_wait_and_the_rest_is_refused() -> None:
    told = await have_turns(Turns(2, 4), trio.Event(), {None: 8})
    assert ["too_many_requests for None"] * 2 + ["turn of None"] * 6 == told


async def test_an_address_has_half_of_it_and_leaves_the_rest_to_others() -> None:
    told = await have_turns(Turns(2, 4), trio.Event(), {A: 6, B: 3, None: 1})
    refused, turns = told[:4], told[4:]
    assert [f"too_many_requests for {A}"] * 3 == refused[:3]
    assert ["too_many_requests for None"] == refused[3:]
    assert sorted([f"turn of {A}"] * 3 + [f"turn of {B}"] * 3) == sorted(turns)


async def test_who_gives_up_waiting_is_counted_no_more(autojump_clock: MockClock) -> None:
    turns = Turns(1, 3)

    async def have_turn(seconds: float) -> None:
        with trio.move_on_after(seconds):
            async with turns.take_turn(A):
                await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        for seconds in (3, 1):
            nursery.start_soon(have_turn, seconds)
        await trio.sleep(0.5)
        assert ({A: 2}, 1) == (turns._taken, turns.count_waiting())
        await trio.sleep(1)
        assert ({A: 1}, 0) == (turns._taken, turns.count_waiting())
    assert {} == turns._taken
