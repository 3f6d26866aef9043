"""Mailboxes: policies, order, hand-over, and what survives a crash or a cancellation."""

from typing import TypeVar

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from supervision.mailbox import Mailbox
from supervision.policies import DROP_OLDEST, Conflate

M = TypeVar("M")
Keyed = tuple[str, int]


def keyed(message: Keyed) -> str | None:
    return message[0] or None


def added(older: Keyed, newer: Keyed) -> Keyed:
    return older[0], older[1] + newer[1]


async def taken(mailbox: Mailbox[M]) -> list[M]:
    """Everything that is left, closing the mailbox."""
    mailbox.close()
    return [message async for message in mailbox]


# Policies.


async def test_blocking_sender_waits_for_room_and_keeps_its_turn() -> None:
    mailbox = Mailbox[int]("numbers", capacity=1)
    await mailbox.send(1)
    async with trio.open_nursery() as nursery:
        for number in (2, 3):
            nursery.start_soon(mailbox.send, number)
            await wait_all_tasks_blocked()
        assert 2 == mailbox.statistics().senders_waiting
        assert [1, 2, 3] == [await anext(mailbox) for _ in range(3)]


async def test_messages_sent_together_wait_for_room_in_their_order() -> None:
    mailbox = Mailbox[int]("numbers", capacity=2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mailbox.send_all, range(5))
        await wait_all_tasks_blocked()
        assert (2, 1) == (mailbox.statistics().depth, mailbox.statistics().senders_waiting)
        assert [0, 1, 2, 3, 4] == [await anext(mailbox) for _ in range(5)]
    mailbox.mark_handled()
    assert 5 == mailbox.statistics().sent == mailbox.statistics().handled


async def test_messages_sent_together_are_asked_for_after_the_checkpoint() -> None:
    mailbox, asked = Mailbox[int]("numbers", capacity=9), list[int]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mailbox.send_all, (number for number in asked))
        asked.append(7)
    assert [7] == await taken(mailbox)


async def test_senders_that_wait_are_admitted_once_a_batch_is_taken() -> None:
    mailbox = Mailbox[int]("numbers", capacity=2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mailbox.send_all, range(5))
        await wait_all_tasks_blocked()
        assert [0, 1] == await mailbox.receive_batch(9)
        assert (2 + 1, 2) == (mailbox.statistics().depth, mailbox.statistics().in_hand)
        await wait_all_tasks_blocked()
        assert [2, 3] == await mailbox.receive_batch(9)
        await wait_all_tasks_blocked()
        assert [4] == await mailbox.receive_batch(9)


async def test_drop_oldest_keeps_the_newest() -> None:
    mailbox = Mailbox[int]("numbers", capacity=2, policy=DROP_OLDEST)
    for number in (1, 2, 3):
        await mailbox.send(number)
    assert 1 == mailbox.statistics().dropped
    assert [2, 3] == await taken(mailbox)


async def test_conflated_message_keeps_the_place_of_the_older_one() -> None:
    mailbox = Mailbox[Keyed]("values", capacity=9, policy=Conflate(key=keyed))
    for message in (("a", 1), ("b", 2), ("a", 3)):
        await mailbox.send(message)
    assert 1 == mailbox.statistics().conflated
    assert [("a", 3), ("b", 2)] == await taken(mailbox)


async def test_conflation_combines_older_with_newer() -> None:
    mailbox = Mailbox[Keyed]("values", capacity=9, policy=Conflate(key=keyed, combine=added))
    for message in (("a", 1), ("a", 2), ("a", 4)):
        await mailbox.send(message)
    assert [("a", 7)] == await taken(mailbox)


async def test_message_without_key_is_never_conflated() -> None:
    mailbox = Mailbox[Keyed]("values", capacity=9, policy=Conflate(key=keyed))
    for message in (("", 1), ("", 2)):
        await mailbox.send(message)
    assert [("", 1), ("", 2)] == await taken(mailbox)


