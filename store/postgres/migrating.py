"""Brings the schema up to date at start.

Each migration is one transaction that takes the same advisory lock, looks at what is applied,
and applies the first step that is not. Two processes that start at once therefore take turns,
step by step, and one that dies half-way leaves whole steps behind. The lock is waited for as
long as any lock (`lock_timeout`); then the start fails as for any store that does not answer.

All tables are made in the first schema of the connection's search_path; the schema, too, if no
schema there exists. A role that may not do so is bad configuration: waiting would not help.
"""

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files

from attrs import frozen
from psycopg.errors import InsufficientPrivilege, InvalidSchemaName

from domain.errors import BadConfiguration
from store.postgres.session import Session


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

    `BadConfiguration` if the database is ahead of the program, or the role lacks a right.
    """
    steps = known_migrations() if migrations is None else migrations
    try:
        _require_schema(session)
        for _ in range(len(steps) + 1):  # one transaction a step, and one that finds none
            if not _applied_next(session, steps):
                return
    except (InsufficientPrivilege, InvalidSchemaName) as error:
        session.connection.rollback()
        reason = str(error).splitlines()[0]
        raise BadConfiguration(f"Postgres: {reason}: {_missing_grant(session)}") from error


def _require_schema(session: Session) -> None:
    """Make the schema that the search path wants, if none of it is there."""
    ((schema, search_path, *_),) = session.read("schema")
    if schema is None and (wanted := wanted_schema(search_path)):
        session.script(session.queries["begin_schema"])
        session.script(f"CREATE SCHEMA IF NOT EXISTS {wanted}")
        session.script("COMMIT")


def wanted_schema(search_path: str) -> str | None:
    """The first schema of a search path that is named there, quoted as it is there."""
    names: list[str] = re.findall(r'"(?:[^"]|"")+"|[^\s,"]+', search_path)
    return next((name for name in names if name != '"$user"'), None)


def _missing_grant(session: Session) -> str:
    ((schema, search_path, database, role),) = session.read("schema")
    wanted = schema or wanted_schema(search_path)
    if wanted is None:
        return "the search_path names no schema"
    grant = f"GRANT USAGE, CREATE ON SCHEMA {wanted} TO {role}"
    if schema is not None:
        return grant
    return f"GRANT CREATE ON DATABASE {database} TO {role}; or, if schema {wanted} exists, {grant}"


def _applied_next(session: Session, steps: Sequence[Migration]) -> bool:
    """Apply the first pending step; False when there is none."""
    session.script(session.queries["begin_migration"])
    applied: dict[str, str] = dict(session.read("applied_migrations"))
    pending = pending_migrations(steps, applied)
    if pending:
        session.script(pending[0].text)
        session.execute("record_migration", pending[0].name, pending[0].checksum)
    session.script("COMMIT")
    return bool(pending)


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
