"""Texts that no log, error or page may show, in any of the forms in which they could appear.

user, password, parameters of an address  ->  SecretTexts  ->  clean(text of a driver)
"""

from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote

from attrs import field, frozen

SHORTEST_PIECE_CHARACTERS = 4  # a shorter part of a secret tells nothing of it
HIDDEN = "(not shown: it repeats a part of the address)"


@frozen
class SecretTexts:
    """Pieces of secrets, each a part of one of its written forms."""

    pieces: frozenset[str] = field(default=frozenset(), repr=False)

    @classmethod
    def of(cls, *secrets: str | None) -> "SecretTexts":
        forms = {form for secret in secrets if secret for form in _written_forms(secret)}
        return cls(frozenset(piece for form in forms for piece in _pieces(form)))

    def are_in(self, text: str) -> bool:
        return any(piece in text for piece in self.pieces)

    def clean(self, text: str) -> str:
        """The text, or a remark in its place when it shows any piece."""
        return HIDDEN if self.are_in(text) else text


def _written_forms(secret: str) -> Iterator[str]:
    """As given, percent-encoded, decoded, and escaped as Python and JSON show texts and bytes."""
    for text in (secret, unquote(secret)):
        yield from (text, quote(text), quote(text, safe=""), quote_plus(text))
        yield from (repr(text)[1:-1], ascii(text)[1:-1])
        yield from (repr(text.encode(errors="replace"))[2:-1], text.replace('"', '\\"'))


def _pieces(form: str) -> Iterator[str]:
    if len(form) <= SHORTEST_PIECE_CHARACTERS:
        yield form
    for start in range(len(form) - SHORTEST_PIECE_CHARACTERS + 1):
        yield form[start : start + SHORTEST_PIECE_CHARACTERS]
