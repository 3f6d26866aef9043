"""An owner of 50,000 rows moves over and back again, with the SQL of docs/migrating.md."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import orjson
import psycopg
import pytest
import trio
from attrs import frozen

from tests.acceptance.service import ROOT, Service, rows, running_service, settings, until_rows
from tests.acceptance.test_outages import creates, migration, until_bonded_on_feed, until_on_feed
from tests.acceptance.world import running_peer
from tests.conftest import PostgresFactory
from tests.integration.commands.past_world import our_url
from tests.owner.past import make_mints, make_owner_table
from tests.patience import PATIENCE_SECONDS

ROWS = 50_000
TEXT = "written by the backend"
GUIDE = (ROOT / "docs" / "migrating.md").read_text(encoding="utf-8")
STATES = ("new", "graduating", "bonded")
ORDERS = ("hotScore", "volume24h", "firstSeenAt", "stateChangedAt")


def sql_of_guide(title: str) -> str:
    """The block of the guide that begins with this line."""
    (block,) = re.findall(rf"```sql\n-- {title}\n(.*?)```", GUIDE, re.DOTALL)
    return str(block)


@frozen
class OwnerDatabase:
    """His database, where the service has a schema of its own."""

    url: str

    @property
    def app_url(self) -> str:
        """As the role of his backend."""
        return self.url.replace("postgres@", "app@")

    def execute(self, script: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(script.encode())

    async def command(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """A command of ours, to its end."""
        return await trio.run_process(
            [sys.executable, "-m", "commands.main", *arguments],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": our_url(self.url)},
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )

    async def compare(self) -> dict[str, dict[str, int]]:
        ended = await self.command("compare", "--json", "--limit", "0")
        result: dict[str, dict[str, int]] = orjson.loads(ended.stdout)
        return result

    def read_feed(self) -> dict[tuple[str, str], list[object]]:
        """What the four queries of his feed bring for each state: what they order by."""
        found: dict[tuple[str, str], list[object]] = {}
        for state in STATES:
            for order in ORDERS:
                query = f"""SELECT "{order}" FROM "TokenDiscovery" WHERE state = '{state}'
                    ORDER BY "{order}" DESC NULLS LAST LIMIT 50"""
                found[state, order] = [value for (value,) in rows(self.app_url, query)]
        return found


def make_database(url: str, mints: list[str]) -> OwnerDatabase:
    with psycopg.connect(url, autocommit=True) as connection:
        make_owner_table(connection, mints, now=time.time(), seconds_apart=3.0)
        connection.execute("CREATE ROLE app LOGIN")
        connection.execute("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO app")
        connection.execute('CREATE TABLE kept AS TABLE "TokenDiscovery"')
    return OwnerDatabase(url)


async def test_an_owner_moves_over_and_back_and_loses_nothing(
    tmp_path: Path, new_postgres: PostgresFactory, redis_url: str
) -> None:
    first, second, born = creates(3)
    mints = [str(first["mint"]), str(second["mint"]), *make_mints(ROWS - 2)]
    owner = make_database(new_postgres().url, mints)
    ended = await owner.command("import")
    assert 0 == ended.returncode, ended.stderr
    assert re.search(rb"(?m)^imported +50,000 ", ended.stdout), ended.stdout
    result = await owner.compare()
    assert ({}, ROWS) == (result["columns"], result["summary"]["same"])
    feed = owner.read_feed()
    async with running_peer() as peer:
        environment = settings(
            our_url(owner.url),
            redis_url,
            INGEST__URL=peer.url,
            POSTGRES__STATUS_WORDS="LAUNCHING",
            POSTGRES__HOT_SCORE_FORM="hundred",
        )
        async with running_service(tmp_path, environment) as service:
            await check_boards(service, set(mints))
            owner.execute(sql_of_guide("switch over"))
            check_feed(feed, owner.read_feed())
            rows(
                owner.app_url,
                """INSERT INTO "TokenWatch" (id, "userId", mint)
                SELECT 'w', 'u', mint FROM "TokenDiscovery" WHERE mint = %s""",
                mints[0],
            )
            rows(
                owner.app_url,
                """UPDATE "TokenDiscovery" SET description = %s,
                "watcherCount" = "watcherCount" + 1, "lastUpdatedAt" = now() WHERE mint = %s""",
                TEXT,
                mints[3],
            )
            await until_shown(service, mints[3], description=TEXT, watcherCount=1)
            # A birth that is known is no news, its migration is, and so is another birth.
            peer.say(first, migration(first), born)
            await until_bonded_on_feed(service, first["mint"])
            await until_on_feed(service, [born["mint"]])
            bonded = f"""SELECT status FROM "TokenDiscovery" WHERE mint = '{first["mint"]}'"""
            await until_rows(owner.app_url, bonded, [("BONDED",)])
            assert 0 == await service.stop()
    ended = await owner.command("export", "--into", "TokenDiscoveryBefore")
    assert 0 == ended.returncode, ended.stderr
    owner.execute(sql_of_guide("switch back"))
    check_nothing_is_lost(owner, str(first["mint"]), str(born["mint"]), mints[3])


async def until_shown(service: Service, mint: str, **values: object) -> None:
    """The service has heard of what was written through the view."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            item = (await service.get(f"/api/tokens/{mint}")).json()
            if values.items() <= item.items():
                return
            await trio.sleep(0.1)


