"""The examples of docs/API.md do what it says, exactly as they are printed there."""

import os
import re
import shutil
import subprocess
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import orjson
import pytest
import trio
from attrs import define

from domain.token import Token
from feed import Library
from tests.architecture.repository import ROOT
from tests.integration.feed.clients import port_of, serving
from tests.patience import PATIENCE_SECONDS
from tests.unit.feed.shelves import ListedHistory
from tests.unit.feed.test_history import make_trade
from tests.unit.feed.tokens import NOW, make_token
from tests.unit.feed.worlds import World

TEXT = (ROOT / "docs" / "API.md").read_text(encoding="utf-8")
HARNESS = Path(__file__).with_name("printed_example.mjs")
IS_CI = os.environ.get("CI", "false").lower() not in {"", "0", "false"}


def list_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


(PAGE,) = list_blocks("html")
EVENT_SOURCE, INFLATING = list_blocks("js")
(SCRIPT,) = re.findall(r"<script>\n(.*)</script>", PAGE, flags=re.DOTALL)
COMMANDS = [line[2:] for block in list_blocks("console") for line in block.splitlines()]


def require_program(name: str) -> None:
    if shutil.which(name) is None and not IS_CI:
        pytest.skip(f"there is no {name} here")


def is_old_node() -> bool:
    """Whether its WebSocket has to be asked for."""
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    return int(told.stdout[1:].partition(".")[0]) < 22


@define
class Script:
    """A script that runs."""

    process: trio.Process
    _unread: bytes = b""

    async def do(self, expression: str) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send_all(expression.encode() + b"\n")

    async def tell_until(self, expected: dict[str, Any]) -> None:
        """Read what the script shows until it is as expected."""
        told: Any = None
        try:
            with trio.fail_after(PATIENCE_SECONDS):
                while told != expected:
                    told = orjson.loads(await self._read_line())
        except trio.TooSlowError:
            raise AssertionError(f"{told} at last, not {expected}") from None

    async def _read_line(self) -> bytes:
        assert self.process.stdout is not None
        while b"\n" not in self._unread:
            data = await self.process.stdout.receive_some()
            assert data, "the script has ended"
            self._unread += data
        line, self._unread = self._unread.split(b"\n", 1)
        return line


@asynccontextmanager
async def running_script(text: str, world: World, directory: Path) -> AsyncIterator[Script]:
    require_program("node")
    file = directory / "example.js"
    file.write_text(text, encoding="utf-8")
    options = ["--no-warnings", *(["--experimental-websocket"] if is_old_node() else [])]
    command = ["node", *options, str(HARNESS), str(file), str(port_of(world))]
    start = partial(
        trio.run_process, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, check=False
    )
    async with trio.open_nursery() as nursery:
        yield Script(await nursery.start(start))
        nursery.cancel_scope.cancel()


def row_of(token: Token) -> list[object]:
    return [token.symbol, token.price_usd, token.holder_count, "–"]


async def test_the_page_is_live_comes_back_and_asks_for_a_trade(tmp_path: Path) -> None:
    library = Library(history=ListedHistory(trades=[make_trade()]))
    first = make_token(1, symbol="A", price_usd=0.5, holder_count=7)
    second = make_token(2, symbol="B", price_usd=0.25, holder_count=1, first_seen_at=NOW)
    async with serving(library=library) as world:
        await world.show(first)
        async with running_script(SCRIPT, world, tmp_path) as page:
            await page.tell_until({"rows": [row_of(first)]})
            await world.show(second)
            await page.tell_until({"rows": [row_of(second), row_of(first)]})
            hub = world.gateway.server.hub
            for session in list(hub.sessions.values()):
                session.outgoing.give_up()
            changed = attrs.evolve(first, holder_count=8)
            await world.show(changed)
            await page.tell_until({"rows": [row_of(second), row_of(changed)]})
            await page.do("document.querySelector('#rows').rows[0].onclick(), null")
            await page.tell_until({"text": f"buy for {make_trade().sol} SOL"})


async def test_the_event_source_folds_the_board_through_a_break(tmp_path: Path) -> None:
    token = make_token(1, holder_count=7)
    async with serving() as world:
        await world.show(token)
        async with running_script(EVENT_SOURCE, world, tmp_path) as script:
            await script.tell_until({"log": ["ready"]})
            await script.tell_until({"log": [1, "tokens as of", 1]})
            for session in list(world.gateway.server.hub.sessions.values()):
                session.outgoing.give_up()
            await world.show(attrs.evolve(token, holder_count=8), make_token(2))
            await script.tell_until({"log": [2, "tokens as of", world.gateway.boards.offset]})
            await script.do("[...items.values()].map((item) => item.holderCount).join()")
            await script.tell_until({"told": "8,"})


async def test_deflated_messages_are_inflated_in_order(tmp_path: Path) -> None:
    deflated = b64encode(zlib.compress(b'{"number": 1}')).decode()
    prelude = "const socket = {}; const fold = ({ number }) => console.log(number);\n"
    async with serving() as world, running_script(prelude + INFLATING, world, tmp_path) as script:
        blob = f'new Blob([Buffer.from("{deflated}", "base64")])'
        await script.do(f"socket.onmessage({{ data: {blob} }}), null")
        await script.do("socket.onmessage({ data: '{\"number\": 2}' }), null")
        await script.tell_until({"log": [1]})
        await script.tell_until({"log": [2]})


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_of_a_shell_gets_its_answer(command: str, tmp_path: Path) -> None:
    require_program("curl")
    async with serving() as world:
        await world.show(make_token(1, symbol="A"))
        # Where it is asked for is here, and a stream is left after a while.
        settings = f'connect-to = "localhost:8080:127.0.0.1:{port_of(world)}"\nmax-time = 3\n'
        (tmp_path / ".curlrc").write_text(f"{settings}fail\nsilent\nshow-error\n")
        ended = await trio.run_process(
            command,
            shell=True,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env={**os.environ, "CURL_HOME": str(tmp_path)},
        )
        is_stream = "/api/stream" in command
        assert ended.returncode == (28 if is_stream else 0), ended.stderr.decode()
        answer = ended.stdout.decode()
        if is_stream:
            beginning = r"retry: \d+\n\nevent: health\ndata: .*\n\n(event: view\ndata: .*\n\n)?"
            assert re.match(beginning + r"event: snapshot\n", answer)
        else:
            assert {"new", "cursor"} <= orjson.loads(answer).keys()


def test_no_example_is_left_out() -> None:
    languages = re.findall(r"^```(\w+)$", TEXT, flags=re.MULTILINE)
    assert ["html", "js", "console", "js"] == languages
    assert len(PAGE.splitlines()) <= 64
