"""Where the chain is, what one absurd number does to that, and which program has fallen silent."""

import pytest

from sources.pump_chain.notifications import SubscriptionMade
from sources.pump_chain.programs import LAUNCHLAB, PUMP, PUMPSWAP
from sources.pump_chain.slots import FAR_SLOTS, PAUSE_SLOTS, SlotFollower
from sources.pump_chain.subscriptions import ProgramSubscriptions


def follow(*slots: int, follower: SlotFollower | None = None, now: float = 0.0) -> list[int | None]:
    follower = follower or SlotFollower()
    return [follower.follow_slot(slot, now) for slot in slots]


def test_the_first_message_tells_of_no_gap() -> None:
    assert [None] == follow(5_000_000)


def test_a_pause_over_more_slots_than_pump_is_silent_is_a_gap() -> None:
    assert [None, None, 100 + PAUSE_SLOTS] == follow(100, 100 + PAUSE_SLOTS, 101 + 2 * PAUSE_SLOTS)


@pytest.mark.parametrize("first", [99, 100, 101])
def test_every_reconnect_is_a_gap_whatever_its_first_message_tells(first: int) -> None:
    follower = SlotFollower()
    follow(100, follower=follower)
    follower.begin_connection()
    assert [min(first, 100), None] == follow(first, 102, follower=follower)


@pytest.mark.parametrize("absurd", [2**63, 10**300, 0, -5])
def test_one_absurd_slot_moves_nothing_and_hides_no_later_gap(absurd: int) -> None:
    follower = SlotFollower()
    gaps = follow(50_000, absurd, 50_001, 50_001 + PAUSE_SLOTS + 1, follower=follower)
    assert [None, None, None, 50_001] == gaps
    assert 50_052 == follower.slot


def test_an_absurd_first_slot_is_left_once_two_others_agree() -> None:
    follower = SlotFollower()
    follow(2**63, 700_000, 700_003, follower=follower)
    assert 700_003 == follower.slot


def test_two_messages_that_agree_move_the_stream_far_ahead_and_make_a_gap() -> None:
    assert [None, None, 100] == follow(100, 100 + 5 * FAR_SLOTS, 101 + 5 * FAR_SLOTS)


def test_after_hours_away_the_first_message_is_believed() -> None:
    follower = SlotFollower()
    follow(100, follower=follower)
    hours_later = 3 * 3600.0
    assert [100] == follow(100 + 27_000, follower=follower, now=hours_later)
    assert 27_100 == follower.slot


def listening() -> ProgramSubscriptions:
    subscriptions = ProgramSubscriptions(silence_seconds=60.0)
    for number, program in enumerate((PUMP, PUMPSWAP, LAUNCHLAB), start=1):
        subscriptions.make_request(program, 0.0)
        subscriptions.note_made(SubscriptionMade(number=number, subscription=100 + number))
    return subscriptions


def test_a_program_that_is_silent_while_another_speaks_is_named() -> None:
    subscriptions = listening()
    assert PUMPSWAP == subscriptions.note_heard(102, 59.0)
    assert [] == subscriptions.list_silent(59.9)
    assert [PUMP] == subscriptions.list_silent(60.0)


def test_a_program_that_was_asked_for_again_has_its_patience_anew() -> None:
    subscriptions = listening()
    subscriptions.note_heard(102, 60.0)
    subscriptions.make_request(PUMP, 60.0)
    subscriptions.note_made(SubscriptionMade(number=4, subscription=9))
    assert [] == subscriptions.list_silent(119.0)
    assert PUMP == subscriptions.note_heard(9, 119.0)


def test_launchlab_may_be_silent_for_longer() -> None:
    subscriptions = listening()
    for subscription in (101, 102):
        subscriptions.note_heard(subscription, 299.0)
    assert [] == subscriptions.list_silent(299.9)
    assert [LAUNCHLAB] == subscriptions.list_silent(300.0)


def test_a_server_that_gives_no_ids_is_never_asked_again() -> None:
    subscriptions = ProgramSubscriptions(silence_seconds=60.0)
    subscriptions.make_request(PUMP, 0.0)
    assert subscriptions.note_heard(None, 1.0) is None
    assert subscriptions.note_heard(7, 1.0) is None
    assert [] == subscriptions.list_silent(1e6)


def test_an_answer_to_no_request_is_ignored() -> None:
    subscriptions = listening()
    for number in (0, -1, 4, 10**30):
        subscriptions.note_made(SubscriptionMade(number=number, subscription=5))
    assert subscriptions.note_heard(5, 1.0) is None
