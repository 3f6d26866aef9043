"""The service under the process supervisors that `deploy/` is written for, with those files."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from commands.embedded import free_port
from commands.embedded.process import wait_until
from tests.acceptance.service import ROOT, settings
from tests.acceptance.test_process import paused
from tests.conftest import RedisFactory
from tests.patience import PATIENCE_SECONDS

DEPLOY = ROOT / "deploy"
PATIENCE_MILLISECONDS = str(int(PATIENCE_SECONDS * 1000))
NOTHING: Mapping[str, str] = {}
BAD_SETTING = {"TOKEN_DISCOVERY__SYNC__NOPE": "1"}
# As in production the command is found by its name.
PATHS = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def needs(command: str, package: str) -> pytest.MarkDecorator:
    reason = f"{command} is not installed (Debian: {package})"
    return pytest.mark.skipif(not shutil.which(command), reason=reason)


def ask(*words: object, environment: Mapping[str, str] = NOTHING) -> str:
    """What a supervisor's command prints; it must succeed."""
    told = subprocess.run(
        [str(word) for word in words],
        env={"PATH": PATHS, **environment},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
        check=False,
    )
    assert 0 == told.returncode, told.stdout + told.stderr
    return told.stdout.strip()


def is_serving(port: str) -> bool:
    try:
        url = f"http://127.0.0.1:{port}/readyz"
        answer = httpx.get(url, trust_env=False, timeout=PATIENCE_SECONDS)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200


@contextmanager
def supervised(log: Path, environment: Mapping[str, str], *words: object) -> Iterator[None]:
    """A supervisor in the foreground; it is ended, with all below it, whatever happens."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in words],
            env={"PATH": PATHS, **environment},
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(2 * PATIENCE_SECONDS)


# Its stores do not answer when it is stopped.
SHORT_DRAIN = {"TOKEN_DISCOVERY__SHUTDOWN__DEADLINE_SECONDS": "2"}


def is_dump_of(pid: str, directory: Path) -> bool:
    """Whether the process has written its whole dump."""
    path = directory / f"token-discovery-{pid}.dump.json"
    return path.exists() and "sync" in path.read_text()


# s6.


@contextmanager
def run_s6(directory: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """`s6-supervise` on a copy of our service directory, with its settings in `env`."""
    service = directory / "token-discovery"
    shutil.copytree(DEPLOY / "s6" / "token-discovery", service)
    (service / "env").mkdir()
    for name, value in environment.items():
        (service / "env" / name).write_text(value)
    log = directory / "s6.log"
    try:
        with supervised(log, {}, "s6-supervise", service):
            assert wait_until((service / "supervise" / "status").exists, PATIENCE_SECONDS)
            yield service
    except BaseException:
        print(log.read_text())
        raise


@needs("s6-supervise", "s6")
def test_s6_is_told_when_it_is_ready_and_drains_it(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    port = str(free_port())
    environment = {**settings(postgres_url, redis_url), "PORT": port}
    with run_s6(tmp_path, environment) as service:
        ask("s6-svwait", "-U", "-t", PATIENCE_MILLISECONDS, service)
        assert is_serving(port)
        assert "true" == ask("s6-svstat", "-o", "ready", service)
        ask("s6-svc", "-d", "-wD", "-T", PATIENCE_MILLISECONDS, service)
        assert "0" == ask("s6-svstat", "-o", "exitcode", service)
    assert '"event": "drained"' in (tmp_path / "s6.log").read_text()


@needs("s6-supervise", "s6")
def test_s6_starts_it_again_after_kill_9_hands_signals_on_and_stops_it_in_time(
    tmp_path: Path, postgres_url: str, new_redis: RedisFactory
) -> None:
    redis = new_redis()
    more = {"LOGGING__DUMP_DIRECTORY": str(tmp_path)}
    environment = {**settings(postgres_url, redis.url, **more), "PORT": str(free_port())}
    with run_s6(tmp_path, environment | SHORT_DRAIN) as service:

        def is_ready_again() -> bool:
            pid, ready = ask("s6-svstat", "-o", "pid,ready", service).split()
            return ready == "true" and pid != killed

        killed = ""
        assert wait_until(is_ready_again, PATIENCE_SECONDS)
        killed = ask("s6-svstat", "-o", "pid", service)
        ask("s6-svc", "-k", service)
        assert wait_until(is_ready_again, PATIENCE_SECONDS)
        pid = ask("s6-svstat", "-o", "pid", service)
        ask("s6-svc", "-1", service)
        assert wait_until(lambda: is_dump_of(pid, tmp_path), PATIENCE_SECONDS)
        with paused(redis):
            ask("s6-svc", "-d", "-wD", "-T", PATIENCE_MILLISECONDS, service)
        assert "0 NA" == ask("s6-svstat", "-o", "exitcode,signal", service)


@needs("s6-supervise", "s6")
def test_s6_does_not_try_bad_settings_again(tmp_path: Path) -> None:
    with run_s6(tmp_path, BAD_SETTING) as service:
        state = ["s6-svstat", "-o", "wantedup,exitcode", service]
        assert wait_until(lambda: "false 78" == ask(*state), PATIENCE_SECONDS)
    text = (tmp_path / "s6.log").read_text()
    assert 1 == text.count("the configuration is wrong")
    assert 1 == text.count("TOKEN_DISCOVERY__SYNC__NOPE")


# supervisord.

SPAWNED = r"spawned: 'token-discovery' with pid (\d+)"


@contextmanager
def run_supervisord(directory: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """supervisord with our configuration; its own log and the service's."""
    log = directory / "supervisord.log"
    configuration = DEPLOY / "supervisord.conf"
    runtime = {"RUNTIME_DIRECTORY": str(directory)}
    words = ["supervisord", "--nodaemon", "--configuration", configuration]
    try:
        with supervised(log, {**environment, **runtime}, *words):
            yield log
    except BaseException:
        print(log.read_text())
        raise