async def test_message_in_hand_is_not_conflated_with() -> None:
    mailbox = Mailbox[Keyed]("values", capacity=9, policy=Conflate(key=keyed))
    await mailbox.send(("a", 1))
    assert ("a", 1) == await anext(mailbox)
    await mailbox.send(("a", 2))
    assert ("a", 2) == await anext(mailbox)


async def test_full_conflating_mailbox_still_takes_what_it_can_conflate() -> None:
    mailbox = Mailbox[Keyed]("values", capacity=1, policy=Conflate(key=keyed))
    mailbox.send_nowait(("a", 1))
    mailbox.send_nowait(("a", 2))
    with pytest.raises(trio.WouldBlock):
        mailbox.send_nowait(("b", 1))
    assert [("a", 2)] == await taken(mailbox)


async def test_full_conflating_mailbox_drops_the_oldest_where_told_to() -> None:
    policy = Conflate(key=keyed, when_full="drop-oldest")
    mailbox = Mailbox[Keyed]("values", capacity=1, policy=policy)
    await mailbox.send(("a", 1))
    await mailbox.send(("b", 2))
    await mailbox.send(("a", 3))  # joins nothing: the first one is gone
    assert [("a", 3)] == await taken(mailbox)
    assert 2 == mailbox.statistics().dropped


async def test_newer_message_never_overtakes_a_waiting_sender_of_its_key() -> None:
    mailbox = Mailbox[Keyed]("values", capacity=1, policy=Conflate(key=keyed))
    await mailbox.send(("x", 0))
    async with trio.open_nursery() as nursery:
        for message in (("a", 1), ("b", 1), ("a", 2)):
            nursery.start_soon(mailbox.send, message)
            await wait_all_tasks_blocked()
        assert ("x", 0) == await anext(mailbox)  # lets ("a", 1) in
        nursery.start_soon(mailbox.send, ("a", 3))
        await wait_all_tasks_blocked()
        received = [await anext(mailbox) for _ in range(3)]
    assert [("a", 1), ("b", 1), ("a", 3)] == received


async def test_error_of_combining_reaches_the_waiting_sender_and_not_the_reader() -> None:
    def refuse(_older: Keyed, newer: Keyed) -> Keyed:
        raise ValueError(newer)

    mailbox = Mailbox[Keyed]("values", capacity=1, policy=Conflate(key=keyed, combine=refuse))
    await mailbox.send(("x", 0))
    refused: list[Exception] = []

    async def send(message: Keyed) -> None:
        try:
            await mailbox.send(message)
        except ValueError as error:
            refused.append(error)

    async with trio.open_nursery() as nursery:
        for message in (("a", 1), ("a", 2)):
            nursery.start_soon(send, message)
            await wait_all_tasks_blocked()
        assert [("x", 0), ("a", 1)] == [await anext(mailbox) for _ in range(2)]
    assert [(("a", 2),)] == [error.args for error in refused]


# Sending and receiving.


async def test_batch_takes_what_is_there_up_to_its_limit() -> None:
    mailbox = Mailbox[int]("numbers", capacity=9)
    for number in range(5):
        await mailbox.send(number)
    assert [0, 1, 2] == await mailbox.receive_batch(3)
    assert [3, 4] == await mailbox.receive_batch(3)


async def test_receive_acknowledges_what_was_in_hand() -> None:
    mailbox = Mailbox[int]("numbers", capacity=9)
    for number in range(3):
        await mailbox.send(number)
    await mailbox.receive_batch(2)
    assert (0, 2) == (mailbox.statistics().handled, mailbox.statistics().in_hand)
    await anext(mailbox)
    assert (2, 1) == (mailbox.statistics().handled, mailbox.statistics().in_hand)
    mailbox.mark_handled()
    assert (3, 0) == (mailbox.statistics().handled, mailbox.statistics().in_hand)


