"""Whom a job asks about: by interest, not too often, and never too rarely for a living coin."""

from hypothesis import given
from hypothesis import strategies as st

from actors.jobs.roster import Roster
from domain.chunks import chunks
from domain.scoring import add_trade
from domain.token import Status
from domain.values import Mint, Sol, UnixSeconds
from tests.unit.domain.tokens import BIRTH, mint, token

HALF_LIFE_SECONDS = 1800.0
INTERVAL_SECONDS = 300.0


def roster(*tokens: object, limit: int = 100) -> Roster:
    filled = Roster(limit, HALF_LIFE_SECONDS)
    for each in tokens:
        filled.learn_token(each)  # type: ignore[arg-type]
    return filled


def at(after: float) -> UnixSeconds:
    return UnixSeconds(BIRTH + after)


def traded(sol: float, after: float) -> float:
    return add_trade(None, Sol(sol), at(after), HALF_LIFE_SECONDS)


def picked(from_roster: Roster, count: int = 100, after: float = 0.0) -> list[Mint]:
    return [each.mint for each in from_roster.pick_tokens(count, at(after))]


def test_watched_tokens_come_first_then_the_hottest_then_the_newest() -> None:
    quiet = token(1)
    newer = token(2, first_seen_at=at(60))
    hot = token(3, hot_score=traded(5.0, 0))
    watched = token(4, watcher_count=1)
    assert [mint(4), mint(3), mint(2), mint(1)] == picked(roster(quiet, newer, hot, watched))


def test_one_place_in_four_goes_to_who_has_waited_longest() -> None:
    hot = [token(number, hot_score=traded(5.0, 0)) for number in (1, 2, 3)]
    cold = [token(number, first_seen_at=at(number - 7)) for number in (4, 5, 6)]
    asked, last = roster(*hot, *cold, token(7, silent=True, first_seen_at=at(-20))), []
    for run in range(31):
        after = run * INTERVAL_SECONDS
        picks = picked(asked, count=4, after=after)
        assert [mint(1), mint(2), mint(3)] == sorted(picks[:3])
        last.append(picks[3])
        asked.note_answers(picks, picks, at(after), INTERVAL_SECONDS)
    assert [mint(4), mint(5), mint(6)] * 10 + [mint(7)] == last


