"""Texts that look alike are searched alike."""

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.folding import fold_text

ALIKE = [
    ("Café", "cafe\u0301", "CAFÉ"),
    ("Việt", "Vie\u0323\u0302t", "Vie\u0302\u0323t"),
    ("x\u030c\u0323", "X\u0323\u030c"),  # no single letter for it: the order of its marks
    ("한국", normalize("NFD", "한국")),
    ("ペペ", "ヘ\u309aヘ\u309a", "ﾍﾟﾍﾟ"),  # composed, combining, half-width
    ("ＰＥＰＥ", "pepe", "𝓹𝓮𝓹𝓮", "Ⓟⓔⓟⓔ"),
    ("STRASSE", "straße", "STRAẞE"),
    ("ΣΟΦΟΣ", "σοφος", "σοφοσ"),
    ("ISPARTA", "ısparta", "isparta", "İSPARTA", "I\u0307sparta"),
    ("ﬁre", "fire", "FIRE"),
    ("a b", "a\u00a0b", "A\u3000\u2003B", " a\t\nb "),
    ("❤\ufe0f", "❤"),
    ("do\u00adge", "do\u200bge", "\ufeffDoge", "doge"),
    ("①", "1"),
    ("", "\u200b", " "),
]


@pytest.mark.parametrize("texts", ALIKE)
def test_texts_that_look_alike_are_folded_alike(texts: tuple[str, ...]) -> None:
    assert 1 == len({fold_text(text) for text in texts})


@pytest.mark.parametrize(
    ("one", "other"), [("cafe", "café"), ("a", "ä"), ("ｓ", "ß"), ("ひ", "び"), ("猫", "犬")]
)
def test_letters_that_differ_stay_different(one: str, other: str) -> None:
    assert fold_text(one) != fold_text(other)


@given(st.text())
def test_folding_again_changes_nothing(text: str) -> None:
    folded = fold_text(text)
    assert folded == fold_text(folded)
    assert "\n" not in folded


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["NFC", "NFD", "NFKD"]))
def test_the_form_makes_no_difference(text: str, form: str) -> None:
    assert fold_text(text) == fold_text(normalize(form, text))  # type: ignore[arg-type]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\u0345", max_codepoint=0x1EFF)))
def test_the_case_makes_no_difference(text: str) -> None:
    assert fold_text(text) == fold_text(text.upper()) == fold_text(text.lower())
