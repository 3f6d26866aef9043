"""Import, compare and export where databases differ: every version, poolers, and one another."""

import os
import subprocess
import sys

import psycopg
import pytest

from commands.embedded import EmbeddedPostgres
from tests.acceptance.service import ROOT
from tests.conftest import fresh_database
from tests.integration.commands.past_world import OwnerWorld, our_url, owner_world


def test_all_three_work_on_every_version(
    postgres_url_by_version: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with owner_world(postgres_url_by_version, monkeypatch, capsys) as owner:
        owner.fill(60)
        ended = [
            owner.command(*arguments).code
            for arguments in (
                ("import",),
                ("compare",),
                ("export", "--to", "Back"),
                ("compare", "--from", "Back"),
                ("export", "--into", "TokenDiscovery"),
            )
        ]
    assert [0] * 5 == ended


def test_all_three_work_as_behind_a_pooler(
    owner: OwnerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    mints = owner.fill(60)
    monkeypatch.setenv("DATABASE_URL", f"{owner.our_url}&pgbouncer=true")
    assert [60] == owner.command("import", "--batch-rows", "7").counts("imported")
    assert 0 == owner.command("compare", "--batch-rows", "7").code
    owner.execute('DELETE FROM "TokenDiscovery" WHERE mint = ANY(%s)', mints[:20])
    ended = owner.command("export", "--into", "TokenDiscovery", "--batch-rows", "7")
    assert (0, [0, 20]) == (ended.code, ended.counts("updated", "inserted"))


def test_the_owners_table_may_stand_in_another_database(
    owner: OwnerWorld, postgres_server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.fill(40)
    with fresh_database(postgres_server) as ours:
        monkeypatch.setenv("DATABASE_URL", our_url(ours))
        ended = owner.command("import", "--url", owner.url)
        assert (0, [40]) == (ended.code, ended.counts("imported"))
        assert 0 == owner.command("compare", "--url", owner.url).code
        with psycopg.connect(ours) as connection:
            (count,) = connection.execute('SELECT count(*) FROM discovery."TokenDiscovery"')
    assert (40,) == count
    assert [(None,)] == owner.rows("SELECT to_regnamespace('discovery')")


def test_two_imports_at_once_make_each_token_once(owner: OwnerWorld) -> None:
    owner.fill(500)
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "commands.main", "import", "--batch-rows", "50"],
            cwd=ROOT,
            env={**os.environ},
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for process in processes:
        process.communicate()
    assert [0, 0] == [process.returncode for process in processes]
    assert [(500, 500)] == owner.rows(
        'SELECT count(*), count(DISTINCT mint) FROM discovery."TokenDiscovery"'
    )


def test_a_role_that_may_only_read_the_owners_table_is_enough(
    owner: OwnerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.fill(40)
    owner.execute("DROP ROLE IF EXISTS reading_service")
    owner.execute("CREATE ROLE reading_service LOGIN")
    owner.execute("CREATE SCHEMA discovery AUTHORIZATION reading_service")
    monkeypatch.setenv("DATABASE_URL", owner.our_url.replace("postgres@", "reading_service@"))
    try:
        refused = owner.command("import")
        assert (78, 1) == (refused.code, len(refused.err.splitlines()))
        assert "permission denied for table TokenDiscovery" in refused.err
        owner.execute('GRANT SELECT ON "TokenDiscovery" TO reading_service')
        assert [40] == owner.command("import").counts("imported")
        assert 0 == owner.command("compare").code
    finally:
        owner.execute("DROP OWNED BY reading_service CASCADE")
        owner.execute("DROP ROLE reading_service")
