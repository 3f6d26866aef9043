"""What the text of a setting means, and why it means nothing.

    value of a layer  ->  convert_value  ->  a value of the setting's type
    ValueError, TypeError  ->  describe_problem  ->  the reason, for people

Numbers of the environment are decimal digits, as people write them: no underscores, no 0x10, no
digits of other scripts, an exponent only where a fraction is allowed. (A file has what TOML has.)

A reason repeats a value only if it is a number, and one was wanted. Any other may be a secret: a
password that was given to the wrong variable, or half an address.
"""

import re
from math import isfinite
from typing import Any

import attrs

INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
BLANKS = " \t\r\n"  # which a shell, an .env file or a mounted secret leaves at the ends
LONGEST_NUMBER_SHOWN = 20  # characters; a longer one is likelier a key
SWITCHES = {"true": True, "false": False}


def convert_value(value: object, wanted: type | None) -> object:
    """`value` as the type its setting has; `ValueError` or `TypeError` if it is none of it."""
    if wanted is bool:
        return _convert_switch(value)
    if wanted is int:
        return _convert_integer(value)
    if wanted is float:
        return _convert_number(value)
    if type(value) is not wanted:
        raise TypeError("must be text in quotes")
    return value


def describe_problem(error: Exception, setting: "attrs.Attribute[Any]", value: object) -> str:
    """Why the value cannot be used for the setting."""
    reason = _reason(error, setting.name, value)
    shown = _number_as_written(value) if setting.type in (int, float) else None
    return reason if shown is None else f"{reason}, not {shown}"


def make_printable(text: str) -> str:
    """A name or a path on one line, of bounded length, whatever is in it."""
    printable = text if text.isprintable() else ascii(text)[1:-1]
    return printable if len(printable) <= 200 else printable[:199] + "…"


def _convert_switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip(BLANKS) in SWITCHES:
        return SWITCHES[value.strip(BLANKS)]
    raise TypeError("must be true or false")


def _convert_integer(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and INTEGER.fullmatch(value.strip(BLANKS)):
        return int(value)
    raise ValueError("must be a whole number in decimal digits")


def _convert_number(value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_text = isinstance(value, str) and NUMBER.fullmatch(value.strip(BLANKS)) is not None
    if not (is_number or is_text):
        raise ValueError("must be a number in decimal digits")
    try:
        number = float(value)  # type: ignore[arg-type]  # one of the three
    except OverflowError:
        number = float("inf")
    if not isfinite(number):
        raise ValueError("must be a finite number")
    return number


def _reason(error: Exception, name: str, value: object) -> str:
    """The reason without the value, which attrs' validators put into theirs."""
    match error.args:
        case (_, _, re.Pattern(), _):
            return "is not a usable address" if value else "must be given"
        case (_, _, tuple() as options, _):
            return "must be one of " + ", ".join(map(str, options))
        case (str(text),) if text.startswith(f"'{name}' "):
            return text.removeprefix(f"'{name}' ").rpartition(": ")[0]
        case (str(text),):
            return text
        case _:
            return "is not usable"


def _number_as_written(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    # No long number becomes a text: Python refuses more than 4,300 digits.
    if isinstance(value, int) and abs(value) >= 10**LONGEST_NUMBER_SHOWN:
        return None
    text = str(value).strip(BLANKS)
    is_number = len(text) <= LONGEST_NUMBER_SHOWN and NUMBER.fullmatch(text) is not None
    return text if is_number else None
