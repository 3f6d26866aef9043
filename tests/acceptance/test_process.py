"""The process as its supervisor sees it: exit codes, signals, one line of trouble."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import orjson
import psycopg
import pytest
import trio

from commands.embedded import EmbeddedPostgres, EmbeddedRedis, free_port
from commands.main import main
from tests.acceptance.service import ROOT, running_service, settings
from tests.acceptance.test_outages import admitted, creates, migration, until_bonded_on_feed
from tests.acceptance.world import running_peer
from tests.architecture.repository import PROJECT
from tests.conftest import PostgresFactory, RedisFactory
from tests.patience import PATIENCE_SECONDS

VERSION = PROJECT["project"]["version"]


def ended(
    environment: dict[str, str], *arguments: str, module: str = "commands.main"
) -> subprocess.CompletedProcess[str]:
    """`token-discovery run` that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", module, *(arguments or ("run",))],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
        check=False,
    )


def test_every_bad_setting_is_reported_at_once_with_78() -> None:
    process = ended(
        {"DATABASE_URL": "mysql://x", "REDIS_URL": "redis://x", "TOKEN_DISCOVERY__SYNC__NOPE": "1"}
    )
    assert 78 == process.returncode
    assert 2 == len(process.stderr.splitlines())


@pytest.mark.parametrize("command", ["run", "doctor", "storm"])
def test_addresses_and_numbers_that_cannot_be_are_a_line_each_and_no_secret(command: str) -> None:
    bad = {
        "GATEWAY__PORT": "s3cret",
        "HOLDER_COUNT__URL": "https://rpc.example:s3cret",
        "INGEST__POOLS_URL": "wss://rpc.example:https/?api-key=s3cret",
        "INGEST__URL": "wss://user:s3cret@host",
        "MARKET_DATA__URL": "https://[::1/s3cret",
        "SOL_PRICE__URL": "https://:s3cr#t@h",
        "SYNC__INTERVAL_SECONDS": "0xs3cret",
    }
    stores = {"DATABASE_URL": "postgresql://db/x", "REDIS_URL": "redis://x"}
    process = ended({f"TOKEN_DISCOVERY__{n}": v for n, v in bad.items()} | stores, command)
    assert 78 == process.returncode
    lines = process.stderr.splitlines()
    assert list(bad) == [line.split(" (TOKEN_DISCOVERY__")[1].strip(")") for line in lines]
    assert "s3cr" not in process.stderr + process.stdout


def test_a_store_out_of_reach_at_the_start_ends_it_with_69(redis_url: str) -> None:
    process = ended(
        settings(
            "postgresql://127.0.0.1:1/x", redis_url, START__DEADLINE_SECONDS="4", GATEWAY__PORT="0"
        )
    )
    assert 69 == process.returncode
    last = [orjson.loads(line) for line in process.stderr.splitlines()][-1]
    assert ("error", "service failed", 69) == (last["level"], last["event"], last["exit_code"])
    assert last["error"].startswith("not ready in time: ")
    assert "Connection refused" in last["error"]


def test_for_people_the_last_line_of_trouble_is_a_plain_one(redis_url: str) -> None:
    environment = settings(
        "postgresql://127.0.0.1:1/x", redis_url, START__DEADLINE_SECONDS="4", GATEWAY__PORT="0"
    )
    process = ended(environment, "run", "--log-format", "console")
    assert 69 == process.returncode
    assert process.stderr.splitlines()[-1].startswith("token-discovery: not ready in time: ")


