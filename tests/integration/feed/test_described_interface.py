"""/openapi.json and /asyncapi.json say what the service does: both are run against it."""

import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from domain.errors import FrameRefused
from feed import Library
from feed.api_errors import CLOSE_CODES, ERROR_CODES
from feed.api_operations import OPERATIONS
from feed.api_schemas import EXAMPLE_MINT, EXAMPLE_TOKEN
from feed.asyncapi import COMMANDS, MESSAGES, make_asyncapi
from feed.commands import parse_command
from feed.documents import load_documents
from feed.frames import GOING_AWAY, POLICY_VIOLATION
from feed.openapi import make_openapi
from feed.session_stream import FAULTS
from feed.stream_session import STREAM_PATH
from tests.architecture.repository import ROOT
from tests.architecture.test_api_document import codes_of_refusals
from tests.integration.feed.clients import feed_client, get, port_of, serving
from tests.unit.feed.shelves import ListedHistory, ListedImage, ListedImages
from tests.unit.feed.test_history import make_candle, make_trade
from tests.unit.feed.worlds import World

# Not that wrong data is refused: unknown parameters are ignored on purpose, and so are empty ones.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)


@asynccontextmanager
async def serving_example() -> AsyncIterator[World]:
    """A service that knows the token of the documents' examples."""
    history = ListedHistory(candles=[make_candle()], trades=[make_trade()])
    images = ListedImages({EXAMPLE_MINT: ListedImage(b"RIFF", "tag")})
    library = Library(history=history, images=images)
    async with serving(library=library, clients=100) as world:
        await world.show(EXAMPLE_TOKEN)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_orders, world)
            yield world
            nursery.cancel_scope.cancel()


async def take_orders(world: World) -> None:
    """As sync does, whose mailbox would be full else."""
    while True:
        await anext(world.governor)


def validator_of(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": document["components"]})


def test_openapi_is_a_document_of_its_kind() -> None:
    validate(orjson.loads(orjson.dumps(make_openapi())))


def list_examples() -> Iterator[tuple[dict[str, Any], Any]]:
    document = make_openapi()
    for methods in document["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                for media in answer.get("content", {}).values():
                    if "example" in media:
                        yield media["schema"], media["example"]
    for message in make_asyncapi()["components"]["messages"].values():
        for example in message["examples"]:
            yield message["payload"], example["payload"]


def test_every_example_is_what_its_schema_says() -> None:
    document = make_openapi()
    examples = list(list_examples())
    assert len(examples) >= len(COMMANDS) + len(MESSAGES) + 3
    for schema, example in examples:
        validator_of(document, schema).validate(example)


def test_no_reference_leads_nowhere() -> None:
    for document in (make_openapi(), make_asyncapi()):
        for reference in re.findall(r'"\$ref":"#/([^"]+)"', orjson.dumps(document).decode()):
            place: Any = document
            for step in reference.split("/"):
                place = place[step]


def test_every_code_of_a_refusal_has_its_status() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "feed").glob("*.py"))
    refusals = re.findall(r'RequestRefused\(\s*(\d{3}),\s*"(\w+)"', text)
    assert codes_of_refusals()
    for status, code in refusals:
        assert code in ERROR_CODES[int(status)]


def test_every_command_and_every_close_code_is_described() -> None:
    text = (ROOT / "feed" / "commands.py").read_text(encoding="utf-8")
    known = set(re.findall(r'^        case "(\w+)":', text, flags=re.MULTILINE))
    assert known == {example["type"] for _, example in COMMANDS.values()}
    assert {GOING_AWAY, POLICY_VIOLATION, *FAULTS, 1009} == set(CLOSE_CODES)


@pytest.mark.parametrize("name", [*COMMANDS])
def test_the_example_of_a_command_is_one(name: str) -> None:
    parse_command(orjson.dumps(COMMANDS[name][1]).decode())
    wrong = orjson.dumps({**COMMANDS[name][1], "type": "other"}).decode()
    with pytest.raises(FrameRefused):
        parse_command(wrong)


async def test_what_a_client_hears_is_what_the_document_says() -> None:
    document = make_asyncapi()
    payloads = {
        example["type"]: document["components"]["messages"][name]["payload"]
        for name, (_, example) in MESSAGES.items()
    }
    heard: dict[str, Any] = {}
    async with serving_example() as world, feed_client(world) as client:
        cursor = {"epoch": world.gateway.boards.epoch, "offset": 0}
        for command in (
            {"type": "subscribe", "board": "new"},
            {"type": "subscribe", "board": "hot", "since": cursor},
            {"type": "subscribe", "view": {"boards": ["new"]}, "id": "mine"},
            {"type": "subscribe", "board": f"token:{EXAMPLE_MINT}"},
            {"type": "health", "heartbeat": True},
            {"type": "ping"},
            {"type": "dance"},
        ):
            await client.say(command)
        # Trades and candles come where a stream tells of some.
        while not payloads.keys() <= heard.keys() | {"trades", "candles"}:
            message = await client.hear()
            validator_of(document, payloads[message["type"]]).validate(message)
            heard[message["type"]] = message


@pytest.mark.parametrize("path", ["/openapi.json", "/asyncapi.json", "/docs", "/llms.txt"])
async def test_the_documents_are_served(path: str) -> None:
    async with serving() as world:
        answer = await get(world, path)
        assert (200, load_documents()[path].body) == (answer.status, answer.body)
        assert 304 == (await get(world, path, If_None_Match=answer.headers["etag"])).status
        assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_the_page_names_every_path_and_runs_nothing() -> None:
    page = load_documents()["/docs"].body.decode()
    assert all(f"<code>{operation.path}</code>" in page for operation in OPERATIONS)
    assert not re.search(r" (style|on\w+)=|<script|https?://", page)


def test_the_summary_names_every_path_that_is_for_everybody_and_what_no_source_tells() -> None:
    text = load_documents()["/llms.txt"].body.decode()
    for operation in OPERATIONS:
        line = f"`{operation.method.upper()} {operation.path}`"
        assert (line in text) is not operation.is_for_operators
    for word in ("Snipers", "bundles", "insiders", "dexPaid"):
        assert word in text


async def test_every_operation_does_what_the_document_says(tmp_path: Path) -> None:
    """With its examples, and with whatever else fits its schemas, or nearly does."""
    async with serving_example() as world:
        url = f"http://localhost:{port_of(world)}/openapi.json"
        options = ["--exclude-path", STREAM_PATH, "--phases", "examples,coverage,fuzzing"]
        options += ["--checks", CHECKS, "--max-examples", "5", "--seed", "1"]
        options += ["--generation-deterministic", "--no-color"]
        ended = await trio.run_process(
            [sys.executable, "-m", "schemathesis.cli", "run", url, *options],
            capture_stdout=True,
            check=False,
            cwd=tmp_path,  # where it keeps what it remembers
        )
        told = ended.stdout.decode()
        assert ended.returncode == 0, told
        assert re.search(rf"Selected: {len(OPERATIONS) - 1}/{len(OPERATIONS)}", told), told
