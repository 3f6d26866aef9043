"""The statements of queries.sql by name, with their lists of columns filled in."""

import re
from collections.abc import Mapping
from importlib.resources import files

from store import columns

_COMMENT = re.compile(r"\s*--.*")
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def named_blocks(text: str) -> dict[str, str]:
    """Each block under its `-- name:`, without comments and closing semicolon."""
    _, *parts = _NAME.split(text)
    names, bodies = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"a name stands twice among {names}")
    return {
        name: _COMMENT.sub("", body).strip().removesuffix(";")
        for name, body in zip(names, bodies, strict=True)
    }


def session_queries(*, reads_wal_position: bool) -> Mapping[str, str]:
    """Every query of a session; the WAL position is 0 where the server does not tell it."""
    blocks = dict(_BLOCKS)
    told, untold = blocks.pop("wal_position"), blocks.pop("no_wal_position")
    write_changes = blocks.pop("write_changes")
    make_partition = blocks.pop("make_partition")  # filled in with the day, when it is used
    fillings = {
        "wal_position": told if reads_wal_position else untold,
        "reading_list": columns.reading_list(),
        "token_fields": columns.listed(columns.TOKEN_FIELDS),
        "token_definitions": columns.definitions(columns.TOKEN_FIELDS),
    }
    queries = {name: block.format(**fillings) for name, block in blocks.items()}
    for table, fields in columns.CHANGE_TABLES.items():
        queries[f"write_{table}"] = write_changes.format(table=table, **_change_lists(fields))
    return {**queries, "make_partition": make_partition}


def _change_lists(fields: tuple[str, ...]) -> dict[str, str]:
    """The lists of `write_changes`: one table's fields as stored, as sent and as merged."""
    return {
        "fields": columns.listed(fields),
        "definitions": columns.definitions(fields),
        "change_fields": columns.listed(fields, of="change"),
        "known_fields": columns.listed(fields, of="known"),
        "known_merged": ", ".join(columns.merged(name, "change", "known") for name in fields),
        "assignments": ", ".join(
            f"{name} = {columns.merged(name, 'excluded', 'stored')}" for name in fields
        ),
    }


_BLOCKS = named_blocks(files("store.postgres").joinpath("queries.sql").read_text("utf-8"))
