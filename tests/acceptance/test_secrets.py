"""No secret gets out of a process whose addresses lead its drivers astray."""

import os
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest
import trio

from commands.embedded import free_port
from tests.acceptance.service import ROOT, settings
from tests.patience import PATIENCE_SECONDS

# What stands between the delimiters; a driver takes some of it for a host, a port or a database.
PIECES = ("hunter", "zweiund", "kaninchen")
HOSTILE_PASSWORDS = [
    "hunter@zweiund@kaninchen",
    "hunter:zweiund:kaninchen",
    "hunter/zweiund@kaninchen",
    "hunter?zweiund=kaninchen",
    "hunter#zweiund/kaninchen",
    "hunter%zzweiund@kaninchen",
]


async def everything_shown(directory: Path, environment: dict[str, str]) -> str:
    """What a process that cannot start tells anybody until it has ended."""
    port = free_port()
    shown: list[str] = []
    notify_path = directory / "notify"
    log_path = directory / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified, log_path.open("wb") as log:
        notified.bind(str(notify_path))
        notified.setblocking(False)
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "supervisor"],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "PORT": str(port),
                "NOTIFY_SOCKET": str(notify_path),
                "TOKEN_DISCOVERY__LOGGING__DUMP_DIRECTORY": str(directory),
                **environment,
            },
            stderr=log,
        )
        try:
            with trio.fail_after(PATIENCE_SECONDS):
                await _ask_until_it_ends(process, port, shown)
        finally:
            process.kill()
        _receive_all(notified, shown)
    assert process.returncode not in (0, None)
    return "\n".join([*shown, *files_of(directory)])


def lines_with_a_piece(shown: str) -> list[str]:
    return [line for line in shown.splitlines() if any(piece in line for piece in PIECES)]


def files_of(directory: Path) -> list[str]:
    return [path.read_text() for path in directory.iterdir() if path.is_file()]


async def _ask_until_it_ends(process: trio.Process, port: int, shown: list[str]) -> None:
    asked_for_dump = False
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        while process.poll() is None:
            try:
                shown.append((await client.get("/readyz")).text)
                shown.append((await client.get("/api/ops/actors")).text)
            except httpx.HTTPError:  # it does not listen yet, or any more
                await trio.sleep(0.05)
                continue
            if not asked_for_dump:
                process.send_signal(signal.SIGUSR1)
                asked_for_dump = True
            await trio.sleep(0.05)


def _receive_all(notified: socket.socket, shown: list[str]) -> None:
    while True:
        try:
            shown.append(notified.recv(65536).decode())
        except BlockingIOError:
            return


@pytest.mark.parametrize("password", HOSTILE_PASSWORDS)
async def test_password_of_postgres_is_shown_nowhere(
    tmp_path: Path, password: str, redis_url: str
) -> None:
    environment = settings(
        f"postgresql://me:{password}@127.0.0.1:1/x", redis_url, START__DEADLINE_SECONDS="1"
    )
    shown = await everything_shown(tmp_path, environment)
    assert [] == lines_with_a_piece(shown)


@pytest.mark.parametrize("password", HOSTILE_PASSWORDS)
async def test_password_of_redis_is_shown_nowhere(tmp_path: Path, password: str) -> None:
    environment = settings(
        "postgresql://127.0.0.1:1/x",
        f"redis://:{password}@127.0.0.1:1/0",
        START__DEADLINE_SECONDS="1",
    )
    shown = await everything_shown(tmp_path, environment)
    assert [] == lines_with_a_piece(shown)


async def test_control_token_and_keys_are_shown_nowhere(tmp_path: Path, redis_url: str) -> None:
    environment = settings(
        "postgresql://127.0.0.1:1/x",
        redis_url,
        START__DEADLINE_SECONDS="1",
        GATEWAY__CONTROL_TOKEN="hunter",
        INGEST__URL="ws://127.0.0.1:1/data",
        INGEST__API_KEY="zweiund",
        INGEST__POOLS_URL="ws://127.0.0.1:1/v2/kaninchen-key-00007",
    )
    shown = await everything_shown(tmp_path, environment)
    assert [] == lines_with_a_piece(shown)