async def test_send_and_receive_are_checkpoints() -> None:
    mailbox = Mailbox[int]("numbers", capacity=9)
    with trio.testing.assert_checkpoints():
        await mailbox.send(1)
    with trio.testing.assert_checkpoints():
        await anext(mailbox)
    await mailbox.send(2)
    with trio.testing.assert_checkpoints():
        await mailbox.receive()
    with trio.testing.assert_checkpoints():
        await mailbox.aclose()


async def test_cancelled_send_leaves_nothing_behind() -> None:
    mailbox = Mailbox[int]("numbers", capacity=1)
    await mailbox.send(1)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(mailbox.send, 2)
            await wait_all_tasks_blocked()
            scope.cancel()
    assert 0 == mailbox.statistics().senders_waiting
    assert [1] == await taken(mailbox)
    assert 1 == mailbox.statistics().sent


async def test_cancelled_receive_loses_nothing(autojump_clock: MockClock) -> None:
    mailbox = Mailbox[int]("numbers", capacity=9)
    with trio.move_on_after(1):
        await anext(mailbox)
    assert 0 == mailbox.statistics().receivers_waiting
    with trio.CancelScope() as scope:
        scope.cancel()
        await mailbox.send(1)
    await mailbox.send(2)
    with trio.CancelScope() as scope:
        scope.cancel()
        await anext(mailbox)
    assert [2] == await taken(mailbox)


async def test_reader_woken_in_the_tick_of_its_cancellation_loses_nothing() -> None:
    mailbox = Mailbox[int]("numbers", capacity=9)
    received = []

    async def read(scope: trio.CancelScope) -> None:
        with scope:
            received.append(await anext(mailbox))

    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()
        nursery.start_soon(read, scope)
        await wait_all_tasks_blocked()
        mailbox.send_nowait(1)
        scope.cancel()
    assert [1] == received + await taken(mailbox)


async def test_second_reader_is_refused() -> None:
    mailbox = Mailbox[int]("numbers", capacity=9)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mailbox.__anext__)
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await anext(mailbox)
        await mailbox.send(1)


async def test_closed_mailbox_ends_its_reader_once_empty() -> None:
    mailbox = Mailbox[int]("numbers", capacity=9)
    await mailbox.send(1)
    mailbox.close()
    assert 1 == await anext(mailbox)
    with pytest.raises(trio.EndOfChannel):
        await mailbox.receive_batch(1)


async def test_close_wakes_the_waiting_reader() -> None:
    mailbox = Mailbox[int]("numbers", capacity=9)
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            assert [] == [message async for message in mailbox]

        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        mailbox.close()


async def test_close_counts_waiting_and_later_senders_as_dropped() -> None:
    mailbox = Mailbox[int]("numbers", capacity=1)
    await mailbox.send(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mailbox.send, 2)
        await wait_all_tasks_blocked()
        mailbox.close()
    await mailbox.send(3)
    statistics = mailbox.statistics()
    assert (3, 2, 1) == (statistics.sent, statistics.dropped, statistics.depth)


async def test_age_is_that_of_the_oldest_message_in_hand_or_waiting(
    autojump_clock: MockClock,
) -> None:
    mailbox = Mailbox[Keyed]("values", capacity=9, policy=Conflate(key=keyed))
    assert 0.0 == mailbox.statistics().oldest_age_seconds
    await mailbox.send(("a", 1))
    await trio.sleep(2)
    await mailbox.send(("a", 2))
    await mailbox.send(("b", 1))
    assert 2.0 == mailbox.statistics().oldest_age_seconds
    await anext(mailbox)
    await trio.sleep(3)
    assert 5.0 == mailbox.statistics().oldest_age_seconds
    mailbox.mark_handled()
    assert 3.0 == mailbox.statistics().oldest_age_seconds


