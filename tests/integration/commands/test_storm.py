"""Storms on a real server, small ones: what they say is so, and nothing of them stays."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

import orjson
import psycopg
import pytest
import trio

from commands.main import main
from commands.storm import service_settings
from commands.storm.replay import Outcome, Plan, StrategyName, replay
from commands.storm.server import StormServer, own_server
from commands.storm.strategies import every_strategy
from commands.storm.trace import JobRate, Rates, Trace
from store.postgres import upkeep
from tests.conftest import PostgresFactory
from tests.patience import PATIENCE_SECONDS

SMALL = Rates(
    creates_an_hour=100,
    tokens_active=150,
    jobs=(
        JobRate("market-data", 300, 20, 40),
        JobRate("hot-score", 900, 80, 60),
        JobRate("holder-count", 600, 140, 10),
    ),
)
PLAN = Plan(
    trace=Trace(rates=SMALL, tokens=200, hours=0.5, seed=7),
    checkpoint_seconds=300.0,
    warm_up_seconds=600.0,
)
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'token_discovery_storm%'"
SESSIONS = """SELECT count(*) FROM pg_stat_activity
WHERE application_name LIKE 'token-discovery%' AND datname = current_database()"""


def chosen() -> list[StrategyName]:
    return every_strategy(service_settings())


async def all_outcomes(server: StormServer) -> list[Outcome]:
    return [await replay(PLAN, server, each, lambda _: None) for each in chosen()]


def asked(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def storm_server() -> Iterator[StormServer]:
    """A server of the storm's own: what other tests do to theirs must not be counted."""
    with own_server(None, None) as server:
        yield server


@pytest.fixture(scope="module")
def outcomes(storm_server: StormServer) -> Mapping[str, Outcome]:
    """Every strategy, once."""
    return {each.name: each for each in trio.run(all_outcomes, storm_server)}


def test_every_strategy_ends_with_the_values_of_the_trace(outcomes: Mapping[str, Outcome]) -> None:
    assert dict.fromkeys(outcomes, 0) == {name: o.wrong_values for name, o in outcomes.items()}


def test_batching_takes_the_statements_away(outcomes: Mapping[str, Outcome]) -> None:
    statements = {name: outcome.statements for name, outcome in outcomes.items()}
    assert statements["as-it-was"] == statements["no-index"] > 2 * statements["case"]
    assert statements["case"] > statements["coalesced"]
    assert statements["service"] <= statements["coalesced"]


def test_no_strategy_is_cheaper_than_the_limit_nor_this_service_dearer_than_the_wide_table(
    outcomes: Mapping[str, Outcome],
) -> None:
    wal_bytes = {name: outcome.cost.wal_bytes for name, outcome in outcomes.items()}
    assert min(wal_bytes, key=wal_bytes.__getitem__) == "limit"
    assert wal_bytes["no-index"] < wal_bytes["as-it-was"]
    assert wal_bytes["service"] < wal_bytes["as-it-was"] / 2


def test_without_an_index_on_what_changes_updates_are_hot(outcomes: Mapping[str, Outcome]) -> None:
    assert (outcomes["no-index"].cost.hot_ratio or 0.0) > 0.9
    assert (outcomes["as-it-was"].cost.hot_ratio or 0.0) < 0.5


def test_only_the_simulated_checkpoints_happen(outcomes: Mapping[str, Outcome]) -> None:
    expected = round((PLAN.trace.seconds - PLAN.warm_up_seconds) / PLAN.checkpoint_seconds)
    assert {expected} == {outcome.cost.checkpoints for outcome in outcomes.values()}
    assert {0} == {outcome.cost.foreign_checkpoints for outcome in outcomes.values()}


def test_only_a_strategy_of_the_service_tells_what_a_new_token_costs(
    outcomes: Mapping[str, Outcome],
) -> None:
    told = {name for name, outcome in outcomes.items() if outcome.wal_bytes_a_birth}
    assert {"service", "service-logged", "limit"} == told


