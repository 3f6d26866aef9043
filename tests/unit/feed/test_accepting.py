"""Accepting while there are no file descriptors, on a clock of its own."""

import errno
import os
from collections.abc import Iterator
from typing import Any

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from feed.accepting import AGAIN_SECONDS, CALM_SECONDS, SHORTAGES, Acceptor
from feed.descriptors import SPARE_DESCRIPTORS, SpareDescriptors
from feed.limits import AddressLimits
from feed.places import NO_DESCRIPTORS, Places
from tests.unit.feed.worlds import SETTINGS

PEER = "198.51.100.7"


@define
class Scarce:
    """A listener that fails, or gives a connection, as it is told."""

    answers: Iterator[int | None]
    attempts: list[float] = field(factory=list)

    async def accept(self) -> object:
        await trio.lowlevel.checkpoint()
        self.attempts.append(trio.current_time())
        error = next(self.answers, 0)
        if error == 0:
            await trio.sleep_forever()
        if error is not None:
            raise OSError(error, os.strerror(error))
        return object()


@define
class Rig:
    places: Places = field(factory=lambda: Places(SETTINGS, AddressLimits(SETTINGS)))
    reports: list[tuple[float, str | None]] = field(factory=list)
    served: int = 0

    async def accept_for(self, seconds: float, *answers: int | None) -> Scarce:
        listener: Any = Scarce(iter(answers))
        acceptor = Acceptor(self.places, lambda p: self.reports.append((trio.current_time(), p)))

        async def serve(stream: object) -> None:
            self.served += 1

        with trio.move_on_after(seconds):
            async with trio.open_nursery() as connections:
                await acceptor.accept_connections(listener, serve, connections)
        scarce: Scarce = listener
        return scarce


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    rig.places.spares.take_back()
    yield rig
    rig.places.spares.close()


@pytest.mark.parametrize("shortage", SHORTAGES)
async def test_a_spare_descriptor_is_lent_and_the_shortage_told_once(
    rig: Rig, shortage: int, autojump_clock: MockClock
) -> None:
    listener = await rig.accept_for(60, shortage, None, shortage, shortage, None)
    assert (2, [0.0] * 6) == (rig.served, listener.attempts)
    problem = f"{os.strerror(shortage)}; 0 connections are open"
    assert [(0.0, problem), (CALM_SECONDS, None)] == rig.reports


async def test_without_a_spare_it_neither_spins_nor_gives_up(
    rig: Rig, autojump_clock: MockClock
) -> None:
    lasting = [errno.EMFILE] * (SPARE_DESCRIPTORS + 100)
    listener = await rig.accept_for(60, *lasting, None)
    assert 1 == rig.served
    assert SPARE_DESCRIPTORS + 1 == listener.attempts.count(0.0)
    waits = [time for time in listener.attempts if time > 0]
    assert [AGAIN_SECONDS * n for n in range(1, 101)] == pytest.approx(waits[:100])
    assert 2 == len(rig.reports)  # its beginning and its end
    assert waits[-2] + CALM_SECONDS <= rig.reports[-1][0] <= waits[-2] + 2 * CALM_SECONDS


async def test_a_shortage_that_comes_back_at_once_is_the_same_one(
    rig: Rig, autojump_clock: MockClock
) -> None:
    """Where every descriptor is in use, each connection that ends and each that comes is one."""

    async def come_and_go() -> None:
        for _ in range(20):
            rig.places.spares.take_back()
            await trio.sleep(CALM_SECONDS / 2)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come_and_go)
        await rig.accept_for(1000, *[errno.EMFILE, None] * 200)
    assert [False, True] == [problem is None for _, problem in rig.reports]


async def test_the_oldest_in_reserve_makes_room(
    rig: Rig, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.places.spares.close()
    monkeypatch.setattr(SpareDescriptors, "take_back", lambda spares: False)
    first, second = (rig.places.take_place(PEER, trio.CancelScope()) for _ in range(2))
    assert NO_DESCRIPTORS == first.reason == second.reason

    async def end_when_pushed_out() -> None:
        with first.scope:
            await trio.sleep_forever()
        rig.places.give_back(first)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(end_when_pushed_out)
        listener = await rig.accept_for(60, errno.EMFILE, None)
    assert [0.0] * 3 == listener.attempts  # nothing was waited for but its end
    assert (1, 1, False) == (rig.served, rig.places.open, second.scope.cancel_called)
    assert 1 == rig.places.refused[NO_DESCRIPTORS]


async def test_another_error_is_not_a_shortage(rig: Rig) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await rig.accept_for(60, errno.EBADF)
    assert caught.group_contains(OSError, match="Bad file descriptor")
    assert [] == rig.reports
