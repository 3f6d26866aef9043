"""Embedded servers start, come back after a kill, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psycopg
import pytest
import redis

from commands.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServerFailed, RunDirectory
from commands.embedded.care import SCRIPT
from commands.embedded.caretaker import is_alive
from commands.embedded.process import descendants, wait_until
from tests.conftest import VERSIONS, PostgresFactory, RedisFactory
from tests.patience import PATIENCE_SECONDS


def test_database_of_a_test_is_empty_and_writable(postgres_url_by_version: str) -> None:
    with psycopg.connect(postgres_url_by_version) as connection:
        connection.execute("CREATE TABLE example (id int)")
        assert (0,) == connection.execute("SELECT count(*) FROM example").fetchone()


def test_url_leads_to_the_wanted_version(postgres_of_version: object) -> None:
    assert callable(postgres_of_version)
    for version in VERSIONS:
        server = postgres_of_version(version)
        with psycopg.connect(server.url) as connection:
            assert version == connection.info.server_version // 10_000


def test_committed_rows_survive_a_kill(new_postgres: PostgresFactory) -> None:
    server = new_postgres()
    url = server.url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE example AS SELECT 42 AS answer")
    server.kill()
    server.restart()
    assert url == server.url
    with psycopg.connect(url) as connection:
        assert (42,) == connection.execute("SELECT answer FROM example").fetchone()


def test_kill_ends_every_backend(new_postgres: PostgresFactory) -> None:
    server = new_postgres()
    with psycopg.connect(server.url) as connection:
        processes = [server.pid, *descendants(server.pid)]
        assert connection.info.backend_pid in processes
        server.kill()
    assert [] == [process for process in processes if is_alive(process)]
    assert not server.running


def test_settings_reach_the_server(new_postgres: PostgresFactory) -> None:
    server = new_postgres(settings={"checkpoint_timeout": "47s"})
    with psycopg.connect(server.url) as connection:
        assert ("47s",) == connection.execute("SHOW checkpoint_timeout").fetchone()


def test_failed_start_shows_the_servers_log() -> None:
    with RunDirectory() as directory:
        server = EmbeddedPostgres(directory, settings={"shared_buffers": "a lot"})
        with pytest.raises(EmbeddedServerFailed, match="shared_buffers"):
            server.start()
        assert not server.running


def test_unknown_version_is_refused() -> None:
    with pytest.raises(EmbeddedServerFailed, match="no PostgreSQL 9 binaries"):
        EmbeddedPostgres(Path(), version=9)


def test_port_taken_meanwhile_is_an_error_after_the_first_start(new_redis: RedisFactory) -> None:
    occupant = new_redis()
    with RunDirectory() as directory:
        late = EmbeddedRedis(directory)
        late.port = occupant.port
        with pytest.raises(EmbeddedServerFailed, match="did not start"):
            late.start()


@pytest.mark.parametrize(("appendonly", "kept"), [(True, b"value"), (False, None)])
def test_redis_keeps_data_over_a_kill_only_if_appendonly(
    new_redis: RedisFactory, appendonly: bool, kept: bytes | None
) -> None:
    server = new_redis(appendonly=appendonly, settings={"appendfsync": "always"})
    with redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
    server.kill()
    server.restart()
    with redis.Redis.from_url(server.url) as client:
        assert kept == client.get("key")


PARENT = """
    import signal, time
    from commands.embedded import EmbeddedPostgres, EmbeddedRedis, RunDirectory
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    directory = RunDirectory()
    servers = [EmbeddedPostgres(directory.path), EmbeddedRedis(directory.path)]
    for server in servers:
        server.start()
    print(directory.path, *(server.pid for server in servers), flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_stays_when_the_parent_dies(death: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        directory, *servers = parent.stdout.readline().split()
        assert Path(directory).exists()
        assert all(is_alive(int(server)) for server in servers)
        parent.send_signal(death)
        parent.wait(PATIENCE_SECONDS)
    assert wait_until(lambda: not Path(directory).exists(), PATIENCE_SECONDS)
    assert [] == [server for server in servers if is_alive(int(server))]


def test_server_survives_the_thread_that_started_it(new_redis: RedisFactory) -> None:
    """PR_SET_PDEATHSIG would kill it when a worker thread ends."""
    from threading import Thread  # noqa: PLC0415

    started: list[EmbeddedRedis] = []
    thread = Thread(target=lambda: started.append(new_redis()))
    thread.start()
    thread.join(PATIENCE_SECONDS)
    time.sleep(0.05)
    assert started[0].running
    assert started[0].is_ready()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another user")
def test_postgres_runs_as_another_user_than_root(new_postgres: PostgresFactory) -> None:
    server = new_postgres()
    assert 0 != Path(f"/proc/{server.pid}").stat().st_uid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another user")
def test_directory_that_the_servers_user_may_not_enter_is_named() -> None:
    with RunDirectory() as directory:
        (directory / "closed").mkdir(mode=0o700)
        with pytest.raises(EmbeddedServerFailed, match=r"may not enter .*closed"):
            EmbeddedPostgres(directory / "closed" / "run").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another user")
def test_binaries_that_the_servers_user_may_not_reach_are_copied() -> None:
    from commands.embedded.postgres import _copied  # noqa: PLC0415

    with RunDirectory() as directory:
        server = EmbeddedPostgres(directory / "run")
        closed = directory / "closed"
        closed.mkdir(mode=0o700)
        server.bin = _copied(server.bin, closed / "venv")
        server.start()
        assert server.bin.is_relative_to(directory / "run")
        server.stop()


def test_a_directory_is_removed_although_somebody_inside_starts_others_and_makes_files(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    # Each process of the chain lives for a moment, makes files again, and starts the next one.
    chain = (
        'mkdir -p "$0/again"; echo x > "$0/again/$$"; '
        '[ $1 = 0 ] || sh -c "$2" "$0" $(($1 - 1)) "$2" & sleep 0.01'
    )
    restless = subprocess.Popen(
        ["sh", "-c", chain, str(directory), "60", chain],
        cwd=directory,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    orders = f"remove {directory}\n"
    subprocess.run([sys.executable, "-I", "-S", str(SCRIPT)], input=orders, text=True, check=True)
    restless.wait(PATIENCE_SECONDS)
    assert not directory.exists()
