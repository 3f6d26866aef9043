"""The form of a text in which searches are compared: what looks alike is alike. Pure.

Unicode's compatibility caseless matching (The Unicode Standard, section 3.13), and three steps on:
invisible characters are left out, white space is one space, and dotted and dotless i are one
letter, so that a Turkish name is found in upper case and in lower case. feed/pages/folding.js does
the same for the page's own filter.
"""

import re
from unicodedata import normalize

# Soft hyphen, joiners and other format characters, variation selectors: nobody sees or types them.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]"
)
_ANY_I = re.compile("i\u0307+|\u0131\u0307*")  # dotted twice, as casefolding leaves it, or dotless


def fold_text(text: str) -> str:
    """The text as it is searched for and searched in; folding it again changes nothing."""
    if text.isascii():
        return " ".join(text.lower().split())
    caseless = normalize("NFKC", _INVISIBLE.sub("", text)).casefold()
    return " ".join(normalize("NFKC", _ANY_I.sub("i", caseless)).split())
