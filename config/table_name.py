"""The name of a table of others: checked when it is set, quoted where it is used.

    public.TokenWatch, "TokenWatch", my."odd.name"  ->  the schema, if one is named, and the table

A name is taken as it is written, also without quotes: `TokenWatch` is `"TokenWatch"`, for nobody
who has a table of capitals means another.
"""

import re

LONGEST_NAME_BYTES = 63  # Postgres cuts longer ones, and would find another table
_PART = r'[^\W\d][\w$]*|"(?:[^"\x00]|"")+"'
_NAME = re.compile(rf"(?:({_PART})\.)?({_PART})")


def parse_table_name(text: str) -> tuple[str, ...]:
    """The table, or its schema and the table; `ValueError` where it is neither."""
    match = _NAME.fullmatch(text)
    if match is None:
        raise ValueError("must be TABLE or SCHEMA.TABLE, in double quotes what is no plain name")
    parts = tuple(_unquote(part) for part in match.groups() if part)
    if any(len(part.encode()) > LONGEST_NAME_BYTES for part in parts):
        raise ValueError(f"must have names of at most {LONGEST_NAME_BYTES} bytes")
    return parts


def quote_table_name(text: str) -> str:
    """The name as SQL has it, every part in quotes."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parse_table_name(text))


def _unquote(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