async def test_mailbox_without_room_or_batch_without_message_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one message"):
        Mailbox[int]("numbers", capacity=0)
    with pytest.raises(ValueError, match="at least one message"):
        await Mailbox[int]("numbers", capacity=1).receive_batch(0)


# A channel of trio.


async def copy_all(source: trio.abc.ReceiveChannel[int], target: trio.abc.SendChannel[int]) -> None:
    """What anybody may do with the two ends of a channel."""
    async with target:
        async for number in source:
            await target.send(number)


async def test_mailbox_is_used_as_either_end_of_a_trio_channel() -> None:
    source, target = Mailbox[int]("source", capacity=9), Mailbox[int]("target", capacity=1)
    for number in (1, 2, 3):
        await source.send(number)
    await source.aclose()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(copy_all, source, target)
        assert [1, 2, 3] == [await target.receive() for _ in range(3)]
    with pytest.raises(trio.EndOfChannel):
        await target.receive()
    assert 3 == source.statistics().handled == target.statistics().handled


async def test_mailbox_passes_messages_from_and_to_trios_own_channels() -> None:
    to_mailbox, from_mailbox = Mailbox[int]("numbers", capacity=9), Mailbox[int]("more", capacity=9)
    sender, receiver = trio.open_memory_channel[int](9)
    for number in (1, 2):
        await from_mailbox.send(number)
    from_mailbox.close()
    await copy_all(from_mailbox, sender)
    await copy_all(receiver, to_mailbox)
    assert [1, 2] == await taken(to_mailbox)


async def test_message_received_singly_is_in_hand_until_the_next_is_asked_for() -> None:
    mailbox = Mailbox[int]("numbers", capacity=9)
    for number in (1, 2):
        await mailbox.send(number)
    assert 1 == await mailbox.receive()
    assert (0, 1) == (mailbox.statistics().handled, mailbox.statistics().in_hand)
    mailbox.offer_again(crashes_before_quarantine=3)
    assert [1, 2] == [await mailbox.receive(), await mailbox.receive()]
    assert (1, 1) == (mailbox.statistics().handled, mailbox.statistics().in_hand)


async def test_closing_again_or_while_cancelled_still_closes() -> None:
    mailbox = Mailbox[int]("numbers", capacity=9)
    with trio.CancelScope() as scope:
        scope.cancel()
        await mailbox.aclose()
    assert scope.cancelled_caught
    await mailbox.aclose()
    with pytest.raises(trio.EndOfChannel):
        await mailbox.receive()


# Crashes.


def crash(mailbox: Mailbox[int]) -> list[int]:
    return mailbox.offer_again(crashes_before_quarantine=3)


async def test_crash_offers_the_batch_again_one_by_one_and_in_order() -> None:
    mailbox = Mailbox[int]("numbers", capacity=9)
    for number in range(4):
        await mailbox.send(number)
    await mailbox.receive_batch(3)
    assert [] == crash(mailbox)
    assert [0] == await mailbox.receive_batch(9)
    assert [] == crash(mailbox)
    assert [[0], [1], [2], [3]] == [await mailbox.receive_batch(9) for _ in range(4)]


async def test_batch_is_whole_again_after_the_suspects_are_handled() -> None:
    mailbox = Mailbox[int]("numbers", capacity=9)
    await mailbox.send(0)
    await anext(mailbox)
    crash(mailbox)
    for number in (1, 2):
        await mailbox.send(number)
    assert [[0], [1, 2]] == [await mailbox.receive_batch(9) for _ in range(2)]


async def test_poison_in_a_batch_is_isolated_and_the_others_are_handled() -> None:
    mailbox = Mailbox[int]("numbers", capacity=9)
    for number in range(5):
        await mailbox.send(number)
    mailbox.close()
    handled: list[int] = []
    quarantined: list[int] = []
    crashes = 0
    while True:
        try:
            batch = await mailbox.receive_batch(9)
        except trio.EndOfChannel:
            break
        if 2 in batch:
            crashes += 1
            quarantined += crash(mailbox)
        else:
            handled += batch
    assert [0, 1, 3, 4] == handled
    assert [2] == quarantined == list(mailbox.quarantine)
    assert 3 == crashes


