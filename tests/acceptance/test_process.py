"""The process as its supervisor sees it: exit codes, signals, one line of trouble."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
import trio

from tests.acceptance.service import ROOT, running_service, settings


def ended(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`token-discovery run` that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "commands.main", *(arguments or ("run",))],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_every_bad_setting_is_reported_at_once_with_78() -> None:
    process = ended(
        {"DATABASE_URL": "mysql://x", "REDIS_URL": "redis://x", "TOKEN_DISCOVERY__SYNC__NOPE": "1"}
    )
    assert 78 == process.returncode
    assert 2 == len(process.stderr.splitlines())


def test_a_store_out_of_reach_at_the_start_ends_it_with_69(redis_url: str) -> None:
    process = ended(
        settings(
            "postgresql://127.0.0.1:1/x", redis_url, START__DEADLINE_SECONDS="1", GATEWAY__PORT="0"
        )
    )
    assert 69 == process.returncode
    expected = "token-discovery: not ready in time: ingest: not yet, sync: not yet"
    assert expected == process.stderr.splitlines()[-1]


def test_a_port_that_is_taken_is_told_in_one_line(postgres_url: str, redis_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = settings(
            postgres_url, redis_url, GATEWAY__PORT=str(port), SUPERVISION__RESTARTS="0"
        )
        process = ended(environment)
    last = process.stderr.splitlines()[-1]
    assert process.returncode in {70, 78}
    assert str(port) in last


async def test_a_drain_says_so_and_ends_with_0(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with running_service(tmp_path, settings(postgres_url, redis_url)) as service:
        assert 0 == await service.stop(signal.SIGINT)
        assert '"event": "drained"' in service.log()


async def test_sigusr1_writes_every_actor_and_mailbox(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    environment = settings(postgres_url, redis_url, LOGGING__DUMP_DIRECTORY=str(tmp_path))
    async with running_service(tmp_path, environment) as service:
        service.process.send_signal(signal.SIGUSR1)
        path = tmp_path / f"token-discovery-{service.process.pid}.dump.json"
        with trio.fail_after(5):
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
        listener.settimeout(5)
        environment = settings(postgres_url, redis_url) | {"NOTIFY_SOCKET": address}
        async with running_service(tmp_path, environment) as service:
            assert 0 == await service.stop()
        said = [listener.recv(1000).decode().splitlines()[0] for _ in range(2)]
    assert ["READY=1", "STOPPING=1"] == said


@pytest.mark.parametrize("command", ["run", "demo", "doctor", "dump"])
def test_every_command_explains_itself(command: str) -> None:
    process = ended({}, command, "--help")
    assert 0 == process.returncode
    assert "usage: token-discovery" in process.stdout


def test_doctor_finds_both_servers_fit(postgres_url: str, redis_url: str) -> None:
    process = ended({"DATABASE_URL": postgres_url, "REDIS_URL": redis_url}, "doctor")
    assert 0 == process.returncode
    assert "appendonly" in process.stdout


def test_doctor_says_which_server_is_out_of_reach(redis_url: str) -> None:
    process = ended(
        {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": redis_url}, "doctor"
    )
    assert 69 == process.returncode
    assert process.stderr.startswith("token-discovery: Postgres: ")


async def test_dump_prints_what_the_running_service_does(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with running_service(tmp_path, settings(postgres_url, redis_url)) as service:
        url = f"http://127.0.0.1:{service.port}"
        process = await trio.to_thread.run_sync(lambda: ended({}, "dump", "--url", url))
    assert 0 == process.returncode
    assert {"actors", "mailboxes", "process"} <= orjson.loads(process.stdout).keys()
