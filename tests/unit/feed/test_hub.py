"""Pings to all clients, spread over their interval; rounds to those who follow a board."""

from collections import Counter, OrderedDict
from random import Random
from typing import Any

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from feed.board import Boards, DeltaRound
from feed.catalogue import Catalogue
from feed.frames import FramedRound
from feed.hub import CLIENTS_AT_ONCE, KEEPALIVE_SECONDS, Hub
from feed.session import MOST_UNANSWERED, ClientSession
from tests.unit.feed.worlds import SETTINGS, Conditions, make_views

CLIENTS = 1000


@define
class PingedClient:
    """A client as its session is seen from here, and the moments of its pings."""

    client: int
    is_mute: bool = False
    pings: list[float] = field(factory=list)
    given_up: list[float] = field(factory=list)
    queued_bytes: int = 0
    unanswered_pings: int = 0

    @property
    def stream(self) -> "PingedClient":
        return self

    @property
    def outgoing(self) -> "PingedClient":
        return self

    def put_piece(self, frame: bytes) -> None:
        self.pings.append(trio.current_time())
        if not self.is_mute:
            self.unanswered_pings = 0

    check_on = ClientSession.check_on

    def give_up(self) -> None:
        self.given_up.append(trio.current_time())


@define
class RoundClient:
    """A client that notes the rounds it is offered."""

    client: int
    following: frozenset[str] = frozenset()
    stale: dict[str, None] = field(factory=dict)
    offered: list[int] = field(factory=list)

    def deliver_round(self, framed: FramedRound) -> None:
        self.offered.append(framed.offset)


def hub_of(*clients: Any) -> Hub:
    catalogue = Catalogue(10)
    views = make_views(catalogue)
    boards = Boards(catalogue=catalogue, views=views, board_tokens=5, history_limit=5, epoch="e")
    hub = Hub(SETTINGS, boards, lambda presence: None, Conditions(), Random(1))
    hub.sessions = OrderedDict((client.client, client) for client in clients)
    return hub


async def keep_alive(seconds: float, *clients: Any) -> None:
    hub = hub_of(*clients)
    with trio.move_on_after(seconds):
        await hub.keep_alive()


async def test_a_round_visits_those_who_follow_a_board_or_await_one() -> None:
    idle = [RoundClient(number) for number in range(CLIENTS)]
    following = RoundClient(CLIENTS, following=frozenset({"new"}))
    behind = RoundClient(CLIENTS + 1, stale={"hot": None})
    await hub_of(*idle, following, behind).send_round(DeltaRound(offset=7, deltas={}))
    assert ([7], [7]) == (following.offered, behind.offered)
    assert not any(client.offered for client in idle)


async def test_every_client_is_pinged_once_an_interval_and_few_at_once(
    autojump_clock: MockClock,
) -> None:
    clients = [PingedClient(number) for number in range(7, CLIENTS + 7)]
    await keep_alive(3 * KEEPALIVE_SECONDS + 0.001, *clients)
    for client in clients:
        first, second, third = client.pings
        assert [KEEPALIVE_SECONDS] * 2 == pytest.approx([second - first, third - second])
    at_once = Counter(moment for client in clients for moment in client.pings)
    assert max(at_once.values()) <= CLIENTS_AT_ONCE


async def test_who_leaves_pings_unanswered_is_given_up(autojump_clock: MockClock) -> None:
    lively, mute = PingedClient(0), PingedClient(1, is_mute=True)
    await keep_alive((MOST_UNANSWERED + 1.5) * KEEPALIVE_SECONDS, lively, mute)
    assert (MOST_UNANSWERED, 1) == (len(mute.pings), len(mute.given_up))
    assert mute.given_up[0] == pytest.approx(mute.pings[-1] + KEEPALIVE_SECONDS)
    assert [] == lively.given_up


async def test_who_always_has_something_to_take_is_alive(autojump_clock: MockClock) -> None:
    """It cannot be pinged, and is not silent for that."""
    slow = PingedClient(0, is_mute=True, queued_bytes=1000)
    await keep_alive(9 * KEEPALIVE_SECONDS, slow)
    assert ([], []) == (slow.pings, slow.given_up)
    slow.queued_bytes = 0
    await keep_alive(1.5 * KEEPALIVE_SECONDS, slow)
    assert (1, []) == (len(slow.pings), slow.given_up)  # it has all its time from now on
