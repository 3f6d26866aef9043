"""The demo shows the whole service at work, and leaves no process and no file."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from attrs import define, field

from commands.embedded import RunDirectory, free_port
from commands.embedded.caretaker import is_alive
from commands.embedded.process import descendants, wait_until
from tests.patience import PATIENCE_SECONDS

DEPLOY = Path(__file__).parents[3] / "deploy"
COMMAND = [sys.executable, "-m", "commands.main", "demo"]
BOARDS_SECONDS = 120.0  # of a simulated market; mostly it is five


@define
class Demo:
    """A running demo in a terminal of nobody's."""

    process: "subprocess.Popen[str]"
    temporary: Path
    port: int
    printed: str = field(default="", init=False)  # on standard output, once it has ended

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def processes(self) -> list[int]:
        """The demo and whatever it has started."""
        return [self.process.pid, *descendants(self.process.pid)]

    def is_ready(self) -> bool:
        try:
            return (
                httpx.get(
                    f"{self.url}/readyz", trust_env=False, timeout=PATIENCE_SECONDS
                ).status_code
                == 200
            )
        except httpx.HTTPError:
            return False

    def wait(self) -> str:
        """Its standard error, once it has ended."""
        self.printed, said = self.process.communicate(timeout=2 * PATIENCE_SECONDS)
        return said


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary directory for the demo that the servers' user may enter, too."""
    with RunDirectory() as path:
        yield path


@contextmanager
def started(
    temporary: Path, *options: str, port: int | None = None, **variables: str
) -> Iterator[Demo]:
    """A demo with the page on `port`, a free one, or the PORT of its environment."""
    page_port = port or free_port()
    where = [] if "PORT" in variables else ["--port", str(page_port)]
    process = subprocess.Popen(
        [*COMMAND, *where, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary), **variables},
        start_new_session=True,
    )
    with process:
        yield Demo(process, temporary, page_port)
        if process.poll() is None:
            process.kill()


def all_gone(processes: list[int], temporary: Path) -> bool:
    return not any(map(is_alive, processes)) and not list(temporary.iterdir())


def feed(demo: Demo) -> dict[str, Any]:
    url = f"{demo.url}/api/warp-pipes/feed"
    answer = httpx.get(url, trust_env=False, timeout=PATIENCE_SECONDS)
    lists: dict[str, Any] = answer.json()
    return lists


def test_all_boards_fill_and_nothing_stays(temporary: Path) -> None:
    with started(temporary) as demo:
        assert wait_until(demo.is_ready, PATIENCE_SECONDS)
        processes = demo.processes()
        assert len(processes) > 4
        filled = wait_until(
            lambda: all(feed(demo)[board] for board in ("new", "graduating", "bonded")),
            BOARDS_SECONDS,
        )
        assert filled
        scores = [item.get("hotScore") for item in feed(demo)["new"]]
        assert any(score is not None for score in scores)
        demo.process.send_signal(signal.SIGINT)
        said = demo.wait()
        assert 0 == demo.process.returncode
    assert "service drained" in said
    assert "exit code" not in said
    assert all_gone(processes, temporary)


