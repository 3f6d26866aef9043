"""The retry book of one endpoint, and the rows Redis is told of, whatever comes in any order."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from actors.alerts.endpoint import AT_ONCE, EndpointLine
from actors.alerts.kept_rows import KeptRows
from domain.backoff import Backoff
from domain.values import UnixSeconds

MOST = 5
LONGEST = 100.0
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "take", "taken", "refused", "paused", "gone", "open", "wait"]),
        st.integers(0, 20),
    ),
    max_size=60,
)


def new_line() -> EndpointLine:
    return EndpointLine(
        name="desk",
        most=MOST,
        new_backoff=lambda: Backoff(first_seconds=1.0, longest_seconds=LONGEST, random=Random(1)),
    )


@given(STEPS)
def test_nothing_is_lost_twice_under_way_or_beyond_the_bounds(
    steps: list[tuple[str, int]],
) -> None:
    line, now, added = new_line(), 0.0, 0
    ended: set[str] = set()  # taken, dropped or failed
    for step, number in steps:
        under_way = sorted(line.under_way)
        alert_id = under_way[number % len(under_way)] if under_way else None
        match step:
            case "add":
                added += 1
                ended.update(line.add_alert(f"a{added}", now))
            case "take":
                is_failing = line.failing_since is not None
                begun = list(line.take_due(now, lambda _: True))
                assert not set(begun) & set(under_way)
                assert not begun or now >= line.paused_until
                assert len(line.under_way) <= max(1 if is_failing else AT_ONCE, len(under_way))
            case "wait":
                now += number
            case "open":
                line.open_again()
            case _ if alert_id is None:
                continue
            case "taken":
                line.note_taken(alert_id)
                ended.add(alert_id)
            case "refused" | "paused":
                pause = 50.0 if step == "paused" else None
                line.note_refused(alert_id, "HTTP 500", pause, now, UnixSeconds(now))
                assert line.paused_until >= now + (pause or 0.5)
            case "gone":
                ended.update([alert_id, *line.note_gone(alert_id, UnixSeconds(now))])
        waiting = set(line.waiting)
        assert len(waiting) <= MOST
        assert waiting | ended == {f"a{number}" for number in range(1, added + 1)}
        assert line.find_due_at() <= max(now, 0.0) + LONGEST + 50.0 or not waiting - line.under_way
    if not line.is_gone and line.waiting:
        line.begin_life()
        assert list(line.take_due(now + LONGEST + 50.0, lambda _: True))


def test_of_those_that_are_due_what_was_never_tried_goes_first() -> None:
    line = new_line()
    for number in range(3):
        line.add_alert(f"a{number}", 0.0)
    [first, *_] = list(line.take_due(0.0, lambda alert_id: alert_id == "a0"))
    line.note_refused(first, "HTTP 500", None, 0.0, UnixSeconds(0.0))
    assert [] == list(line.take_due(0.4, lambda _: True))
    assert ["a1"] == list(line.take_due(10.0, lambda _: True))  # one at a time while it fails
    line.note_taken("a1")
    assert ["a2", "a0"] == list(line.take_due(10.0, lambda _: True))


@given(st.lists(st.tuples(st.sampled_from(["put", "remove", "save"]), st.integers(0, 3))))
def test_redis_ends_with_the_rows_that_are_here(steps: list[tuple[str, int]]) -> None:
    """Also where rows change while a call is under way, which begins before each step."""
    kept, redis, version = KeptRows[int](), dict[str, int](), 0
    for step, number in [*steps, ("save", 0), ("save", 0)]:
        saving, forgetting = kept.list_unsaved(), sorted(kept.leaving)
        match step:
            case "put":
                version += 1
                kept.put_row(str(number), version)
            case "remove":
                kept.remove_row(str(number))
        if step == "save" or number % 2:
            redis.update(saving)
            for name in forgetting:
                redis.pop(name, None)
            kept.note_saved(saving, forgetting)
    assert kept.is_saved
    assert kept.rows == redis
