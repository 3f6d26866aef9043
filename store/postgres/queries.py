"""The statements of queries.sql by name, with their lists of columns filled in."""

import re
from collections.abc import Mapping
from importlib.resources import files

from domain.token import FIELDS
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


# A row of the journal must fit a page: 8,160 bytes, less about 40 for each of its arrays.
PACK_BYTES = 6_900
TOKEN_BYTES = 4 + 4 + 4 + 4  # id, version, time, and its bits in the arrays' NULL bitmaps
SIDES = ("a", "b")
LATE = frozenset({"make_partition"})  # filled in when it is used
BY_SIDE = ("write_token_stats", "write_snapshot", "switch_journal", "empty_journal")


def session_queries(*, reads_wal_position: bool, dead_band: float = 0.0) -> Mapping[str, str]:
    """Every query of a session; the WAL position is 0 where the server does not tell it."""
    blocks = dict(BLOCKS)
    told, untold = blocks.pop("wal_position"), blocks.pop("no_wal_position")
    shared = {
        "wal_position": told if reads_wal_position else untold,
        "stats_state": blocks.pop("stats_state"),
        **_reading_lists(),
    }
    by_table = {"write_token_profile": _profile_lists()}
    stats = _stats_lists(dead_band)
    queries: dict[str, str] = {}
    for name, block in blocks.items():
        if name in LATE:
            queries[name] = block
        elif name in BY_SIDE:
            for side in SIDES:
                queries[f"{name}_{side}"] = block.format(side=side, **stats)
        else:
            queries[name] = block.format(**shared, **by_table.get(name, {}))
    return queries


def _reading_lists() -> dict[str, str]:
    return {
        "reading_list": columns.listed(FIELDS),
        "token_fields": columns.listed(columns.TOKEN_FIELDS),
        "token_fields_of_token": columns.listed(columns.TOKEN_FIELDS, of="token"),
        "token_values": columns.encoded(columns.TOKEN_FIELDS),
        "token_definitions": columns.definitions(columns.TOKEN_FIELDS),
        "stats_fields": columns.listed(columns.STATS_FIELDS),
        "stats_fields_of_stats": columns.listed(columns.STATS_FIELDS, of="stats"),
    }


def _stats_lists(dead_band: float) -> dict[str, str]:
    """The lists of hot fields: as sent, as they differ, as packed and as merged."""
    fields = columns.STATS_FIELDS
    differences = (
        f"{columns.difference(name, 'sent', 'known', dead_band)} AS {name}" for name in fields
    )
    return {
        "pack_bytes": str(PACK_BYTES),
        "token_bytes": str(TOKEN_BYTES),
        "observed_at": columns.seconds_since_epoch("sent.observed_at"),
        "fields": columns.listed(fields),
        "definitions": columns.definitions(fields),
        "differences": ", ".join(differences),
        "packed": ", ".join(columns.packed(name) for name in fields),
        "packed_bytes": columns.packed_bytes(fields),
        "assignments": ", ".join(
            f"{name} = coalesce(excluded.{name}, stored.{name})" for name in fields
        ),
    }


def _profile_lists() -> dict[str, str]:
    """The lists of rarely changed fields: as sent, as stored and as merged."""
    fields = columns.PROFILE_FIELDS
    merged = [(name, f"coalesce({{}}.{name}, {{}}.{name})") for name in fields]
    return {
        "fields": columns.listed(fields),
        "definitions": columns.definitions(fields),
        "change_fields": columns.listed(fields, of="change"),
        "known_fields": columns.listed(fields, of="known"),
        "known_merged": ", ".join(each.format("change", "known") for _, each in merged),
        "assignments": ", ".join(
            f"{name} = {each.format('excluded', 'stored')}" for name, each in merged
        ),
    }


BLOCKS = named_blocks(files("store.postgres").joinpath("queries.sql").read_text("utf-8"))
