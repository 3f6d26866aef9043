"""Which of many texts may hold another: two words of 64 bits a text. Pure.

    text --make_search_code--> (letters, pairs): a bit for each letter, and each pair of neighbours

A text has every bit of whatever it holds. So a text that lacks one of those that are searched for
need not be looked at; one that has them all may hold it. Letters and digits of ASCII have a bit
each, so that a search for one of them is exact.

Source: C. S. Roberts, "Partial-match retrieval via the method of superimposed codes", Proceedings
of the IEEE 67 (12), 1979.
"""

from itertools import pairwise
from string import ascii_lowercase, digits

BITS = 64
_EXACT = (ascii_lowercase + digits).encode()
_LETTER_BITS = tuple(
    1 << (_EXACT.index(byte) if byte in _EXACT else len(_EXACT) + byte % (BITS - len(_EXACT)))
    for byte in range(256)
)
# Odd, with bits far apart: pairs of common letters spread over the word.
_FIRST_FACTOR, _SECOND_FACTOR, _DROPPED_BITS = 0x9E3779B1, 0x85EBCA6B, 12


def make_search_code(text: str) -> tuple[int, int]:
    """The bits of a text's letters, and of its pairs of neighbours."""
    encoded = text.encode(errors="surrogatepass")
    letters = pairs = 0
    for byte in set(encoded):
        letters |= _LETTER_BITS[byte]
    for first, second in set(pairwise(encoded)):
        mixed = first * _FIRST_FACTOR + second * _SECOND_FACTOR
        pairs |= 1 << (mixed >> _DROPPED_BITS) % BITS
    return letters, pairs
