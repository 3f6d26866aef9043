"""The backlog knows who waits, since when, and whose turn it is."""

from hypothesis import given
from hypothesis import strategies as st

from actors.sync.backlog import Backlog
from domain.token import Group
from domain.values import Mint

A, B, C = Mint("a"), Mint("b"), Mint("c")
BOUNDS = dict.fromkeys(Backlog().since, 900.0) | {Group.LIFECYCLE: 300.0}


def test_values_that_wait_keep_their_place_when_they_change_again() -> None:
    backlog = Backlog()
    for second in (0.0, 10.0, 20.0):
        backlog.note_fields(A, ["price_usd", "status"], second)
    backlog.note_fields(B, ["price_usd"], 5.0)
    assert backlog.measure_ages(30.0) == {Group.LIFECYCLE: 30.0, Group.MARKET: 30.0}
    assert len(backlog) == 2


def test_lifecycle_goes_first_then_the_oldest_of_any_group() -> None:
    backlog = Backlog()
    backlog.note_fields(A, ["price_usd"], 1.0)
    backlog.note_fields(B, ["hot_score"], 2.0)
    backlog.note_fields(C, ["status"], 3.0)
    assert [backlog.pick_tokens(rows, set()) for rows in (1, 2, 3)] == [{C}, {C, A}, {A, B, C}]


def test_what_is_due_goes_before_all_else() -> None:
    backlog = Backlog()
    backlog.note_fields(A, ["price_usd"], 0.0)
    backlog.note_fields(C, ["status"], 700.0)
    due = backlog.find_due(901.0, BOUNDS)
    assert due == {A}
    assert backlog.pick_tokens(1, due) == {A}


def test_flushed_token_leaves_and_what_changed_meanwhile_waits_anew() -> None:
    backlog = Backlog()
    backlog.note_fields(A, ["price_usd", "status"], 0.0)
    backlog.note_fields(B, ["price_usd"], 1.0)
    backlog.settle_token(A, ["price_usd"], 10.0)
    assert backlog.measure_ages(10.0) == {Group.MARKET: 9.0}
    backlog.settle_token(B, [], 10.0)
    assert backlog.measure_ages(11.0) == {Group.MARKET: 1.0}


def test_restored_tokens_stand_in_the_order_of_their_age() -> None:
    backlog = Backlog()
    backlog.restore_entries([(A, ["price_usd"], -5.0), (B, ["price_usd"], -50.0)])
    assert backlog.measure_ages(0.0) == {Group.MARKET: 50.0}
    assert backlog.pick_tokens(1, set()) == {B}


def test_nothing_ages_while_nobody_looks() -> None:
    backlog = Backlog()
    backlog.note_fields(A, ["status"], 0.0)
    backlog.restart_ages(5000.0)
    assert backlog.measure_ages(5000.0) == {Group.LIFECYCLE: 0.0}
    assert backlog.find_due(5100.0, BOUNDS) == set()


def test_what_a_complete_flush_did_not_meet_is_no_longer_waited_for() -> None:
    backlog = Backlog()
    backlog.note_fields(A, ["status"], 0.0)
    backlog.note_fields(B, ["status"], 10.0)
    backlog.drop_before(10.0)
    assert backlog.pick_tokens(9, set()) == {B}


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from(["status", "price_usd", "hot_score"])),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 8),
    st.floats(0, 2000),
)
def test_a_pick_is_as_many_as_allowed_and_has_every_due_token_that_fits(
    noted: list[tuple[str, str]], rows: int, now: float
) -> None:
    backlog = Backlog()
    for second, (mint, name) in enumerate(noted):
        backlog.note_fields(Mint(mint), [name], float(second))
    due = backlog.find_due(now, BOUNDS)
    picked = backlog.pick_tokens(rows, due)
    assert len(picked) == min(rows, len(backlog))
    assert picked <= due or due <= picked