def test_a_port_that_is_taken_ends_it_with_70_and_one_line_that_names_it(
    postgres_url: str, redis_url: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = settings(postgres_url, redis_url, GATEWAY__PORT=f"{port}")
        process = ended(environment, "run", "--log-format", "console")
    assert 70 == process.returncode
    reason = f"cannot listen on 127.0.0.1:{port}: Address already in use"
    assert f"token-discovery: {reason}" == process.stderr.splitlines()[-1]
    for line in ("address is taken; trying again", "actor failed"):
        assert 1 == process.stderr.count(line)
    assert "Traceback" not in process.stderr


def test_a_table_of_others_under_our_name_ends_it_at_once_with_78(
    postgres_url: str, redis_url: str
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute('CREATE TABLE "TokenDiscovery" (mint text)')
    environment = settings(postgres_url, redis_url, GATEWAY__PORT="0")
    for command in ("run", "doctor"):
        process = ended(environment, command)
        assert 78 == process.returncode
        told = (process.stdout + process.stderr).replace('\\"', '"').splitlines()
        assert any('table "TokenDiscovery"' in line and "?schema=NAME" in line for line in told)
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert [("TokenDiscovery",)] == tables.fetchall()


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_password_with_a_delimiter_is_told_in_one_line_without_it(command: str) -> None:
    for password in ("hush@hush", "hush/hush", "1/hush@hush", "hu%sh"):
        url = f"postgresql://postgres:{password}@127.0.0.1/tokens"
        process = ended({"DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:1"}, command)
        assert 78 == process.returncode
        [line] = (process.stdout + process.stderr).splitlines()
        assert "postgres.url: " in line
        assert "hu" not in line


def test_role_that_may_not_make_tables_ends_it_at_once_with_78(
    postgres_url: str, redis_url: str
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE reader LOGIN")
        connection.execute("GRANT USAGE ON SCHEMA public TO reader")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        url = postgres_url.replace("postgres@", "reader@")
        process = ended(settings(url, redis_url, GATEWAY__PORT="0"))
        connection.execute("DROP OWNED BY reader")
        connection.execute("DROP ROLE reader")
    assert 78 == process.returncode
    last = orjson.loads(process.stderr.splitlines()[-1])
    assert last["error"].endswith("GRANT USAGE, CREATE ON SCHEMA public TO reader")


def test_module_takes_the_arguments_of_run_and_no_others(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[sync]\nnope = 1\n")
    stores = {"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x"}
    process = ended(stores, "--config", str(file), module="supervisor")
    assert 78 == process.returncode
    assert [f"token-discovery: sync.nope: no such setting ({file})"] == process.stderr.splitlines()
    process = ended(stores, "--confg", str(file), module="supervisor")
    assert 78 == process.returncode
    assert process.stderr.startswith("token-discovery: unrecognized arguments: --confg")


def test_module_tells_its_version() -> None:
    process = ended({}, "--version", module="supervisor")
    assert (f"token-discovery {VERSION}\n", 0) == (process.stdout, process.returncode)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("run", "--bogus\n!"), "unrecognized arguments: --bogus ! (see token-discovery --help)"),
        (("dance",), "argument COMMAND: invalid choice: 'dance' "),
        (
            ("storm", "--hours", "0"),
            "argument --hours: 0 is not between 0 and 1000 (see token-discovery storm --help)",
        ),
        (
            ("demo", "--port", "99999"),
            "argument --port: 99999 is not a port (see token-discovery demo --help)",
        ),
        (("dump", "--url", "ftp://x"), "--url ftp://x: not an address of HTTP"),
        (("govern", "--url", "x"), "--url x: not an address of HTTP"),
    ],
)
def test_bad_usage_is_one_line_and_78(arguments: tuple[str, ...], complaint: str) -> None:
    process = ended({}, *arguments)
    assert 78 == process.returncode
    [line] = process.stderr.splitlines()
    assert line.startswith(f"token-discovery: {complaint}")


def test_no_command_is_one_line_and_78(capsys: pytest.CaptureFixture[str]) -> None:
    assert 78 == main([])
    complaint = "the following arguments are required: COMMAND (see token-discovery --help)"
    assert f"token-discovery: {complaint}\n" == capsys.readouterr().err


def test_a_port_that_is_taken_is_told_in_one_line(postgres_url: str, redis_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = settings(
            postgres_url, redis_url, GATEWAY__PORT=str(port), SUPERVISION__RESTARTS="0"
        )
        process = ended(environment)
    last = process.stderr.splitlines()[-1]
    assert 70 == process.returncode
    assert str(port) in last


async def test_a_drain_says_so_and_ends_with_0(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with running_service(tmp_path, settings(postgres_url, redis_url)) as service:
        assert 0 == await service.stop(signal.SIGINT)
        assert '"event": "drained"' in service.log()


@contextmanager
def paused(server: EmbeddedPostgres | EmbeddedRedis) -> Iterator[None]:
    """The server and its children stopped: connections stay open, and nobody answers."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    family = [server.pid, *map(int, children)]
    for process in family:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in reversed(family):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


@pytest.mark.parametrize("hanging", ["postgres", "redis"])
async def test_drain_ends_inside_its_deadline_with_0_although_a_store_hangs(
    hanging: str, tmp_path: Path, new_postgres: PostgresFactory, new_redis: RedisFactory
) -> None:
    postgres, redis = new_postgres(), new_redis()
    server = postgres if hanging == "postgres" else redis
    frames = creates(1)
    more = {"SYNC__INTERVAL_SECONDS": "300", "SHUTDOWN__DEADLINE_SECONDS": "3"}
    async with running_peer() as peer:
        environment = settings(postgres.url, redis.url, INGEST__URL=peer.url, **more)
        async with running_service(tmp_path, environment) as service:
            mints = await admitted(peer, postgres, frames)
            peer.say(migration(frames[0]))
            await until_bonded_on_feed(service, mints[0])  # and is in the buffer alone
            with paused(server):
                assert 0 == await service.stop()
        async with running_service(tmp_path, environment) as service:
            await until_bonded_on_feed(service, mints[0])


async def test_drain_before_it_was_ever_ready_does_not_wait_for_the_stores(
    tmp_path: Path, new_postgres: PostgresFactory, redis_url: str
) -> None:
    postgres = new_postgres()
    patient = {"START__DEADLINE_SECONDS": "300", "SHUTDOWN__DEADLINE_SECONDS": "300"}
    environment = settings(
        postgres.url,
        redis_url,
        GATEWAY__PORT="0",
        POSTGRES__CONNECT_TIMEOUT_SECONDS="60",
        **patient,
    )
    with paused(postgres):
        log_path = tmp_path / "service.log"
        with log_path.open("wb") as log:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-m", "supervisor"],
                cwd=ROOT,
                env={**os.environ, **environment},
                stderr=log,
            )
        with trio.fail_after(PATIENCE_SECONDS):
            while "gateway listens" not in log_path.read_text():
                await trio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        with trio.fail_after(PATIENCE_SECONDS):
            assert 0 == await process.wait()


async def test_sigusr1_writes_every_actor_and_mailbox(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    environment = settings(postgres_url, redis_url, LOGGING__DUMP_DIRECTORY=str(tmp_path))
    async with running_service(tmp_path, environment) as service:
        service.process.send_signal(signal.SIGUSR1)
        path = tmp_path / f"token-discovery-{service.process.pid}.dump.json"
        with trio.fail_after(PATIENCE_SECONDS):
            while not path.exists():
                await trio.sleep(0.02)
        dump = orjson.loads(path.read_bytes())
    actors = {actor["name"] for actor in dump["actors"]}
    assert actors >= {"ingest", "market-data", "hot-score", "holder-count", "activity", "sync"}
    for box in dump["mailboxes"]:
        ended_up = ("handled", "conflated", "dropped", "quarantined", "depth")
        assert box["sent"] == sum(box[name] for name in ended_up)


async def test_systemd_and_s6_are_told_when_it_is_ready_and_when_it_stops(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        address = str(tmp_path / "notify")
        listener.bind(address)
        listener.settimeout(PATIENCE_SECONDS)
        environment = settings(postgres_url, redis_url, ACTIVITY__IDLE_AFTER_SECONDS="0.1")
        async with running_service(tmp_path, environment | {"NOTIFY_SOCKET": address}) as service:
            said = [listener.recv(1000).decode()]
            while said[-1] != "STATUS=idle":
                said.append(await trio.to_thread.run_sync(lambda: listener.recv(1000).decode()))
            assert 0 == await service.stop()
        said.append(listener.recv(1000).decode())
    assert said[0].startswith("STATUS=starting, waits for ingest: not yet, ")
    assert "READY=1" in said
    assert said[-1] == "STOPPING=1\nSTATUS=draining"


@pytest.mark.parametrize("command", ["run", "demo", "doctor", "dump"])
def test_every_command_explains_itself(command: str) -> None:
    process = ended({}, command, "--help")
    assert 0 == process.returncode
    assert "usage: token-discovery" in process.stdout


def test_doctor_finds_both_servers_fit(postgres_url: str, redis_url: str) -> None:
    process = ended(settings(postgres_url, redis_url), "doctor")
    assert 0 == process.returncode
    assert "appendonly" in process.stdout


def test_doctor_tells_of_upstreams_that_are_away_and_off_and_is_content(
    postgres_url: str, redis_url: str
) -> None:
    away = {
        "JUPITER__URL": "http://127.0.0.1:1",
        "JUPITER__API_KEY": "hush5hush",
        "INGEST__CHAIN_URL": "ws://127.0.0.1:1/?api-key=hush5hush",
        "SOL_PRICE__URL": "http://127.0.0.1:1/price?api-key=hush5hush",
    }
    process = ended(settings(postgres_url, redis_url, **away), "doctor")
    assert 0 == process.returncode
    lines = process.stdout.splitlines()
    marks = {line[6:26].strip(): line[:4].strip() for line in lines}
    asked = dict.fromkeys(("chain", "chain rpc", "jupiter tokens", "sol-price"), "todo")
    off = dict.fromkeys(("pumpportal", "pumpapi", "solana-pools", "dexscreener"), "off")
    assert (asked | off).items() <= marks.items()
    assert "without it: holders, safety" in process.stdout
    assert "hush" not in process.stdout + process.stderr


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_node_of_a_redis_cluster_is_refused_with_78(
    postgres_url: str, new_redis: RedisFactory, command: str
) -> None:
    server = new_redis(settings={"cluster-enabled": "yes", "cluster-port": free_port()})
    process = ended(settings(postgres_url, server.url, GATEWAY__PORT="0"), command)
    assert 78 == process.returncode
    assert "node of a cluster" in process.stdout + process.stderr


@pytest.mark.parametrize("command", ["run", "doctor"])
@pytest.mark.parametrize(
    "url",
    [
        "redis://h?family=0",
        "redis://:s3cr#t@h",
        "redis://h:s3cret",
        "redis://h?socket_timeout=s3cret",
        "redis://h:99999",
        "unix://",
        "redis://h/s3cret",
        "rediss://h?ssl_ca_certs=/s3cret",
        "redis+sentinel://s3cret@a:1,b:2/mymaster",
    ],
)
def test_an_address_of_redis_that_cannot_be_is_one_line_and_78(url: str, command: str) -> None:
    process = ended({"DATABASE_URL": "postgresql://db/x", "REDIS_URL": url}, command)
    assert (78, "") == (process.returncode, process.stdout)
    [line] = process.stderr.splitlines()
    assert "redis.url: must " in line
    assert "s3cr" not in line


def test_doctor_says_which_server_is_out_of_reach(redis_url: str) -> None:
    process = ended(settings("postgresql://127.0.0.1:1/x", redis_url), "doctor")
    assert 69 == process.returncode
    assert process.stderr.startswith("token-discovery: Postgres: ")


async def test_dump_prints_what_the_running_service_does(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with running_service(tmp_path, settings(postgres_url, redis_url)) as service:
        where = {"HOST": "0.0.0.0", "PORT": str(service.port)}  # as in a container
        process = await trio.to_thread.run_sync(lambda: ended(where, "dump"))
        url = f"http://127.0.0.1:{service.port}"
        same = await trio.to_thread.run_sync(lambda: ended({}, "dump", "--url", url))
    assert (0, 0) == (process.returncode, same.returncode)
    assert {"actors", "mailboxes", "process"} <= orjson.loads(process.stdout).keys()


@pytest.mark.parametrize("command", ["dump", "govern"])
def test_asking_a_service_that_does_not_run_ends_with_69(command: str) -> None:
    port = free_port()
    process = ended({"TOKEN_DISCOVERY__GATEWAY__PORT": str(port)}, command)
    assert 69 == process.returncode
    [line] = process.stderr.splitlines()
    assert line.startswith("token-discovery: no ")
    assert f"http://127.0.0.1:{port}/" in line
