"""What doctor asks a Postgres server about itself.

PostgresSettings -> read_facts -> PostgresFacts -> commands.doctor
"""

from collections.abc import Mapping

from attrs import frozen

from config.settings import PostgresSettings
from store import ServerPulse
from store.postgres.checkpoints import read_pulse
from store.postgres.connection import StoreConnection, StoreOffload
from store.postgres.migrating import find_conflict
from store.postgres.session import Session

SETTINGS_READ = (
    "archive_mode",
    "archive_timeout",
    "autovacuum",
    "checkpoint_timeout",
    "fsync",
    "full_page_writes",
    "max_wal_size",
    "server_version_num",
    "shared_buffers",
    "synchronous_commit",
    "wal_compression",
)

HOT_FIGURES = ("live_rows", "dead_rows", "updates", "hot_updates", "bytes")


@frozen(kw_only=True)
class HotTable:
    """The table that every flush updates, as the server's statistics have it."""

    live_rows: int
    dead_rows: int
    updates: int
    hot_updates: int  # those that touched no index
    bytes: int


@frozen(kw_only=True)
class PostgresFacts:
    """Settings as the server states them, in the server's own units."""

    settings: Mapping[str, str]
    units: Mapping[str, str]
    wal_compressions: tuple[str, ...]  # what the server was built with
    may_create: bool  # tables in the schema that the service would use
    conflict: str | None  # what of others has our names there, and the way out
    is_pooled: bool  # something between us and the server lends us its processes
    is_neon: bool  # its storage is not the server's own disk
    untold: tuple[str, ...]  # queries of store/postgres/queries.sql whose call it refuses
    pulse: ServerPulse  # counters since `watched_seconds` ago
    watched_seconds: float  # since the server's WAL statistics began
    hot_table: HotTable | None  # None before the service has run here

    @property
    def major_version(self) -> int:
        return int(self.settings["server_version_num"]) // 10_000

    def bytes_of(self, name: str) -> int:
        """A setting that is a size, in bytes."""
        scale = {"8kB": 8 << 10, "kB": 1 << 10, "MB": 1 << 20, "B": 1}[self.units[name]]
        return int(self.settings[name]) * scale


async def read_facts(settings: PostgresSettings, offload: StoreOffload) -> PostgresFacts:
    """Connect under sync's name, ask, disconnect; `StoreUnavailable` if that fails."""
    connection = StoreConnection(
        settings=settings, application_name="token-discovery:sync", offload=offload
    )
    try:
        return await connection.run(_read_facts)
    finally:
        await connection.close()


def _read_facts(session: Session) -> PostgresFacts:
    rows = session.read("server_settings", list(SETTINGS_READ))
    values = {name: [str(value) for value in values] for name, _, _, values in rows}
    ((may_create,),) = session.read("schema_rights")
    ((is_neon,),) = session.read("is_neon")
    ((watched_seconds,),) = session.read_if_told("statistics_age") or [(0.0,)]
    pulse = read_pulse(session)
    hot_table = [
        HotTable(**dict(zip(HOT_FIGURES, row, strict=True)))
        for row in session.read_if_told("hot_table_statistics")
    ]
    return PostgresFacts(
        settings={name: setting for name, setting, _, _ in rows},
        units={name: unit for name, _, unit, _ in rows},
        wal_compressions=tuple(values.get("wal_compression", ())),
        may_create=bool(may_create),
        conflict=find_conflict(session),
        is_pooled=session.is_pooled,
        untold=tuple(sorted(session.untold)),
        is_neon=bool(is_neon),
        pulse=pulse,
        watched_seconds=float(watched_seconds),
        hot_table=hot_table[0] if hot_table else None,
    )