@given(
    st.lists(st.tuples(st.floats(0, 9), st.integers(0, 3)), min_size=1, max_size=30),
    st.integers(4, 12),
)
def test_nobody_starves(scores: list[tuple[float, int]], count: int) -> None:
    tokens = [
        token(number, hot_score=score, watcher_count=watchers)
        for number, (score, watchers) in enumerate(scores)
    ]
    asked, seen = roster(*tokens), set()
    for run in range(-(-len(tokens) // (count // 4))):
        after = run * INTERVAL_SECONDS
        picks = picked(asked, count=count, after=after)
        asked.note_answers(picks, picks, at(after), INTERVAL_SECONDS)
        seen |= set(picks)
    assert {each.mint for each in tokens} == seen


def test_silent_tokens_come_last_but_come() -> None:
    silent = token(1, silent=True, hot_score=traded(100.0, 0))
    assert [mint(2), mint(1)] == picked(roster(silent, token(2)))
    assert [mint(2)] == picked(roster(silent, token(2)), count=1)


def test_tokens_off_the_feed_are_not_picked() -> None:
    assert [] == picked(roster(token(1)), after=48 * 3600)


def test_known_token_is_due_again_at_the_next_run() -> None:
    asked = roster(token(1))
    asked.note_answers([mint(1)], [mint(1)], at(0), INTERVAL_SECONDS)
    assert ([], [mint(1)]) == (picked(asked, after=200), picked(asked, after=INTERVAL_SECONDS))


def test_unknown_token_is_asked_for_half_as_often_each_time_up_to_an_hour() -> None:
    asked, runs = roster(token(1)), []
    for run in range(60):
        after = run * INTERVAL_SECONDS
        if picked(asked, after=after):
            runs.append(after)
            asked.note_answers([mint(1)], [], at(after), INTERVAL_SECONDS)
    assert [0, 600, 1800, 4200, 7500, 10800, 14100, 17400] == runs


def test_sign_of_life_ends_the_waiting_of_an_unknown_token() -> None:
    """Defect 14: a negative answer hid a coin that graduated meanwhile."""
    asked = roster(token(1))
    for _ in range(5):
        asked.note_answers([mint(1)], [], at(0), INTERVAL_SECONDS)
    assert [] == picked(asked, after=INTERVAL_SECONDS)
    asked.learn_token(token(1, status=Status.BONDED, status_changed_at=at(250)))
    assert [mint(1)] == picked(asked, after=250)
    asked.note_answers([mint(1)], [], at(250), INTERVAL_SECONDS)  # it counts as the first time
    assert [mint(1)] == picked(asked, after=250 + 2 * INTERVAL_SECONDS)


def test_trade_is_a_sign_of_life_and_a_price_is_none() -> None:
    asked = roster(token(1), token(2))
    asked.note_answers([mint(1), mint(2)], [], at(0), INTERVAL_SECONDS)
    asked.learn_token(token(1, last_trade_at=at(1)))
    asked.learn_token(token(2, price_usd=1.0))
    assert [mint(1)] == picked(asked, after=2)


def test_sign_of_life_does_not_make_a_known_token_due_before_its_interval() -> None:
    asked = roster(token(1))
    asked.note_answers([mint(1)], [mint(1)], at(0), INTERVAL_SECONDS)
    asked.learn_token(token(1, last_trade_at=at(1)))
    assert [] == picked(asked, after=2)


def test_token_heard_of_longest_ago_goes_first() -> None:
    small = roster(token(1), token(2), limit=2)
    small.learn_token(token(1))
    small.learn_token(token(3))
    assert {mint(1), mint(3)} == set(small.entries)


def test_refused_token_is_asked_about_half_as_often_each_time_up_to_six_hours() -> None:
    asked, runs = roster(token(1)), []
    for run in range(300):
        after = run * INTERVAL_SECONDS
        asked.learn_token(token(1, last_trade_at=at(after)))  # a trade makes no difference
        if picked(asked, after=after):
            runs.append(run)
            asked.note_refusals([mint(1)], at(after), INTERVAL_SECONDS)
    assert [0, 2, 6, 14, 29, 58, 116, 181, 246] == runs


def test_answer_ends_the_refusals_of_a_token() -> None:
    asked = roster(token(1))
    for _ in range(5):
        asked.note_refusals([mint(1)], at(0), INTERVAL_SECONDS)
    asked.note_answers([mint(1)], [mint(1)], at(0), INTERVAL_SECONDS)
    assert [mint(1)] == picked(asked, after=INTERVAL_SECONDS)
    asked.note_refusals([mint(1)], at(0), INTERVAL_SECONDS)  # it counts as the first
    assert [mint(1)] == picked(asked, after=2 * INTERVAL_SECONDS)


def test_tokens_of_which_the_last_request_failed_come_last_but_wait_no_longer() -> None:
    asked = roster(token(1, watcher_count=9), token(2, watcher_count=5), token(3))
    asked.note_failures([mint(1), mint(2)])
    assert [mint(3), mint(1), mint(2)] == picked(asked)
    asked.note_answers([mint(1)], [mint(1)], at(0), INTERVAL_SECONDS)
    assert [mint(1), mint(3), mint(2)] == picked(asked, after=INTERVAL_SECONDS)


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=40), st.integers(1, 5))
def test_roster_is_bounded_and_picks_what_is_due_once(
    script: list[tuple[int, bool]], limit: int
) -> None:
    small = roster(limit=limit)
    for number, is_known in script:
        small.learn_token(token(number))
        assert len(small.entries) <= limit
        picks = picked(small, count=3)
        assert len(picks) == len(set(picks)) <= 3
        small.note_answers(picks, picks if is_known else [], BIRTH, INTERVAL_SECONDS)
        assert not set(picks) & set(picked(small))


@given(st.lists(st.integers()), st.integers(1, 7))
def test_chunks_keep_order_and_size(items: list[int], size: int) -> None:
    parts = list(chunks(items, size))
    assert items == [item for part in parts for item in part]
    assert all(len(part) == size for part in parts[:-1])
    assert all(0 < len(part) <= size for part in parts)
