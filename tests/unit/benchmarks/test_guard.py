from pathlib import Path

import pytest

from benchmarks import guard, results
from benchmarks.results import Figure, NotMeasurable, Result


def verdict_of(now: float, accepted: float | None, **more: bool) -> str:
    figure = Figure(value=now, unit="us", tolerance=0.1, **more)
    return guard.Comparison("a stage", figure, accepted).verdict


def test_a_figure_may_get_worse_within_its_tolerance() -> None:
    assert ["", "WORSE"] == [verdict_of(109, 100), verdict_of(111, 100)]
    assert ["", "better"] == [verdict_of(92, 100), verdict_of(90, 100)]


def test_less_is_worse_where_more_is_better() -> None:
    assert "WORSE" == verdict_of(90, 100, more_is_better=True)
    assert "better" == verdict_of(111, 100, more_is_better=True)


def test_what_was_never_accepted_is_new() -> None:
    assert "new" == verdict_of(1, None)
    figures = {"a": Figure(value=1.0, unit="us")}
    [comparison] = guard.compare("hot-path", figures, {"other": {"a": {"value": 2.0}}})
    assert None is comparison.accepted


def test_only_a_required_figure_fails() -> None:
    for is_required in (True, False):
        figure = Figure(value=2.0, unit="us", is_required=is_required)
        assert is_required == guard.Comparison("a", figure, 1.0).is_failure
    assert not guard.Comparison("a", Figure(value=1.0, unit="us", is_required=True), 1.0).is_failure


@pytest.fixture
def result(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Result:
    monkeypatch.setattr(results, "DIRECTORY", tmp_path)
    monkeypatch.setattr(guard, "DIRECTORY", tmp_path)
    monkeypatch.setattr(guard, "ACCEPTED", tmp_path / "accepted")
    return Result(
        name="hot-path",
        title="",
        headings=("what",),
        lines=[("something",)],
        conclusion="",
        figures={"an event": Figure(value=7.0, unit="us"), "by stage": {"parse": 3.0}},
    )


def test_accepted_figures_are_compared_with_the_next_ones(result: Result) -> None:
    result.save(1.0, is_quick=False)
    assert ["hot-path"] == guard.accept(guard.list_results())
    [comparison] = guard.compare("hot-path", result.list_figures(), guard.read_accepted())
    assert (7.0, 1.0) == (comparison.accepted, comparison.ratio)
    assert {"value", "unit", "date", "machine"} == {*guard.read_accepted()["hot-path"]["an event"]}


def test_quick_figures_are_accepted_apart(result: Result) -> None:
    result.save(1.0, is_quick=False)
    guard.accept(["hot-path"])
    result.save(1.0, is_quick=True)
    assert ["hot-path (quick)"] == guard.accept(["hot-path"])
    assert {"hot-path", "hot-path (quick)"} == {*guard.read_accepted()}


def test_what_has_not_been_measured_cannot_be_accepted(result: Result) -> None:
    with pytest.raises(NotMeasurable, match="storm has no result"):
        guard.accept(["storm"])


def test_table_marks_what_got_worse() -> None:
    worse = guard.Comparison("an event", Figure(value=2.0, unit="us"), 1.0)
    last = guard.render([worse]).splitlines()[-1]
    assert ["an", "event", "2", "1", "2.00", "us", "WORSE"] == last.split()
