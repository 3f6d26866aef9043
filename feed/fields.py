"""The values of HTTP header fields, parsed. Pure.

Grammar and meaning are those of RFC 9110: lists (5.6.1), quality values (12.4.2), entity tags and
their comparison (8.8.3), Accept-Encoding (12.5.3).
"""

import re

# A quoted string hides the commas in it; what is left open runs to the end.
_MEMBER = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^",])+')
_TAG = re.compile(r'(?P<weak>W/)?(?P<opaque>"[\x21\x23-\x7e\x80-\xff]*")')
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")

IDENTITY, GZIP = "identity", "gzip"


def list_members(value: str) -> list[str]:
    """The members of a comma-separated list, without white space around them."""
    return [stripped for member in _MEMBER.findall(value) if (stripped := member.strip(" \t"))]


def has_token(value: str, token: str) -> bool:
    """True when a list of tokens holds this one, in whatever case."""
    return token in (member.lower() for member in list_members(value))


def matches_weakly(value: str, tag: str) -> bool:
    """Whether an If-None-Match names the entity tag; `*` names any."""
    wanted = _opaque_part(tag)
    return _is_any(value) or any(_opaque_part(each) == wanted for each in list_members(value))


def matches_strongly(value: str, tag: str) -> bool:
    """Whether an If-Match names the entity tag, which must be strong; `*` names any."""
    return _is_any(value) or (not tag.startswith("W/") and tag in list_members(value))


def choose_encoding(accepted: str | None, *, prefer_gzip: bool) -> str | None:
    """The content coding to send: `gzip`, `identity`, or None where neither is acceptable.

    What the client prefers goes before what we prefer. Without the field any coding is
    acceptable, but few such clients can undo one.
    """
    if accepted is None:
        return IDENTITY
    qualities = _read_qualities(accepted)
    anything = qualities.get("*", 0.0)
    gzip = max(qualities.get(GZIP, anything), qualities.get("x-gzip", 0.0))
    # The identity is acceptable unless it is excluded, by name or by `*;q=0`.
    is_excluded = qualities.get(IDENTITY, qualities.get("*", 1.0)) == 0.0
    is_gzip_better = prefer_gzip and gzip >= qualities.get(IDENTITY, 0.0)
    if gzip > 0.0 and (is_gzip_better or is_excluded):
        return GZIP
    return None if is_excluded else IDENTITY


def _is_any(value: str) -> bool:
    return value.strip(" \t") == "*"


def _opaque_part(tag: str) -> str | None:
    match = _TAG.fullmatch(tag)
    return match["opaque"] if match else None


def _read_qualities(value: str) -> dict[str, float]:
    """Each member's quality by its lower-case name; what is malformed is left out."""
    qualities: dict[str, float] = {}
    for member in list_members(value):
        name, *parameters = (part.strip(" \t").lower() for part in member.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, text = parameter.partition("=")
            if key == "q":
                quality = float(text) if _QUALITY.fullmatch(text) else 0.0
        qualities[name] = quality
    return qualities
