"""Brings the schema up to date at start.

All that is not applied yet is applied in one transaction, which takes an advisory lock first: two
processes that start at once take turns, and one that dies half-way, or meets what is not ours,
leaves nothing behind. The lock is waited for as long as any lock (`lock_timeout`); then the start
fails as for any store that does not answer.

All tables are made in the first schema of the connection's search_path; the schema, too, if no
schema there exists. A role that may not do so is bad configuration, and so are relations of others
that have our names: waiting would not help.
"""

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType

from attrs import frozen
from psycopg.errors import DependentObjectsStillExist, InsufficientPrivilege, InvalidSchemaName

from domain.errors import BadConfiguration
from store.postgres.session import Session

FIRST_STEP = "0001_tables"
# What each step makes, and so nobody else may have; indexes get a name that is free.
NAMES_MADE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        FIRST_STEP: (
            "token_id",
            "token",
            "token_journal_a",
            "token_journal_b",
            "token_journal_state",
            "token_stats",
            "token_stats_mark",
            "token_stats_base",
            "token_profile",
        ),
        "0002_token_discovery_view": (
            "token_stats_folded",
            "token_stats_logged",
            "token_now",
            "token_now_logged",
            "token_shown",
            "TokenDiscovery",
        ),
        "0005_the_readers_model": (
            "token_reader_settings",
            "token_card",
            "token_discovery_now",
            "token_discovery_logged",
        ),
        "0006_writes_of_others": ("token_overlay", "token_discovery_own"),
    }
)
MIGRATION_TABLE = "schema_migration"
MIGRATION_COLUMNS = frozenset({"name", "checksum", "applied_at"})


@frozen
class Migration:
    """One step of the schema."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        return sha256(self.text.encode()).hexdigest()


def known_migrations() -> tuple[Migration, ...]:
    """The steps that this program knows, in order."""
    found = files("store.postgres.migrations").iterdir()
    return tuple(
        Migration(path.name.removesuffix(".sql"), path.read_text("utf-8"))
        for path in sorted(found, key=lambda path: path.name)
        if path.name.endswith(".sql")
    )


def migrate(session: Session, migrations: Sequence[Migration] | None = None) -> None:
    """Apply what is not applied yet.

    `BadConfiguration` if the database is ahead of the program, the role lacks a right, or others
    have our names.
    """
    steps = known_migrations() if migrations is None else migrations
    try:
        _require_schema(session)
        _apply_pending(session, steps)
    except (InsufficientPrivilege, InvalidSchemaName) as error:
        session.connection.rollback()
        reason = error.diag.message_primary or type(error).__name__
        raise BadConfiguration(f"Postgres: {reason}: {_missing_right(session, reason)}") from None
    except DependentObjectsStillExist as error:
        detail = " ".join((error.diag.message_detail or "").split())
        raise BadConfiguration(
            "Postgres: a migration has to make a view anew that other objects depend on: drop "
            f"them, start the service, and make them again ({detail})"
        ) from None


def find_conflict(session: Session) -> str | None:
    """What of others stands in the way of the migrations, and the way out; None if nothing."""
    ((schema, *_),) = session.read("schema")
    if schema is None:
        return None  # it will be made, and then nothing is in it
    return _find_conflict(session, str(schema), known_migrations())


def _find_conflict(session: Session, schema: str, steps: Sequence[Migration]) -> str | None:
    if not _is_migration_table_ours(session):
        return _describe_conflict(schema, [("table", MIGRATION_TABLE)])
    pending = pending_migrations(steps, _read_applied(session))
    names = [name for step in pending for name in NAMES_MADE.get(step.name, ())]
    makes_partitions = any(step.name == FIRST_STEP for step in pending)
    taken = session.read("taken_names", names, makes_partitions) if names else []
    return _describe_conflict(schema, taken) if taken else None


def _is_migration_table_ours(session: Session) -> bool:
    """Also when there is none."""
    found = session.read("migration_table")
    return all(is_table and MIGRATION_COLUMNS.issubset(columns) for is_table, columns in found)


def _read_applied(session: Session) -> dict[str, str]:
    """The checksums of what is applied, by name."""
    if not session.read("migration_table"):
        return {}
    return dict(session.read("applied_migrations"))


def _describe_conflict(schema: str, taken: Sequence[Sequence[str]]) -> str:
    names = ", ".join(f"{kind} {name}" for kind, name in taken)
    kind, first = taken[0]
    return (
        f"schema {schema} has what is not this service's: {names}. Give the service a schema of "
        "its own (?schema=NAME in the connection string), or rename what is there "
        f"(ALTER {kind.upper()} {schema}.{first} RENAME TO ...)"
    )


def _require_schema(session: Session) -> None:
    """Make the schema that the search path wants, if none of it is there."""
    ((schema, search_path, *_),) = session.read("schema")
    if schema is None and (wanted := wanted_schema(search_path)):
        session.run_script(session.queries["begin_schema"])
        session.run_script(f"CREATE SCHEMA IF NOT EXISTS {wanted}")
        session.run_script("COMMIT")


def wanted_schema(search_path: str) -> str | None:
    """The first schema of a search path that is named there, quoted as it is there."""
    names: list[str] = re.findall(r'"(?:[^"]|"")+"|[^\s,"]+', search_path)
    return next((name for name in names if name != '"$user"'), None)


def _missing_right(session: Session, reason: str) -> str:
    """What gives the role what it lacks."""
    if "must be owner" in reason or "for table" in reason:
        return "the role that owns it must start the service"
    ((schema, search_path, database, role),) = session.read("schema")
    wanted = schema or wanted_schema(search_path)
    if wanted is None:
        return "the search_path names no schema"
    grant = f"GRANT USAGE, CREATE ON SCHEMA {wanted} TO {role}"
    if schema is not None:
        return grant
    return f"GRANT CREATE ON DATABASE {database} TO {role}; or, if schema {wanted} exists, {grant}"


def _apply_pending(session: Session, steps: Sequence[Migration]) -> None:
    session.run_script(session.queries["begin_migration"])
    ((schema, *_),) = session.read("schema")
    if schema is not None and (conflict := _find_conflict(session, str(schema), steps)):
        raise BadConfiguration(f"Postgres: {conflict}")
    session.run_script(session.queries["make_migration_table"])
    for step in pending_migrations(steps, _read_applied(session)):
        session.run_script(step.text)
        session.execute("record_migration", step.name, step.checksum)
    session.run_script("COMMIT")


def pending_migrations(
    steps: Sequence[Migration], applied: Mapping[str, str]
) -> Sequence[Migration]:
    """The steps to apply; `BadConfiguration` where database and program do not agree."""
    unknown = sorted(applied.keys() - {step.name for step in steps})
    if unknown:
        raise BadConfiguration(
            f"the database's schema is newer than this program: it has {', '.join(unknown)}"
        )
    for step in steps:
        if applied.get(step.name, step.checksum) != step.checksum:
            raise BadConfiguration(f"migration {step.name} differs from the one that was applied")
    return [step for step in steps if step.name not in applied]