async def test_quarantine_keeps_the_newest_hundred_and_counts_all() -> None:
    mailbox = Mailbox[int]("numbers", capacity=200)
    for number in range(150):
        await mailbox.send(number)
    await mailbox.receive_batch(150)
    mailbox.offer_again(crashes_before_quarantine=1)
    assert 150 == mailbox.statistics().quarantined
    assert list(range(50, 150)) == list(mailbox.quarantine)


async def test_returned_message_is_not_conflated_with_a_newer_one() -> None:
    mailbox = Mailbox[Keyed]("values", capacity=9, policy=Conflate(key=keyed))
    await mailbox.send(("a", 1))
    await anext(mailbox)
    await mailbox.send(("a", 2))
    mailbox.offer_again(crashes_before_quarantine=3)
    assert [("a", 1), ("a", 2)] == await taken(mailbox)


# Messages that come back from quarantine.


async def test_a_returned_message_comes_first_alone_and_is_told_of_when_it_is_handled() -> None:
    mailbox = Mailbox[int]("numbers", capacity=10)
    told: list[bool] = []
    for number in (1, 2):
        await mailbox.send(number)
    mailbox.return_message(9, crashes=2, tell=told.append)
    assert [9] == await mailbox.receive_batch(10)
    assert [] == told
    assert [1, 2] == await mailbox.receive_batch(10)
    assert [True] == told
    mailbox.mark_handled()
    assert [True] == told
    books = mailbox.statistics()
    assert (3, 3, 0) == (books.sent, books.handled, books.depth)


async def test_a_returned_message_wakes_a_reader_that_waits() -> None:
    mailbox = Mailbox[int]("numbers", capacity=10)
    received: list[int] = []

    async def read() -> None:
        received.extend(await mailbox.receive_batch(10))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        mailbox.return_message(9, crashes=2, tell=lambda _: None)
    assert [9] == received


async def test_a_returned_message_that_crashes_its_reader_once_more_is_quarantined() -> None:
    mailbox = Mailbox[int]("numbers", capacity=10)
    told: list[bool] = []
    mailbox.return_message(9, crashes=2, tell=told.append)
    await mailbox.receive()
    assert [9] == crash(mailbox)
    mailbox.mark_handled()
    books = mailbox.statistics()
    assert ([], 1, 1, 0) == (told, books.sent, books.quarantined, books.depth)


async def test_a_returned_message_in_hand_at_an_early_crash_is_still_told_of() -> None:
    mailbox = Mailbox[int]("numbers", capacity=10)
    told: list[bool] = []
    mailbox.return_message(9, crashes=0, tell=told.append)
    await mailbox.receive()
    assert [] == crash(mailbox)
    await mailbox.receive()
    mailbox.mark_handled()
    assert [True] == told


async def test_a_returned_message_that_is_dropped_is_told_of() -> None:
    mailbox = Mailbox[int]("numbers", capacity=1, policy=DROP_OLDEST)
    told: list[bool] = []
    mailbox.return_message(9, crashes=2, tell=told.append)
    mailbox.send_nowait(1)
    assert ([False], 1) == (told, mailbox.statistics().dropped)
    assert 1 == await mailbox.receive()


@pytest.mark.parametrize("is_closed", [False, True])
async def test_nothing_is_returned_to_a_full_or_closed_mailbox(is_closed: bool) -> None:
    mailbox = Mailbox[int]("numbers", capacity=1)
    if is_closed:
        mailbox.close()
    else:
        await mailbox.send(1)
    with pytest.raises(trio.WouldBlock):
        mailbox.return_message(9, crashes=2, tell=lambda _: None)