def test_what_keeps_the_journal_short_is_part_of_the_cost(
    outcomes: Mapping[str, Outcome], storm_server: StormServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rarely = outcomes["service-logged"]
    monkeypatch.setattr(upkeep, "JOURNAL_OVER_BASE_BYTES", 0)
    one = next(each for each in chosen() if each.name == "service-logged")
    often = trio.run(replay, PLAN, storm_server, one, lambda _: None)
    assert often.statements > rarely.statements == outcomes["service"].statements
    assert often.cost.wal_bytes > rarely.cost.wal_bytes
    assert often.wrong_values == 0


def test_full_pages_and_buffers_are_counted(outcomes: Mapping[str, Outcome]) -> None:
    for outcome in outcomes.values():
        assert outcome.cost.full_page_images > 0
        assert outcome.cost.buffers_a_checkpoint > 0
        assert 0 < outcome.cost.wal_distance_bytes <= outcome.cost.wal_bytes


def test_a_storm_leaves_no_schema_and_no_session(
    outcomes: Mapping[str, Outcome], storm_server: StormServer
) -> None:
    assert outcomes
    assert [] == asked(storm_server.url, SCHEMAS)
    assert [(0,)] == asked(storm_server.url, SESSIONS)


async def twice(server: StormServer, one: StrategyName) -> int:
    return (await replay(PLAN, server, one, lambda _: None)).cost.wal_bytes


@pytest.mark.parametrize("name", ["as-it-was", "service"])
def test_wal_figures_repeat_exactly_on_servers_of_its_own(name: str) -> None:
    one = next(each for each in chosen() if each.name == name)
    measured = []
    for _ in range(2):
        with own_server(None, None) as server:
            measured.append(trio.run(twice, server, one))
    assert measured[0] == measured[1]


def test_the_command_prints_a_table_and_writes_json_and_a_picture(
    postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["storm", "--database-url", postgres_url, "--tokens", "200", "--hours", "0.1"]
    files = ["--json", str(tmp_path / "storm.json"), "--picture", str(tmp_path / "storm.svg")]
    assert 0 == main([*arguments, *files, "--strategies", "limit,service"])
    printed = capsys.readouterr().out
    assert re.search(r"^this service +\d", printed, re.MULTILINE)
    document = orjson.loads((tmp_path / "storm.json").read_bytes())
    assert ["service", "limit"] == [each["name"] for each in document["strategies"]]
    assert ElementTree.parse(tmp_path / "storm.svg").getroot().tag.endswith("svg")
    assert [] == asked(postgres_url, SCHEMAS)


def storm_process(*arguments: str) -> "subprocess.Popen[str]":
    script = Path(sys.executable).with_name("token-discovery")
    return subprocess.Popen(
        [str(script), "storm", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_storm_removes_its_schema(postgres_url: str, number: int, code: int) -> None:
    process = storm_process("--database-url", postgres_url, "--tokens", "3000")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not asked(postgres_url, SCHEMAS) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, number)
    _, complaint = process.communicate(timeout=PATIENCE_SECONDS)
    # How long it will take, and its progress: nothing of the interruption.
    progress = r"^(7 strategies| ).*\n"
    assert (code, "") == (process.returncode, re.sub(progress, "", complaint, flags=re.MULTILINE))
    assert [] == asked(postgres_url, SCHEMAS)


async def test_every_connection_of_a_storm_has_a_name_of_the_services(
    storm_server: StormServer,
) -> None:
    names: set[object] = set()

    def look(_: str) -> None:
        query = """SELECT application_name FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"""
        names.update(name for (name,) in asked(storm_server.url, query))

    for each in chosen():
        if each.name in ("as-it-was", "service"):
            await replay(PLAN, storm_server, each, look)
    assert {"token-discovery:ingest", "token-discovery:sync"} == names


def test_what_a_plain_owner_lacks_is_named_in_one_line(
    new_postgres: PostgresFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    server = new_postgres()
    arguments = ["storm", "--tokens", "200", "--hours", "0.1", "--strategies", "limit,case"]
    arguments += ["--database-url", server.url.replace("postgres@", "an%20owner@")]
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute('CREATE ROLE "an owner" LOGIN')
        complaints = []
        for grant in (
            'GRANT CREATE ON DATABASE postgres TO "an owner"',
            'GRANT pg_checkpoint TO "an owner"',
        ):
            assert 78 == main(arguments)
            complaints.append(capsys.readouterr().err)
            assert complaints[-1].endswith(f": {grant}\n")
            assert 1 == complaints[-1].count("\n")
            connection.execute(grant)
    assert 0 == main(arguments)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--database-url", "postgresql://nobody@127.0.0.1:1/none"), 69),
        (("--database-url", "http://what"), 78),
        (("--postgres-version", "9"), 69),
        (("--json", "/nowhere/at/all.json"), 78),
        (("--wal-compression", "zip"), 78),
    ],
)
def test_an_error_is_one_line_with_its_exit_code(
    arguments: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code == main(["storm", *arguments])
    complaint = capsys.readouterr().err
    assert complaint.startswith("token-discovery: ")
    assert 1 == len(complaint.splitlines())
