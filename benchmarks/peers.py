"""What a Python team would take instead, as strategies of the storm.

    executemany  psycopg 3, which pipelines the statements
    sqlalchemy   SQLAlchemy 2, ORM bulk UPDATE by primary key
    django       Django, QuerySet.bulk_update

All three get the kindest use: changes coalesced for five minutes, one transaction a flush, only
the columns that changed, rows with the same columns together. The table is the seeds' wide one.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import django
import psycopg
import sqlalchemy
import trio
from attrs import define, field
from django.conf import settings as django_settings
from django.db import connections, models, transaction
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import orm

from commands.storm.replay import StrategyName
from commands.storm.wide import BATCH_ROWS, COLUMN_TYPES, Coalesced, changed_row, token_key
from domain.chunks import chunks
from domain.values import Mint, Value

Rows = Mapping[tuple[str, ...], Sequence[dict[str, Any]]]


def by_columns(changes: Iterable[tuple[Mint, Mapping[str, Value]]], at_seconds: float) -> Rows:
    """The changed rows, those with the same columns together."""
    grouped: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for mint, values in changes:
        row = changed_row(values, at_seconds)
        grouped.setdefault(tuple(sorted(row)), []).append({"id": token_key(mint), **row})
    return grouped


@define
class Peer(Coalesced):
    """A flush as another library does it; everything else is the storm's."""

    client: psycopg.Connection[Any] | None = field(init=False, default=None)

    async def open(self) -> None:
        await super().open()
        await trio.to_thread.run_sync(self.connect)

    async def close(self) -> None:
        await trio.to_thread.run_sync(self.disconnect)
        await super().close()

    async def backends(self) -> list[int]:
        return [*await super().backends(), self.peer_backend()]

    async def flush(self) -> None:
        rows = by_columns(self.pending.take().items(), self.now_seconds)
        # In this very thread: Django's connections belong to the thread that made them.
        self.write(rows)

    def connect(self) -> None:
        self.client = psycopg.connect(self.url)

    def disconnect(self) -> None:
        if self.client is not None:
            self.client.close()
            self.client = None

    def connected(self) -> psycopg.Connection[Any]:
        if self.client is None:
            self.connect()
        assert self.client is not None
        return self.client

    def peer_backend(self) -> int:
        return self.connected().info.backend_pid

    @abstractmethod
    def write(self, rows: Rows) -> None:
        """Write the rows in one transaction, and count what was sent."""


@define
class ExecuteMany(Peer):
    def write(self, rows: Rows) -> None:
        with self.connected().transaction(), self.connected().cursor() as cursor:
            for names, group in rows.items():
                sets = ", ".join(f'"{name}" = %({name})s' for name in names)
                cursor.executemany(f'UPDATE "TokenDiscovery" SET {sets} WHERE id = %(id)s', group)
                self.counts.add(len(group), len(group))


@define
class SqlAlchemy(Peer):
    """The model is read from the table, as automap does it."""

    engine: sqlalchemy.Engine | None = field(init=False, default=None)
    model: Any = field(init=False, default=None)

    def write(self, rows: Rows) -> None:
        if self.model is None:
            self._map()
        with orm.Session(self.engine) as session, session.begin():
            for group in rows.values():
                session.execute(sqlalchemy.update(self.model), group)
                self.counts.add(len(group), len(group))

    def _map(self) -> None:
        self.engine = sqlalchemy.create_engine(
            "postgresql+psycopg://", creator=self.connected, poolclass=sqlalchemy.StaticPool
        )
        table = sqlalchemy.Table("TokenDiscovery", sqlalchemy.MetaData(), autoload_with=self.engine)
        self.model = type("TokenDiscovery", (), {})
        orm.registry().map_imperatively(self.model, table)

    def disconnect(self) -> None:
        if self.engine is not None:
            self.engine.dispose()
        self.engine = self.model = None
        super().disconnect()


@define
class Django(Peer):
    """One alias, pointed at each run's schema in turn."""

    def write(self, rows: Rows) -> None:
        model = _django_model()
        with transaction.atomic(using=_ALIAS):
            for names, group in rows.items():
                objects = [model(**row) for row in group]
                manager = model._default_manager.using(_ALIAS)
                manager.bulk_update(objects, names, batch_size=BATCH_ROWS)
                self.counts.add(len(group), sum(1 for _ in chunks(group, BATCH_ROWS)))

    def connect(self) -> None:
        _configure_django(self.url)

    def connected(self) -> psycopg.Connection[Any]:
        connections[_ALIAS].ensure_connection()
        client: psycopg.Connection[Any] = connections[_ALIAS].connection
        return client

    def disconnect(self) -> None:
        """Django's connection is closed where it was made: see `close`."""

    async def close(self) -> None:
        if django_settings.configured:
            connections[_ALIAS].close()
        await super().close()


_ALIAS = "default"
_MODELS: list[Any] = []


def _configure_django(url: str) -> None:
    known: dict[str, Any] = conninfo_to_dict(url)
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": known.get("dbname"),
        "USER": known.get("user"),
        "PASSWORD": known.get("password", ""),
        "HOST": known.get("host"),
        "PORT": known.get("port"),
        "OPTIONS": {"options": known.get("options", "")},
    }
    if not django_settings.configured:
        django_settings.configure(DATABASES={_ALIAS: database}, USE_TZ=False)
        django.setup()
    connections.databases[_ALIAS].update(database)


_FIELD_TYPES: Mapping[str, Callable[..., Any]] = {
    "double precision": models.FloatField,
    "integer": models.IntegerField,
    "text": models.TextField,
    "timestamp(3)": models.DateTimeField,
}


def _django_model() -> Any:
    """The model of the columns that change; made once, Django registers it for good."""
    if not _MODELS:
        fields: dict[str, Any] = {
            name: _FIELD_TYPES[kind](null=True, db_column=name)
            for name, kind in COLUMN_TYPES.items()
        }
        meta = type(
            "Meta", (), {"managed": False, "db_table": "TokenDiscovery", "app_label": "peers"}
        )
        fields |= {"id": models.TextField(primary_key=True), "Meta": meta}
        _MODELS.append(type("TokenDiscovery", (models.Model,), fields | {"__module__": __name__}))
    return _MODELS[0]


PEERS = (
    StrategyName(name="executemany", title="psycopg executemany", build=ExecuteMany),
    StrategyName(name="sqlalchemy", title="SQLAlchemy 2 bulk update", build=SqlAlchemy),
    StrategyName(name="django", title="Django bulk_update", build=Django),
)
