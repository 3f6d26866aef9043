"""No input of the corpus harms its parser, nor does what is found from there in a while."""

from importlib.util import find_spec

import pytest

from tests.fuzzing.__main__ import fuzz_target
from tests.fuzzing.corpus import CORPUS, read_corpus
from tests.fuzzing.targets import EVERY, TARGETS, Target, find_target, require_fit

SECONDS = 20  # `python -m tests.fuzzing` takes a minute for each


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_of_the_corpus_harms(target: str) -> None:
    inputs = read_corpus(target)
    assert inputs
    for data in inputs:
        TARGETS[target](data)


def test_every_corpus_has_its_target() -> None:
    assert sorted(TARGETS) == sorted(path.stem for path in CORPUS.glob("*.txt"))


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this machine")
def test_a_short_search_finds_nothing_that_harms() -> None:
    assert fuzz_target(EVERY, SECONDS)


# The judge itself.


@pytest.mark.parametrize(
    "value", ["a\0b", "\ud83d", float("nan"), float("inf"), 1e39, {"x": [1.0, "\0"]}, ("\ud800",)]
)
def test_what_cannot_be_stored_is_unfit(value: object) -> None:
    with pytest.raises((AssertionError, UnicodeEncodeError)):
        require_fit(value)


def test_every_target_is_chosen_by_the_first_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[str, bytes]] = []

    def note_as(name: str) -> Target:
        return lambda data: tried.append((name, data))

    for name in list(TARGETS):
        monkeypatch.setitem(TARGETS, name, note_as(name))
    for number in range(len(TARGETS)):
        find_target(EVERY)(bytes([number]) + b"x")
    find_target(EVERY)(b"")
    assert [(name, b"x") for name in TARGETS] == tried