@needs("supervisord", "supervisor")
def test_supervisord_lets_it_drain(tmp_path: Path, postgres_url: str, redis_url: str) -> None:
    port = str(free_port())
    environment = {**settings(postgres_url, redis_url), "PORT": port}
    with run_supervisord(tmp_path, environment) as log:
        assert wait_until(lambda: is_serving(port), PATIENCE_SECONDS)
    text = log.read_text()
    assert '"event": "drained"' in text
    assert "stopped: token-discovery (exit status 0)" in text


@needs("supervisord", "supervisor")
def test_supervisord_starts_it_again_after_kill_9_hands_signals_on_and_stops_it_in_time(
    tmp_path: Path, postgres_url: str, new_redis: RedisFactory
) -> None:
    port, redis = str(free_port()), new_redis()
    more = {"LOGGING__DUMP_DIRECTORY": str(tmp_path)}
    environment = {**settings(postgres_url, redis.url, **more), "PORT": port}

    def control(*words: str) -> str:
        tool = ["supervisorctl", "--configuration", DEPLOY / "supervisord.conf"]
        return ask(*tool, *words, environment={"RUNTIME_DIRECTORY": str(tmp_path)})

    with run_supervisord(tmp_path, environment | SHORT_DRAIN) as log:
        assert wait_until(lambda: is_serving(port), PATIENCE_SECONDS)
        [killed] = re.findall(SPAWNED, log.read_text())
        os.kill(int(killed), signal.SIGKILL)
        ended = "exited: token-discovery (terminated by SIGKILL; not expected)"
        assert wait_until(lambda: ended in log.read_text(), PATIENCE_SECONDS)
        assert wait_until(lambda: is_serving(port), PATIENCE_SECONDS)
        [_, pid] = re.findall(SPAWNED, log.read_text())
        control("signal", "USR1", "token-discovery")
        assert wait_until(lambda: is_dump_of(pid, tmp_path), PATIENCE_SECONDS)
        with paused(redis):
            control("stop", "token-discovery")
        assert "stopped: token-discovery (exit status 0)" in log.read_text()


@needs("supervisord", "supervisor")
def test_supervisord_does_not_try_bad_settings_again(tmp_path: Path) -> None:
    with run_supervisord(tmp_path, BAD_SETTING) as log:
        ended = "exited: token-discovery (exit status 78; expected)"
        assert wait_until(lambda: ended in log.read_text(), PATIENCE_SECONDS)
    assert 1 == len(re.findall(SPAWNED, log.read_text()))
