"""Who may import what: the contracts of pyproject.toml, and the same rules read from the source.

Twice, because a contract that is edited away does not fail.
"""

import subprocess
import sys

import pytest

from tests.architecture.repository import ROOT, importers_of, service_modules, used_names

WALL_CLOCKS = {
    "time.time",
    "time.time_ns",
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
}
ROOMS = (
    "activity",
    "activity_keys",
    "alerts",
    "gateway",
    "history",
    "ingest",
    "jobs",
    "quarantine",
    "sync",
    "trading",
)
ACTORS = {f"actors.{name}" for name in ROOMS}


def within(package: str, names: set[str]) -> set[str]:
    return {name for name in names if f"{name}.".startswith(f"{package}.")}


def test_import_contracts_are_kept() -> None:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports; exit(lint_imports())",
    ]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == result.returncode, result.stdout + result.stderr


def rooms(names: set[str]) -> set[str]:
    """The actor, or the room of several, that each module of actors/ belongs to."""
    return {".".join(name.split(".")[:2]) for name in within("actors", names)}


def test_every_actor_has_one_room() -> None:
    assert ACTORS | {"actors"} == rooms(set(service_modules()))


@pytest.mark.parametrize(
    ("package", "owner"),
    [
        ("psycopg", "store.postgres"),
        ("redis", "buffer.redis"),
        ("trio_websocket", "feed"),
        ("h11", "feed"),
        ("httpx", "sources"),
        ("httpcore", "sources.guarded"),
        ("PIL", "images.worker"),
        ("numpy", "feed"),
    ],
)
def test_driver_is_known_to_its_adapter_only(package: str, owner: str) -> None:
    owners = {owner, *EXCEPTIONS.get(package, ())}
    strangers = {
        name
        for name in importers_of(package)
        if not any(within(allowed, {name}) for allowed in owners)
    }
    assert set() == strangers


# Who else may, and why: streams speak WebSocket too, and so do simulated clients; the demo's market
# is a server of its own, and draws its pictures; the composition root makes the one HTTP client.
EXCEPTIONS = {
    "trio_websocket": ("sources", "commands.market", "commands.simulate"),
    "h11": ("commands.market",),
    "httpx": ("wiring", "service", "commands"),
    "PIL": ("commands.market",),
}


def test_only_ingest_and_sync_know_the_store() -> None:
    assert {"actors.ingest", "actors.sync"} == rooms(importers_of("store"))


def test_only_actors_that_need_it_know_the_buffer() -> None:
    rooms_with_a_port = (
        "ingest", "sync", "quarantine", "trading", "alerts", "activity_keys", "history",
    )  # fmt: skip
    knowing = {f"actors.{name}" for name in rooms_with_a_port}
    assert knowing == rooms(importers_of("buffer"))


def test_reader_of_others_keys_knows_no_port_that_writes() -> None:
    assert {"actors.activity_keys"} == rooms(importers_of("buffer.activity_keys"))
    for port in ("store", "buffer.tape", "buffer.redis"):
        assert "actors.activity_keys" not in importers_of(port)


def test_actors_know_ports_and_no_adapter() -> None:
    adapters = ("store.postgres", "store.memory", "buffer.redis", "buffer.memory")
    streams = ("sources.pumpportal", "sources.solana_pubsub", "sources.dexscreener")
    for adapter in (*adapters, *streams, "sources.holders", "sources.http", "sources.scripted"):
        assert set() == within("actors", importers_of(adapter))


def test_actors_know_no_way_to_images_and_strangers_but_the_ports() -> None:
    for adapter in ("images.cache", "images.thumbnails", "images.worker", "images.memory"):
        assert set() == within("actors", importers_of(adapter))
    strangers = ("sources.guarded", "sources.metadata_fetching", "sources.webhooks")
    for adapter in (*strangers, "sources.mint_accounts"):
        assert set() == within("actors", importers_of(adapter))


def test_twins_are_not_part_of_the_running_service() -> None:
    twins = ["store.memory", "buffer.memory", "buffer.memory_tape", "images.memory"]
    twins += ["buffer.memory_activity_keys", "buffer.memory_alerts", "buffer.memory_history"]
    for twin in (*twins, "sources.scripted"):
        known_to = importers_of(twin) - within("commands", importers_of(twin))
        assert set() == known_to


def test_domain_imports_the_domain_alone_and_no_input_or_output() -> None:
    for package in ("trio", "structlog", "orjson", "time", "os", "socket", "datetime"):
        assert set() == within("domain", importers_of(package)), package


def test_wall_clock_is_read_in_the_composition_root_alone() -> None:
    """Everything else is given a clock, so that a test knows what time it is."""
    readers = {
        name
        for name, path in service_modules().items()
        if WALL_CLOCKS & used_names(path.read_text(encoding="utf-8"))
    }
    assert {"service"} == readers - within("commands", readers)


def test_actors_make_no_chance_of_their_own() -> None:
    assert set() == within("actors", importers_of("random"))
