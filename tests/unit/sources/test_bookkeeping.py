"""The pure parts of a stream: waits, memory of duplicates, trade subscriptions."""

import json
from random import Random

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from domain.backoff import Backoff
from domain.values import Mint
from sources.delayed import DelayedQueue
from sources.recent import RecentKeys
from sources.trade_subscriptions import KEYS_PER_REQUEST, TradeSubscriptions


def backoff() -> Backoff:
    return Backoff(first_seconds=1, longest_seconds=60, random=Random(1))


def test_waits_double_up_to_the_longest_each_cut_by_at_most_half() -> None:
    waits, bounds = backoff(), [1, 2, 4, 8, 16, 32, 60, 60, 60]
    for bound in bounds:
        assert bound / 2 <= waits.next_wait_seconds() <= bound


def test_there_is_no_last_attempt_defect_11() -> None:
    waits = backoff()
    assert all(0 < waits.next_wait_seconds() <= 60 for _ in range(5000))


def test_waits_are_short_again_after_a_reset() -> None:
    waits = backoff()
    for _ in range(9):
        waits.next_wait_seconds()
    waits.reset()
    assert waits.next_wait_seconds() <= 1


def test_two_services_do_not_reconnect_in_step() -> None:
    first = Backoff(first_seconds=1, longest_seconds=60, random=Random(1))
    second = Backoff(first_seconds=1, longest_seconds=60, random=Random(2))
    assert first.next_wait_seconds() != second.next_wait_seconds()


def test_a_key_is_new_once() -> None:
    recent = RecentKeys(limit=3)
    assert [recent.add_key(key) for key in "abab"] == [True, True, False, False]


@given(st.lists(st.integers(0, 30)), st.integers(1, 10))
def test_memory_is_bounded_and_keeps_the_newest(keys: list[int], limit: int) -> None:
    recent = RecentKeys(limit=limit)
    for key in keys:
        recent.add_key(key)
        assert len(recent.keys) <= limit
        assert key in recent.keys


def sent(subscriptions: TradeSubscriptions) -> list[tuple[str, list[str]]]:
    requests = [json.loads(request) for request in subscriptions.take_requests()]
    return [(request["method"], request["keys"]) for request in requests]


def following(*mints: str, limit: int) -> TradeSubscriptions:
    subscriptions = TradeSubscriptions(limit=limit)
    for mint in mints:
        subscriptions.follow_mint(Mint(mint))
    return subscriptions


def test_newborns_are_subscribed_once_newest_first() -> None:
    subscriptions = following("a", "b", "a", limit=5)
    assert sent(subscriptions) == [("subscribeTokenTrade", ["b", "a"])]
    assert sent(subscriptions) == []


def test_the_oldest_makes_room_and_is_unsubscribed() -> None:
    subscriptions = following("a", "b", limit=2)
    sent(subscriptions)
    subscriptions.follow_mint(Mint("c"))
    assert sent(subscriptions) == [
        ("subscribeTokenTrade", ["c"]),
        ("unsubscribeTokenTrade", ["a"]),
    ]


def test_what_was_never_subscribed_is_never_unsubscribed() -> None:
    assert sent(following("a", "b", "c", limit=1)) == [("subscribeTokenTrade", ["c"])]


def test_a_new_connection_subscribes_everything_again_and_nothing_else() -> None:
    subscriptions = following("a", "b", limit=2)
    sent(subscriptions)
    subscriptions.follow_mint(Mint("c"))
    subscriptions.start_over()
    assert sent(subscriptions) == [("subscribeTokenTrade", ["c", "b"])]


def test_seeds_are_older_than_newborns_and_take_only_the_room_left() -> None:
    subscriptions = following("new", limit=3)
    subscriptions.follow_older([Mint(mint) for mint in ("young", "new", "old", "oldest")])
    assert list(subscriptions.wanted) == ["old", "young", "new"]
    assert sent(subscriptions) == [("subscribeTokenTrade", ["new", "young", "old"])]


def test_a_limit_of_zero_follows_nothing() -> None:
    subscriptions = following("a", limit=0)
    subscriptions.follow_older([Mint("b")])
    assert sent(subscriptions) == []


def test_one_request_names_a_bounded_number_of_mints() -> None:
    subscriptions = following(*map(str, range(250)), limit=1000)
    sizes = [len(keys) for _ in range(3) for _, keys in sent(subscriptions)]
    assert sizes == [KEYS_PER_REQUEST, KEYS_PER_REQUEST, 50]


def test_a_mint_that_comes_back_before_it_was_unsubscribed_stays_subscribed() -> None:
    subscriptions = following("a", limit=1)
    sent(subscriptions)
    subscriptions.follow_mint(Mint("b"))
    subscriptions.follow_mint(Mint("a"))
    assert sent(subscriptions) == []


STEPS = st.integers(0, 12) | st.sampled_from(["send", "connect", "seed"])


@given(st.lists(STEPS), st.integers(1, 5))
def test_the_server_always_ends_up_with_exactly_the_newest(
    steps: list[int | str], limit: int
) -> None:
    subscriptions, server = TradeSubscriptions(limit=limit), set[str]()

    def send() -> None:
        for method, keys in sent(subscriptions):
            if method == "subscribeTokenTrade":
                server.update(keys)
            else:
                server.difference_update(keys)

    for step in steps:
        if step == "send":
            send()
        elif step == "connect":
            server.clear()
            subscriptions.start_over()
        elif step == "seed":
            subscriptions.follow_older([Mint("1"), Mint("20"), Mint("21")])
        else:
            subscriptions.follow_mint(Mint(str(step)))
    send()
    assert server == set(subscriptions.wanted)
    assert len(server) <= limit


async def test_delayed_items_are_taken_at_their_time_the_earliest_first(
    autojump_clock: MockClock,
) -> None:
    queue, taken = DelayedQueue[str](limit=2), list[tuple[float, str]]()

    async def take_all() -> None:
        while True:
            taken.append((0.0, await queue.take_item()))
            taken[-1] = (trio.current_time(), taken[-1][1])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_all)
        queue.put_back("late", 20.0)
        queue.put_back("early", 10.0)
        await trio.sleep(5)
        queue.put_back("now", 5.0)
        queue.put_back("soon", 7.0)
        await trio.sleep(30)
        nursery.cancel_scope.cancel()
    assert [(5, "now"), (7, "soon"), (10, "early"), (20, "late")] == taken


async def test_a_full_queue_of_delayed_items_takes_back_and_takes_no_new_ones(
    autojump_clock: MockClock,
) -> None:
    queue = DelayedQueue[str](limit=1)
    assert [True, False] == [queue.add_item("a"), queue.add_item("b")]
    queue.put_back("c", 0.0)
    assert ["a", "c"] == [await queue.take_item(), await queue.take_item()]
