"""An operator finds what Postgres refuses, mends the cause, and has it replayed or dropped."""

from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
import trio
from attrs import frozen

from commands.main import main
from tests.acceptance.service import Service, running_service, settings, until_rows
from tests.acceptance.test_outages import creates, migration, until_bonded_on_feed
from tests.acceptance.world import running_peer
from tests.patience import PATIENCE_SECONDS

COUNT = "SELECT count(*) FROM token"


@frozen
class Operator:
    """Types `token-discovery quarantine ...`."""

    service: Service
    capsys: pytest.CaptureFixture[str]

    async def order(self, *words: str) -> tuple[int, str]:
        """The exit code, and what was printed, errors as well."""
        url = f"http://127.0.0.1:{self.service.port}"
        code = await trio.to_thread.run_sync(main, ["quarantine", *words, "--url", url])
        printed = self.capsys.readouterr()
        return code, printed.out + printed.err

    async def look(self) -> dict[str, Any]:
        code, printed = await self.order("list", "--json")
        assert 0 == code
        report: dict[str, Any] = orjson.loads(printed)
        return report

    async def until_listed(self, entries: int) -> list[dict[str, Any]]:
        with trio.fail_after(PATIENCE_SECONDS):
            while True:
                listed: list[dict[str, Any]] = (await self.look())["entries"]
                if len(listed) == entries:
                    return listed
                await trio.sleep(0.05)


def execute(postgres_url: str, statement: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(statement.encode())


async def test_births_that_a_constraint_refuses_are_listed_replayed_and_dropped(
    tmp_path: Path, postgres_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, worse = creates(3)
    async with running_peer() as peer:
        environment = settings(postgres_url, redis_url, INGEST__URL=peer.url)
        async with running_service(tmp_path, environment) as service:
            operator = Operator(service, capsys)
            assert (0, "the quarantine is empty\n") == await operator.order("list")
            refused = f"mint NOT IN ('{bad['mint']}', '{worse['mint']}')"
            execute(postgres_url, f"ALTER TABLE token ADD CONSTRAINT by_hand CHECK ({refused})")
            peer.say(bad, good, worse)
            await until_rows(postgres_url, "SELECT mint FROM token", [(good["mint"],)])
            entries = {entry["mint"]: entry for entry in await operator.until_listed(2)}
            assert {bad["mint"], worse["mint"]} == entries.keys()
            entry = entries[bad["mint"]]
            assert ("birth", 1, "waiting", True) == (
                entry["kind"],
                entry["tries"],
                entry["state"],
                entry["isReplayable"],
            )
            assert "by_hand" in entry["reason"]
            # In words, whole, and in the metrics.
            code, table = await operator.order("list")
            assert (0, True) == (code, f"{entry['id']}  birth  1" in table)
            code, shown = await operator.order("show", entry["id"])
            assert bad["name"] == orjson.loads(shown)["content"]["Token"]["name"]
            metrics = (await service.get("/metrics")).text
            assert 'token_discovery_quarantine_entries{kind="birth"} 2.0' in metrics
            # Refused again, it stays.
            code, said = await operator.order("replay", entry["id"])
            assert (1, True) == (code, said.startswith(f"{entry['id']}: refused again: "))
            assert 0 == await service.stop()
        # Another process: the entries are there, and the cause is mended.
        async with running_service(tmp_path, environment) as service:
            operator = Operator(service, capsys)
            tries = {entry["mint"]: entry["tries"] for entry in await operator.until_listed(2)}
            assert {bad["mint"]: 2, worse["mint"]: 1} == tries
            dropped = entries[worse["mint"]]["id"]
            assert (0, f"{dropped}: dropped\n") == await operator.order("drop", dropped)
            execute(postgres_url, "ALTER TABLE token DROP CONSTRAINT by_hand")
            assert (0, f"{entry['id']}: taken\n") == await operator.order("replay", "--all")
            await until_rows(postgres_url, COUNT, [(2,)])
            assert 200 == (await service.get(f"/api/tokens/{bad['mint']}")).status_code
            assert (0, "the quarantine is empty\n") == await operator.order("list")
            code, said = await operator.order("replay", entry["id"])
            assert 78 == code
            assert "refused: the quarantine has no entry of this id\n" in said


async def test_values_that_a_constraint_refuses_are_replayed_once_it_is_gone(
    tmp_path: Path, postgres_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = creates(2)
    async with running_peer() as peer:
        environment = settings(postgres_url, redis_url, INGEST__URL=peer.url)
        async with running_service(tmp_path, environment) as service:
            operator = Operator(service, capsys)
            peer.say(first, second)
            await until_rows(postgres_url, "SELECT count(*) FROM token_stats", [(2,)])
            execute(
                postgres_url,
                f"""
                DO $$ BEGIN EXECUTE format(
                    'ALTER TABLE token_stats ADD CONSTRAINT by_hand '
                    'CHECK (token_id <> %s OR status IS DISTINCT FROM 2)',
                    (SELECT id FROM token WHERE mint = '{first["mint"]}')
                ); END $$
                """,
            )
            peer.say(migration(first), migration(second))
            await until_bonded_on_feed(service, second["mint"])
            [entry] = await operator.until_listed(1)
            assert ("update", first["mint"]) == (entry["kind"], entry["mint"])
            await until_rows(postgres_url, "SELECT max(status) FROM token_stats", [(2,)])
            execute(postgres_url, "ALTER TABLE token_stats DROP CONSTRAINT by_hand")
            assert (0, f"{entry['id']}: taken\n") == await operator.order("replay", entry["id"])
            await until_rows(postgres_url, "SELECT status FROM token_stats", [(2,), (2,)])
            assert [] == (await operator.look())["entries"]


async def test_updates_of_a_token_that_nobody_created_are_shown_as_parked(
    tmp_path: Path, postgres_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    [unborn] = creates(1)
    async with running_peer() as peer:
        environment = settings(postgres_url, redis_url, INGEST__URL=peer.url)
        async with running_service(tmp_path, environment) as service:
            operator = Operator(service, capsys)
            assert (0, "nothing is parked\n") == await operator.order("list", "--parked")
            peer.say(migration(unborn))
            with trio.fail_after(PATIENCE_SECONDS):
                while not (parked := (await operator.look())["parked"]):
                    await trio.sleep(0.05)
            assert unborn["mint"] == parked[0]["mint"]
            assert "status" in parked[0]["fields"]
            code, table = await operator.order("list", "--parked")
            assert (0, True) == (code, f"{unborn['mint']}" in table)
            code, words = await operator.order("list")
            assert "note: updates that wait for their token: 1; --parked shows them" in words
            dump = (await service.get("/api/ops/actors")).json()
            [sync] = [actor for actor in dump["actors"] if actor["name"] == "sync"]
            assert unborn["mint"] == sync["summary"]["oldest_parked"][0]["mint"]
