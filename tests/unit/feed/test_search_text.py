"""Texts that look alike are searched alike."""

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.search_text import to_search_text

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
def test_texts_that_look_alike_have_one_search_text(texts: tuple[str, ...]) -> None:
    assert 1 == len({to_search_text(text) for text in texts})


@pytest.mark.parametrize(
    ("one", "other"), [("cafe", "café"), ("a", "ä"), ("ｓ", "ß"), ("ひ", "び"), ("猫", "犬")]
)
def test_letters_that_differ_stay_different(one: str, other: str) -> None:
    assert to_search_text(one) != to_search_text(other)


@given(st.text())
def test_the_search_text_of_a_search_text_is_itself(text: str) -> None:
    made = to_search_text(text)
    assert made == to_search_text(made)
    assert "\n" not in made


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["NFC", "NFD", "NFKD"]))
def test_the_form_makes_no_difference(text: str, form: str) -> None:
    assert to_search_text(text) == to_search_text(normalize(form, text))  # type: ignore[arg-type]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\u0345", max_codepoint=0x1EFF)))
def test_the_case_makes_no_difference(text: str) -> None:
    assert to_search_text(text) == to_search_text(text.upper()) == to_search_text(text.lower())
