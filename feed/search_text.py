"""The form of a text in which searches are compared: what looks alike is alike. Pure.

Unicode's compatibility caseless matching (The Unicode Standard, section 3.13), and three steps on:
invisible characters are left out, white space is one space, and dotted and dotless i are one
letter, so that a Turkish name is found in upper case and in lower case. The page's own filter does
the same (feed/pages/search_text.js).
"""

import re
from unicodedata import normalize

# Soft hyphen, joiners and other format characters, variation selectors: nobody sees or types them.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]"
)
_ANY_I = re.compile("i\u0307+|\u0131\u0307*")  # dotted twice, as casefolding leaves it, or dotless


def to_search_text(text: str) -> str:
    """The form in which a text is searched for, and in; to make it again changes nothing."""
    if text.isascii():
        return " ".join(text.lower().split())
    caseless = normalize("NFKC", _INVISIBLE.sub("", text)).casefold()
    return " ".join(normalize("NFKC", _ANY_I.sub("i", caseless)).split())
