"""An operator reads and changes the governor of a running service."""

import signal
from pathlib import Path

import orjson
import pytest
import trio

from commands.main import main
from tests.acceptance.service import Service, running_service, settings
from tests.patience import PATIENCE_SECONDS


async def govern(service: Service, capsys: pytest.CaptureFixture[str], *words: str) -> object:
    """The exit code, or the state that the command prints."""
    url = f"http://127.0.0.1:{service.port}"
    code = await trio.to_thread.run_sync(main, ["govern", "--url", url, *words])
    return code or orjson.loads(capsys.readouterr().out)["budget"]


async def test_budget_is_changed_while_the_service_runs_and_shown_everywhere(
    tmp_path: Path, postgres_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configured = {"walBytesPerSecond": 16384.0, "rowsPerHour": 200_000.0}
    async with running_service(tmp_path, settings(postgres_url, redis_url)) as service:
        assert configured == await govern(service, capsys)
        changed = {"walBytesPerSecond": 16384.0, "rowsPerHour": 1234.0}
        assert changed == await govern(service, capsys, "--rows-per-hour", "1234")
        dump = (await service.get("/api/ops/actors")).json()
        [sync] = [actor for actor in dump["actors"] if actor["name"] == "sync"]
        assert changed == sync["summary"]["governor"]["budget"]
        assert changed == (await service.get("/api/ops/writes")).json()["governor"]["budget"]
        metrics = (await service.get("/metrics")).text
        assert "token_discovery_governor_budget_rows_per_hour 1234.0" in metrics
        assert (await service.get("/api/ops/checkpoints")).json()["observed"]
        assert configured == await govern(service, capsys, "--reset")
        assert await govern(service, capsys, "--rows-per-hour", "-1") == 78
        assert "rowsPerHour is a number from 1" in capsys.readouterr().err


async def test_budget_of_the_settings_is_taken_over_by_a_reload(
    tmp_path: Path, postgres_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings.toml"
    file.touch()
    chosen = settings(postgres_url, redis_url)
    async with running_service(tmp_path, chosen, "--config", str(file)) as service:
        await govern(service, capsys, "--rows-per-hour", "1234")
        file.write_text("[sync]\nwal_budget_bytes_per_second = 4096\nbatch_rows = 7")
        service.process.send_signal(signal.SIGHUP)
        with trio.fail_after(PATIENCE_SECONDS):
            while "settings reloaded" not in service.log():
                await trio.sleep(0.02)
        configured = {"walBytesPerSecond": 4096.0, "rowsPerHour": 200_000.0}
        assert configured | {"rowsPerHour": 1234.0} == await govern(service, capsys)
        assert configured == await govern(service, capsys, "--reset")
        events = (await service.get("/api/ops/events")).json()["events"]
        told = "Settings were reloaded; changed: sync.wal_budget_bytes_per_second."
        assert told in [event["words"] for event in events]
    assert '"after_restart": ["sync.batch_rows"]' in service.log()


async def test_service_with_a_control_token_hears_nobody_without_it(
    tmp_path: Path,
    postgres_url: str,
    redis_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = settings(postgres_url, redis_url, GATEWAY__CONTROL_TOKEN="s3cret")
    file = tmp_path / "settings.toml"
    file.write_text('[gateway]\ncontrol_token = "s3cret"')
    async with running_service(tmp_path, chosen) as service:
        assert await govern(service, capsys, "--rows-per-hour", "99") == 78
        assert "this wants the control token" in capsys.readouterr().err
        monkeypatch.setenv("TOKEN_DISCOVERY__GATEWAY__CONTROL_TOKEN", "s3cret")
        budget = await govern(service, capsys, "--rows-per-hour", "99")
        assert budget == {"walBytesPerSecond": 16384.0, "rowsPerHour": 99.0}
        monkeypatch.delenv("TOKEN_DISCOVERY__GATEWAY__CONTROL_TOKEN")
        budget = await govern(service, capsys, "--rows-per-hour", "98", "--config", str(file))
        assert budget == {"walBytesPerSecond": 16384.0, "rowsPerHour": 98.0}
    assert "s3cret" not in service.log()
