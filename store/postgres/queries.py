"""The statements of queries.sql by name, with their lists of columns filled in."""

import re
from collections.abc import Mapping
from importlib.resources import files

from attrs import asdict, frozen

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
PACK_BYTES = 6_750
TOKEN_BYTES = 4 + 4 + 4 + 4  # id, version, time, and its bits in the arrays' NULL bitmaps
SIDES = ("a", "b")
LATE = frozenset({"make_partition", "count_watches"})  # filled in when it is used
ON_CONNECTING = frozenset({"describe_server", "fix_defaults", "set_bounds"})
BY_SIDE = ("write_token_stats", "write_snapshot", "switch_journal", "empty_journal")


@frozen(kw_only=True)
class TimeLimits:
    """How long the server lets a statement run, and wait for a lock; as it writes durations."""

    statement_timeout: str
    lock_timeout: str

    @classmethod
    def of_statements(cls, timeout_seconds: float) -> "TimeLimits":
        """Let a statement wait for a lock for half of its time."""
        milliseconds = timeout_seconds * 1000
        return cls(
            statement_timeout=f"{milliseconds:.0f}ms", lock_timeout=f"{milliseconds / 2:.0f}ms"
        )


def render_session_settings(limits: TimeLimits, *, is_local: bool) -> str:
    """The statements that make a session ours, or the transaction alone."""
    values = {**asdict(limits), "is_local": str(is_local).lower()}
    return ";\n".join(BLOCKS[name].format(**values) for name in ("fix_defaults", "set_bounds"))


def build_session_queries(
    *, reads_wal_position: bool, dead_band: float = 0.0, local_settings: str = ""
) -> Mapping[str, str]:
    """Every query of a session; the WAL position is 0 where the server does not tell it.

    `local_settings` are statements that begin every transaction, where a pooler lends us another
    server process for each.
    """
    blocks = {name: block for name, block in BLOCKS.items() if name not in ON_CONNECTING}
    told, untold = blocks.pop("wal_position"), blocks.pop("no_wal_position")
    shared = {
        "wal_position": told if reads_wal_position else untold,
        "stats_state": blocks.pop("stats_state"),
        "is_retained": blocks.pop("is_retained"),
        **_list_beginnings(local_settings),
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


def _list_beginnings(local_settings: str) -> dict[str, str]:
    """How a transaction begins: as ours by its session, or by its own settings."""
    if not local_settings:
        return {"begin": "BEGIN", "begin_reading": "BEGIN READ ONLY"}
    begin = "BEGIN ISOLATION LEVEL READ COMMITTED"
    return {
        "begin": f"{begin};\n{local_settings}",
        "begin_reading": f"{begin} READ ONLY;\n{local_settings}",
    }


def _reading_lists() -> dict[str, str]:
    return {
        "reading_list": columns.render_list(FIELDS),
        "outline": columns.render_outline(),
        "token_fields": columns.render_list(columns.TOKEN_FIELDS),
        "token_fields_of_token": columns.render_list(columns.TOKEN_FIELDS, of="token"),
        "token_values": columns.render_birth(columns.TOKEN_FIELDS),
        "token_definitions": columns.render_definitions(columns.TOKEN_FIELDS),
        "stats_fields": columns.render_list(columns.STATS_FIELDS),
        "stats_fields_of_stats": columns.render_list(columns.STATS_FIELDS, of="stats"),
        "card_fields": columns.render_list(columns.CARD_FIELDS),
    }


def _stats_lists(dead_band: float) -> dict[str, str]:
    """The lists of hot fields: as sent, as they differ, as packed and as merged."""
    fields = columns.STATS_FIELDS
    differences = (
        f"{columns.render_difference(name, 'sent', 'known', dead_band)} AS {name}"
        for name in fields
    )
    return {
        "pack_bytes": str(PACK_BYTES),
        "token_bytes": str(TOKEN_BYTES),
        "observed_at": columns.render_seconds_since_epoch("sent.observed_at"),
        "fields": columns.render_list(fields),
        "definitions": columns.render_definitions(fields),
        "differences": ", ".join(differences),
        "packed": ", ".join(columns.render_packing(name) for name in fields),
        "packed_bytes": columns.render_packed_bytes(fields),
        "assignments": ", ".join(
            f"{name} = coalesce(news.{name}, stored.{name})" for name in fields
        ),
    }


def _profile_lists() -> dict[str, str]:
    """The lists of rarely changed fields: as sent, as stored and as merged."""
    fields = columns.PROFILE_FIELDS
    merged = [(name, f"coalesce({{}}.{name}, {{}}.{name})") for name in fields]
    return {
        "fields": columns.render_list(fields),
        "definitions": columns.render_definitions(fields),
        "sent_fields": columns.render_list(fields, of="sent"),
        "known_fields": columns.render_list(fields, of="known"),
        "known_merged": ", ".join(each.format("sent", "known") for _, each in merged),
        "assignments": ", ".join(
            f"{name} = {each.format('change', 'stored')}" for name, each in merged
        ),
    }


BLOCKS = named_blocks(files("store.postgres").joinpath("queries.sql").read_text("utf-8"))