def read_expressions() -> str:
    """Every query of the dashboard and of the alerts."""
    dashboard = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
    alerts = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())
    panels = dashboard["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    expressions += [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    expressions += [variable["query"] for variable in dashboard["templating"]["list"]]
    return "\n".join(expressions)


def test_dashboard_and_alerts_ask_only_for_metrics_and_labels_that_there_are(
    temporary: Path,
) -> None:
    with started(
        temporary,  # the metrics of webhooks are there where there is one
        TOKEN_DISCOVERY__ALERTS__ENDPOINTS="desk=https://desk.example/",
        TOKEN_DISCOVERY__ALERTS__SECRETS=f"desk=whsec_{b64encode(bytes(24)).decode()}",
    ) as demo:
        assert wait_until(demo.is_ready, PATIENCE_SECONDS)
        exported = httpx.get(f"{demo.url}/metrics", trust_env=False, timeout=PATIENCE_SECONDS).text
        demo.process.send_signal(signal.SIGINT)
        demo.wait()
    names = set(re.findall(r"^# HELP (token_discovery_\w+)", exported, re.M))
    asked = set(re.findall(r"token_discovery_\w+", read_expressions()))
    assert len(asked) > 40
    assert set() == asked - names
    labels = {label for line in exported.splitlines() for label in re.findall(r'(\w+)="', line)}
    used = set(re.findall(r"[{,]\s*(\w+)[!=]~?\"", read_expressions()))
    assert set() == used - labels - {"job"}


def test_demo_ends_by_itself_after_its_duration(temporary: Path) -> None:
    with started(temporary, "--duration", "0.5") as demo:
        said = demo.wait()
        assert 0 == demo.process.returncode
    assert f"{demo.url}/\n" == demo.printed
    assert re.search(r"\d\.\d s {2}PostgreSQL \d\d", said)
    assert [] == list(temporary.iterdir())


@pytest.mark.parametrize("seconds", [0.3, 0.7, 1.2])
@pytest.mark.parametrize("death", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_when_it_is_killed_during_set_up(
    temporary: Path, seconds: float, death: signal.Signals
) -> None:
    with started(temporary) as demo:
        time.sleep(seconds)
        processes = demo.processes()
        demo.process.send_signal(death)
        demo.wait()
    assert wait_until(lambda: all_gone(processes, temporary), PATIENCE_SECONDS)


def test_nothing_is_made_before_somebody_knows_of_it(temporary: Path) -> None:
    """Not even a file for a moment: a kill at that moment would leave it for ever."""
    script = """if True:
        import os, sys
        made = []
        def note(event, arguments):
            opened = event == "open" and isinstance(arguments[0], str)
            if event == "os.mkdir" or opened and arguments[2] & os.O_CREAT:
                made.append(str(arguments[0]))
        from commands.embedded import RunDirectory
        sys.addaudithook(note)
        directory = RunDirectory()
        print(made == [str(directory.path)] or made)
    """
    printed = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    assert "True\n" == printed.stdout
    assert [] == list(temporary.iterdir())


def test_kept_directory_is_gone_on_with(temporary: Path) -> None:
    kept = temporary / "kept"
    for _ in range(2):
        with started(temporary, "--keep", str(kept), "--duration", "0.5") as demo:
            demo.wait()
            assert 0 == demo.process.returncode
    assert {"postgres", "redis", "service.log"} <= {path.name for path in kept.iterdir()}
    assert 2 == (kept / "service.log").read_text().count("service ready")


def test_port_in_use_is_one_line_and_exit_78(temporary: Path) -> None:
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        port = occupant.getsockname()[1]
        with started(temporary, port=port) as demo:
            said = demo.wait()
    assert 78 == demo.process.returncode
    assert (
        f"token-discovery: port {port} is taken; choose another one with --port or PORT"
        == said.strip()
    )


def test_port_of_the_environment_is_taken(temporary: Path) -> None:
    port = free_port()
    with started(temporary, "--duration", "0.5", port=port, PORT=str(port)) as demo:
        demo.wait()
        assert 0 == demo.process.returncode
    assert f"http://127.0.0.1:{port}/\n" == demo.printed


@pytest.mark.parametrize("text", ["s3cret", "0", "65536", "-1", "8_080", "٨٠٨٠", "80 80"])
def test_port_of_the_environment_that_is_none_is_not_repeated(temporary: Path, text: str) -> None:
    with started(temporary, PORT=text) as demo:
        said = demo.wait()
    assert 78 == demo.process.returncode
    assert "token-discovery: PORT: must be a number from 1 to 65535" == said.strip()


@pytest.mark.parametrize("options", [("--speed", "0"), ("--duration", "soon"), ("--port", "x")])
def test_bad_option_is_refused(temporary: Path, options: tuple[str, str]) -> None:
    with started(temporary, *options) as demo:
        assert options[0] in demo.wait()
    assert 78 == demo.process.returncode