async def check_boards(service: Service, mints: set[str]) -> None:
    """The feed shows what was imported, and one token has all its values."""
    boards = (await service.get("/api/warp-pipes/feed?limit=50")).json()
    for board in STATES:
        shown = {item["mint"] for item in boards[board]}
        assert 50 == len(shown)
        assert shown <= mints


def check_feed(
    before: dict[tuple[str, str], list[object]], after: dict[tuple[str, str], list[object]]
) -> None:
    """Readers find the same in the same order, but for the score, which was not imported."""
    for (state, order), values in before.items():
        found = after[state, order]
        assert 50 == len(found)
        if order == "volume24h":  # to six digits
            assert pytest.approx([float(str(v)) for v in values], rel=1e-5) == [
                float(str(v)) for v in found
            ]
        elif order == "stateChangedAt":  # to the second
            assert [str(value)[:19] for value in values] == [str(value)[:19] for value in found]
        elif order == "firstSeenAt":
            assert values == found


def as_float(number: object) -> float:
    return float(str(number))


def check_nothing_is_lost(owner: OwnerDatabase, bonded: str, born: str, written: str) -> None:
    """Every row is there under its id, unchanged but for what happened; what was born is added."""
    both = 'FROM kept JOIN "TokenDiscovery" AS now USING (id, mint)'
    assert [(ROWS,)] == rows(owner.app_url.replace("app@", "postgres@"), f"SELECT count(*) {both}")
    changed = rows(
        owner.url,
        f"SELECT mint, now.status, now.ath = kept.ath {both} WHERE kept::text <> now::text",
    )
    silent = [row for row in changed if row[0] not in (bonded, written)]
    assert (bonded, "BONDED", True) in changed
    assert [(TEXT,)] == rows(
        owner.app_url, f"SELECT description FROM \"TokenDiscovery\" WHERE mint = '{written}'"
    )
    assert {("DEAD", True)} >= {(status, same) for _, status, same in silent}
    assert len(silent) < ROWS / 100  # those that fell silent meanwhile
    assert [(ROWS + 1,)] == rows(owner.app_url, 'SELECT count(*) FROM "TokenDiscovery"')
    assert [("LAUNCHING",)] == rows(
        owner.app_url, f"SELECT status FROM \"TokenDiscovery\" WHERE mint = '{born}'"
    )
    assert [("w",)] == rows(owner.app_url, 'SELECT id FROM "TokenWatch"')
