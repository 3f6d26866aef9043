"""The log of a process: one JSON object a line, and no secret, however a text gets there.

Each script runs in a process of its own, since the log, the hooks and the standard log are those of
the whole process.
"""

import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import orjson
import pytest

ROOT = Path(__file__).parents[3]
PASSWORD = "hunter@zwei/und"
PIECES = ("hunter", "zwei")
SETUP = f"""
import logging, sys, threading, warnings
from pathlib import Path
import structlog
from config.logs import configure_log
from config.loading import load_settings
settings = load_settings(None, {{
    "DATABASE_URL": "postgresql://me:{quote(PASSWORD, safe="")}@h/x",
    "REDIS_URL": "redis://h",
    "TOKEN_DISCOVERY__LOGGING__FORMAT": sys.argv[1],
}})
threshold = configure_log(settings)
log = structlog.get_logger()

def fail():
    try:
        raise LookupError("port 'und' of zwei")
    except LookupError as cause:
        raise ValueError("{PASSWORD}") from cause
"""


def run_script(script: str, form: str = "json") -> subprocess.CompletedProcess[str]:
    """A process with the log set up; nothing of the password may be in what it prints."""
    process = subprocess.run(
        [sys.executable, "-c", SETUP + script, form],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "" == process.stdout
    assert [] == [piece for piece in PIECES if piece in process.stderr], process.stderr
    return process


def logged(script: str) -> list[dict[str, object]]:
    """The lines that a script logs, as a reader of JSON gets them."""
    return [orjson.loads(line) for line in run_script(script).stderr.splitlines()]


def test_every_text_of_a_line_is_without_secrets() -> None:
    [entry] = logged(
        """
log.info("cannot reach hunter", error=ValueError("zwei"), path=Path("/hunter"), count=3,
         nested={"hunter": ["zwei", ("zwei", {"deep": "HUNTER"})]}, kind=b"zwei", nothing=None)
"""
    )
    del entry["timestamp"]
    assert {
        "event": "cannot reach [hidden]",
        "level": "info",
        "error": "ValueError('[hidden]')",
        "path": "PosixPath('/[hidden]')",
        "count": 3,
        "nested": {"[hidden]": ["[hidden]", ["[hidden]", {"deep": "[hidden]"}]]},
        "kind": "b'[hidden]'",
        "nothing": None,
    } == entry


def test_traceback_of_a_logged_error_is_without_secrets() -> None:
    [entry] = logged(
        """
try:
    fail()
except ValueError:
    log.exception("request failed")
"""
    )
    trace = str(entry["exception"])
    assert "LookupError: port '[hidden]' of [hidden]" in trace
    assert trace.endswith("ValueError: [hidden]")


@pytest.mark.parametrize(
    "script",
    [
        "fail()",
        "import trio\nasync def main():\n    fail()\ntrio.run(main)",
        """
import trio
async def main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, fail)
trio.run(main)
""",
        "raise ExceptionGroup('of hunter', [ValueError('zwei'), KeyError('hunter')])",
    ],
    ids=["plain", "through trio", "group of a thread", "group"],
)
def test_last_words_of_a_process_are_a_line_of_the_log_without_secrets(script: str) -> None:
    process = run_script(script)
    assert 1 == process.returncode
    [entry] = [orjson.loads(line) for line in process.stderr.splitlines()]
    assert ("critical", "uncaught error") == (entry["level"], entry["event"])
    assert "[hidden]" in str(entry["exception"])


def test_last_words_for_people_are_without_secrets_too() -> None:
    process = run_script("fail()", "console")
    assert 1 == process.returncode
    assert process.stderr.endswith("ValueError: [hidden]\n")


def test_errors_that_python_would_print_are_logged() -> None:
    entries = logged(
        """
thread = threading.Thread(target=fail)
thread.start()
thread.join()

class Resource:
    def __del__(self):
        fail()

del (resource := [Resource()])[0]
"""
    )
    assert ["uncaught error"] * 2 == [entry["event"] for entry in entries]


def test_libraries_speak_through_the_same_log() -> None:
    entries = logged(
        """
library = logging.getLogger("redis.connection")
library.warning("lost %s", "hunter")
library.info("not for people")
try:
    fail()
except ValueError:
    library.exception("broken")
library.error("format %d of zwei", "does not fit")
warnings.warn("hunter is old", RuntimeWarning)
"""
    )
    events = [(entry["level"], entry["library"], entry["event"]) for entry in entries]
    assert [
        ("warning", "redis.connection", "lost [hidden]"),
        ("error", "redis.connection", "broken"),
        ("error", "redis.connection", "format %d of [hidden]"),
    ] == events[:3]
    assert str(entries[1]["exception"]).endswith("ValueError: [hidden]")
    [(level, library, event)] = events[3:]
    assert ("warning", "py.warnings") == (level, library)
    assert "RuntimeWarning: [hidden] is old" in str(event)


def test_threshold_can_change_while_the_service_runs() -> None:
    entries = logged(
        """
log.debug("before")
threshold.level = "debug"
log.debug("after")
threshold.level = "error"
log.warning("not told")
"""
    )
    assert ["after"] == [entry["event"] for entry in entries]


def test_error_of_a_command_is_told_without_secrets() -> None:
    """Of any command, before or without a log of the service's own."""
    process = run_script(
        """
from config.command_line import exit_code_of
from domain.errors import StoreNotReached

def refuse():
    raise StoreNotReached("no zwei, redis://:unknown@host")

assert 69 == exit_code_of(refuse)
exit_code_of(fail)
"""
    )
    assert 1 == process.returncode
    lines = process.stderr.splitlines()
    assert "token-discovery: no [hidden], redis://[hidden]@host" == lines[0]
    assert "ValueError: [hidden]" == lines[-1]
