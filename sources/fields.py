"""Reading fields of foreign JSON: the value if it is usable, else None. Nothing here raises.

What comes from outside may be absent, of another type, negative, absurdly large, or text that
Postgres cannot store; one unusable field costs that field, not its token.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from math import isfinite

import orjson

from domain.values import Sol, Usd, is_address

GREATEST_CREDIBLE = 1e30  # anything beyond is noise; Postgres' real ends at 3e38
SMALLEST_NUMBER = 1e-30  # closer to zero Postgres' real would underflow
GREATEST_COUNT = 2**31 - 1  # Postgres' integer
GREATEST_SOL = 6e8  # about all SOL there is
GREATEST_USD = 1e14  # about all money there is
GREATEST_TOKENS = 1e15  # no launch-pad mints nearly as many of one coin
LONGEST_ADDRESS = 512  # characters of a link; a longer one is dropped, half a link is useless
JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"

LINK = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)
METADATA_LINK = re.compile(r"(https?|ipfs|ar)://[^\s/?#]+\S*", re.IGNORECASE)
DECIMAL = re.compile(r"[+-]?\d{1,40}(\.\d{0,40})?([eE][+-]?\d{1,3})?", re.ASCII)


def decode_json(text: str | bytes) -> object:
    """The JSON value in `text`; ValueError if it holds none.

    Lone surrogates (JavaScript sends half an emoji as `\\ud83d`) and NaN are no JSON for orjson;
    the standard library takes them, and the readers below make them harmless.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _decode_leniently(text)


def _decode_leniently(text: str | bytes) -> object:
    """The slower decoder has the last word."""
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON") from error


def read_object(value: object) -> Mapping[str, object]:
    """`value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def read_array(value: object) -> list[object]:
    """`value` if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def read_signed_number(value: object) -> float | None:
    """A finite number of a size that means something; a bool or text is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    if not isfinite(result) or abs(result) > GREATEST_CREDIBLE:
        return None
    return None if 0 < abs(result) < SMALLEST_NUMBER else result


def read_number(value: object) -> float | None:
    """As `read_signed_number`, and not negative."""
    result = read_signed_number(value)
    return None if result is None or result < 0 else result


def read_sol(value: object) -> Sol | None:
    """As `read_number`, and no more SOL than there is."""
    result = _read_bounded(value, GREATEST_SOL)
    return None if result is None else Sol(result)


def read_usd(value: object) -> Usd | None:
    """As `read_number`, and no more dollars than there are."""
    result = _read_bounded(value, GREATEST_USD)
    return None if result is None else Usd(result)


def read_tokens(value: object) -> float | None:
    """As `read_number`, and no more tokens than a coin may have."""
    return _read_bounded(value, GREATEST_TOKENS)


def _read_bounded(value: object, greatest: float) -> float | None:
    if type(value) is float and SMALLEST_NUMBER <= value <= greatest:
        return value  # the usual case, without the questions that the others need
    result = read_number(value)
    return None if result is None or result > greatest else result


def read_decimal(value: object) -> float | None:
    """As `read_number`, also from decimal text such as "0.00000002954"."""
    if isinstance(value, str) and DECIMAL.fullmatch(value):
        return read_number(float(value))
    return read_number(value)


def read_count(value: object) -> int | None:
    """A whole number from 0 to what Postgres' integer holds; 3.0 is one, 3.5 is none."""
    result = read_number(value)
    if result is None or result > GREATEST_COUNT or result != int(result):
        return None
    return int(result)


def read_label(value: object, longest: int) -> str | None:
    """One line of text for people, cut to `longest` characters; None if nothing in it is visible.

    White space of any kind and length, newlines and tabs too, becomes one space. Control and
    format characters go. So do the marks that turn the direction of writing, since an unclosed
    one would turn the text around the label as well; right-to-left scripts are shown correctly
    without them. Only the joiners stay, which emoji, Persian and Indic words are spelled with.
    """
    if not isinstance(value, str):
        return None
    text = value if value.isprintable() else "".join(map(_clean, value[: 8 * longest]))
    text = " ".join(text.split())[:longest].strip()
    return text if any(c.isprintable() and not c.isspace() for c in text) else None


def read_text(value: object, longest: int) -> str | None:
    """As `read_label`, but of several lines: an empty one may stand between two, not more."""
    if not isinstance(value, str):
        return None
    lines = [read_label(line, longest) or "" for line in value[: 8 * longest].splitlines()]
    if not lines:
        return None
    kept = [line for line, after in zip(lines, [*lines[1:], ""], strict=True) if line or after]
    return "\n".join(kept)[:longest].strip() or None


def _clean(character: str) -> str:
    """What a label shows of one character."""
    if character.isspace():
        return " "
    if character in JOINERS:
        return character
    category = unicodedata.category(character)
    if category in ("Cc", "Cf"):
        return ""
    return "\N{REPLACEMENT CHARACTER}" if category == "Cs" else character


def read_link(value: object) -> str | None:
    """An http(s) address of bearable length."""
    return _read_matching(value, LINK)


def read_metadata_link(value: object) -> str | None:
    """An address that a client can load metadata from; `data:` and the like are dropped."""
    return _read_matching(value, METADATA_LINK)


def _read_matching(value: object, pattern: re.Pattern[str]) -> str | None:
    if not isinstance(value, str):
        return None
    text = value.strip()
    usable = len(text) <= LONGEST_ADDRESS and text.isprintable() and pattern.fullmatch(text)
    return text if usable else None


def read_address(value: object) -> str | None:
    """A Solana address: base58 of 32 bytes."""
    return value if isinstance(value, str) and is_address(value) else None
