"""What each child is really given: read from the actors as the service builds them."""

from collections.abc import Iterator
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import pytest
import trio

from actors.ingest.memory import IngestMemory
from actors.jobs.switch import JobMemory
from actors.sync.memory import SyncMemory
from buffer.memory import MemoryBuffer
from buffer.memory_activity_keys import MemoryActivityKeys
from buffer.memory_alerts import MemoryAlertShelf
from buffer.memory_history import MemoryHistory
from domain.messages import (
    CensusWanted,
    RosterWanted,
    SystemActivated,
    SystemIdled,
    TokensPublished,
)
from domain.operations import Look
from domain.snapshots import Snapshot
from domain.values import UnixSeconds
from store.memory import MemoryStore
from store.memory_database import MemoryDatabase
from supervision import Actor
from supervision.children import ChildSpec
from supervision.mailbox import Mailbox
from tests.unit.actors.service_world import ServiceWorld, operations
from tests.unit.actors.world import mint, token
from wiring.children import Composition

STORE_HOLDERS = {"ingest", "sync"}
IN_FLOW_ORDER = [
    "scripted",
    "ingest",
    "trading",
    "market-data",
    "hot-score",
    "holder-count",
    "metadata",
    "activity-keys",
    "activity",
    "sync",
    "quarantine",
    "alerts",
    "gateway",
    "history",
]


def composition() -> Composition:
    return ServiceWorld().composition()


def child_specs() -> list[ChildSpec]:
    return composition().child_specs(operations(), lambda: Look(at=UnixSeconds(0.0)))


def parts(thing: object) -> Iterator[object]:
    """What an object holds directly: fields, items, bound arguments, variables closed over."""
    match thing:
        case dict():
            yield from thing.keys()
            yield from thing.values()
        case list() | tuple() | set() | frozenset():
            yield from thing
        case partial():
            yield from (thing.func, thing.args, thing.keywords)
        case MethodType():
            yield from (thing.__self__, thing.__func__)
        case FunctionType():
            yield from (cell.cell_contents for cell in thing.__closure__ or ())
            yield from thing.__defaults__ or ()
        case _:
            yield getattr(thing, "__dict__", None)
            for kind in type(thing).__mro__:
                for slot in getattr(kind, "__slots__", ()):
                    yield getattr(thing, slot, None)


def reachable(start: object) -> Iterator[object]:
    """Everything that can be reached from an object, but through classes and modules."""
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType | str | bytes | int | float):
            continue
        seen.add(id(thing))
        yield thing
        waiting.extend(parts(thing))


def holders_of(*kinds: type[Any]) -> set[str]:
    """The children whose actor can reach an object of these kinds."""
    return {
        spec.name
        for spec in child_specs()
        if any(isinstance(thing, kinds) for thing in reachable(spec.build_actor()))
    }


def test_children_stand_in_flow_order() -> None:
    assert IN_FLOW_ORDER == [spec.name for spec in child_specs()]


def test_among_all_children_only_ingest_and_sync_hold_a_store() -> None:
    assert STORE_HOLDERS == holders_of(MemoryStore, MemoryDatabase)


def test_among_all_children_only_ingest_sync_and_quarantine_hold_the_buffer() -> None:
    assert STORE_HOLDERS | {"quarantine"} == holders_of(MemoryBuffer)


def test_among_all_children_only_their_reader_holds_the_keys_of_others() -> None:
    assert {"activity-keys"} == holders_of(MemoryActivityKeys)


def test_among_all_children_only_its_keeper_holds_the_history() -> None:
    assert {"history"} == holders_of(MemoryHistory)


def test_among_all_children_only_alerts_hold_their_shelf() -> None:
    assert {"alerts"} == holders_of(MemoryAlertShelf)


def test_search_for_a_store_would_find_one_in_a_closure() -> None:
    """The searcher itself: a store hidden in a function is found."""
    store = MemoryStore(cold_days=1)
    hidden = partial(lambda: store)
    assert any(thing is store for thing in reachable([hidden]))


def test_each_mailbox_has_one_reader_and_every_mailbox_is_read() -> None:
    composed = composition()
    read = [id(box) for spec in composed.child_specs(operations()) for box in spec.inboxes]
    boxes = composed.mailboxes
    every = [boxes.events, boxes.updates, boxes.trades, boxes.weighed, boxes.windows]
    every += [boxes.presences, boxes.quarantine, boxes.alerts, boxes.gateway]
    every += [*boxes.publications.values(), *boxes.control.values()]
    assert sorted(read) == sorted(map(id, every))
    assert sorted(read) == sorted(map(id, boxes.by_name().values()))


async def test_every_actor_can_be_built_again_and_again() -> None:
    for spec in child_specs():
        first, second = spec.build_actor(), spec.build_actor()
        assert first is not second
        assert isinstance(first.snapshot(), Snapshot)


def test_what_an_actor_was_told_outlives_its_restart() -> None:
    for name in ("market-data", "hot-score", "holder-count", "metadata"):
        [spec] = [each for each in child_specs() if each.name == name]
        assert told(spec.build_actor()) is told(spec.build_actor()), name


@pytest.mark.parametrize(("name", "kind"), [("sync", SyncMemory), ("ingest", IngestMemory)])
def test_what_only_an_actor_holds_outlives_its_restart(name: str, kind: type) -> None:
    [spec] = [each for each in child_specs() if each.name == name]
    assert isinstance(spec.memory, kind)
    for actor in (spec.build_actor(), spec.build_actor()):
        assert [spec.memory] == [thing for thing in reachable(actor) if isinstance(thing, kind)]


def told(actor: Actor) -> JobMemory:
    [memory] = [thing for thing in reachable(actor) if isinstance(thing, JobMemory)]
    return memory


# No circle of actors that wait for one another.


def mailboxes_written_by_sync_and_activity() -> list[tuple[Mailbox[Any], object]]:
    boxes = composition().mailboxes
    told: list[tuple[Mailbox[Any], object]] = [
        (box, TokensPublished(tokens={mint(1): token(1)})) for box in boxes.publications.values()
    ]
    told += [
        (box, TokensPublished(tokens={mint(1): token(1)})) for box in (boxes.gateway, boxes.alerts)
    ]
    told += [(boxes.gateway, CensusWanted())]
    told += [(box, SystemIdled()) for box in boxes.control.values()]
    told += [(box, SystemActivated()) for box in boxes.control.values()]
    return told


async def test_what_sync_and_activity_tell_others_never_makes_them_wait() -> None:
    """Others wait for sync; did sync wait for them, all would stand still."""
    for box, message in mailboxes_written_by_sync_and_activity():
        for _ in range(box.capacity + 10):
            box.send_nowait(message)  # `trio.WouldBlock` where it would wait


async def test_what_goes_to_sync_and_ingest_is_never_dropped() -> None:
    boxes = composition().mailboxes
    for box, message in ((boxes.events, object()), (boxes.updates, RosterWanted(subscriber="x"))):
        for _ in range(box.capacity):
            box.send_nowait(message)  # type: ignore[arg-type]
        with pytest.raises(trio.WouldBlock):
            box.send_nowait(message)  # type: ignore[arg-type]
