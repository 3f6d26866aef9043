"""Gaps and pools that wait: nothing is forgotten, nothing is held back, everything is bounded."""

from collections.abc import Callable
from random import Random
from typing import Any

import trio
from attrs import define, field
from trio.testing import MockClock

from domain.backoff import Backoff
from domain.errors import SourceClosed, SourceUnavailable
from domain.messages import TokenCreated
from domain.values import WRAPPED_SOL
from sources.line import LineSettings
from sources.pump_chain import gaps as gaps_module
from sources.pump_chain.gaps import MOST_GAPS, PUMP_MINT_AUTHORITY, GapList
from sources.pump_chain.lookups import (
    WAITING_CHARACTERS,
    WAITING_TRANSACTIONS,
    HeldTransaction,
    PoolLookups,
)
from sources.pump_chain.programs import LAUNCHLAB
from sources.pump_chain.reading import Transaction
from sources.pump_chain.stream import PumpChain, PumpChainMemory
from sources.pump_chain.watched_rpc import WatchedRpc
from tests.integration.sources.test_pump_chain import POOL, birth, pool_account, pool_trade
from tests.unit.sources.chain_events import notification
from tests.unit.sources.doubles import NOW, KeepingOutbox, Surroundings
from tests.unit.sources.recordings import load
from tests.unit.sources.test_pump_chain_events import BLACK_CAT

Answer = Callable[[list[Any]], object]


@define
class Chain:
    """An RPC server in memory: answers by method, and remembers when it was asked what."""

    methods: dict[str, Answer] = field(factory=dict)
    calls: list[tuple[float, str]] = field(factory=list, init=False)

    async def call_method(self, method: str, parameters: list[object]) -> object:
        self.calls.append((trio.current_time(), method))
        await trio.lowlevel.checkpoint()
        return self.methods[method](parameters)

    def times_of(self, method: str) -> list[float]:
        return [at for at, called in self.calls if called == method]


def backoff() -> Backoff:
    return Backoff(first_seconds=1.0, longest_seconds=60.0, random=Random(1))


def stream_of(chain: Chain) -> tuple[PumpChain, KeepingOutbox]:
    outbox = KeepingOutbox()
    stream = PumpChain(
        events=outbox,
        settings=LineSettings(
            url="ws://127.0.0.1:1",
            silence_seconds=60.0,
            reconnect_seconds=1.0,
            reconnect_longest_seconds=60.0,
        ),
        rpc=chain,
        environment=Surroundings(),
        memory=PumpChainMemory(),
    )
    return stream, outbox


def signatures(*known: tuple[str, int]) -> Answer:
    """A history, newest first, of pump's births alone."""

    def answer(parameters: list[Any]) -> object:
        if parameters[0] != PUMP_MINT_AUTHORITY:
            return []
        return [{"signature": name, "slot": slot, "err": None} for name, slot in known]

    return answer


def transaction(logs: object) -> object:
    return {"slot": 100, "meta": {"err": None, "logMessages": logs}}


async def test_a_gap_found_while_another_is_filled_is_filled_after_it(
    autojump_clock: MockClock,
) -> None:
    gaps = GapList()
    gaps.note_gap(100, backoff())
    first = await gaps.wait_for_gap()
    gaps.note_gap(90, backoff())
    gaps.note_look(first)
    second = await gaps.wait_for_gap()
    assert (90, 2.0 + 2.0) == (second.from_slot, trio.current_time())


async def test_a_gap_that_a_crash_interrupts_is_taken_up_again(autojump_clock: MockClock) -> None:
    gaps = GapList()
    gaps.note_gap(100, backoff())
    assert await gaps.wait_for_gap() is await gaps.wait_for_gap()


async def test_beyond_the_bound_gaps_become_one_that_begins_with_the_earliest(
    autojump_clock: MockClock,
) -> None:
    gaps = GapList()
    for slot in range(1_000, 1_000 - MOST_GAPS - 5, -1):
        gaps.note_gap(slot, backoff())
    assert MOST_GAPS == len(gaps.gaps)
    assert 1_000 - MOST_GAPS - 4 == min(gap.from_slot for gap in gaps.gaps)


async def test_each_gap_is_looked_at_twice(autojump_clock: MockClock) -> None:
    chain = Chain({"getSignaturesForAddress": signatures()})
    stream, _ = stream_of(chain)
    stream._note_gap(50)
    with trio.move_on_after(300.0):
        await stream._fill_gaps()
    assert [2.0, 2.0, 22.0, 22.0] == chain.times_of("getSignaturesForAddress")


async def test_births_in_the_slot_that_was_seen_last_are_fetched_too(
    autojump_clock: MockClock,
) -> None:
    chain = Chain(
        {
            "getSignaturesForAddress": signatures(("same slot", 50), ("before", 49)),
            "getTransaction": lambda _: transaction(birth()),
        }
    )
    stream, outbox = stream_of(chain)
    stream._note_gap(50)
    with trio.move_on_after(300.0):
        await stream._fill_gaps()
    assert ["same slot"] == [event.signature for event in outbox.events]


async def test_a_transaction_that_the_server_does_not_know_yet_is_asked_for_again(
    autojump_clock: MockClock,
) -> None:
    def know_from(seconds: float) -> Answer:
        return lambda _: transaction(birth()) if trio.current_time() >= seconds else None

    chain = Chain(
        {
            "getSignaturesForAddress": signatures(("late", 60)),
            "getTransaction": know_from(8.0),
        }
    )
    stream, outbox = stream_of(chain)
    stream._note_gap(50)
    with trio.move_on_after(300.0):
        await stream._fill_gaps()
    assert ["late"] == [event.signature for event in outbox.events]
    assert 0 == stream.received["gaps_given_up"]


async def test_a_gap_whose_transactions_never_come_is_given_up_and_told(
    autojump_clock: MockClock,
) -> None:
    chain = Chain(
        {
            "getSignaturesForAddress": signatures(("never", 60)),
            "getTransaction": lambda _: None,
        }
    )
    stream, _ = stream_of(chain)
    stream._note_gap(50)
    with trio.move_on_after(3_600.0):
        await stream._fill_gaps()
    assert 1 == stream.received["gaps_given_up"]
    assert gaps_module.MOST_TRIES == len(chain.times_of("getTransaction"))


async def test_a_launchlab_birth_whose_pool_comes_late_is_told(autojump_clock: MockClock) -> None:
    document = load(BLACK_CAT)
    account = pool_account(LAUNCHLAB, document["mint"], str(WRAPPED_SOL))

    def get_accounts(parameters: list[Any]) -> object:
        is_there = trio.current_time() >= 25.0
        return {"value": [account if is_there else None for _ in parameters[0]]}

    stream, outbox = stream_of(Chain({"getMultipleAccounts": get_accounts}))
    await outbox.send_all(stream._read_messages([notification(document["sig"], document["logs"])]))
    with trio.move_on_after(120.0):
        await stream._look_up_pools()
    assert isinstance(outbox.events[0], TokenCreated)
    assert document["mint"] == outbox.events[0].mint


async def test_a_pool_that_is_late_holds_no_other_back(autojump_clock: MockClock) -> None:
    document = load(BLACK_CAT)
    account = pool_account(LAUNCHLAB, document["mint"], str(WRAPPED_SOL))

    def get_accounts(parameters: list[Any]) -> object:
        return {"value": [None if address == POOL else account for address in parameters[0]]}

    stream, outbox = stream_of(Chain({"getMultipleAccounts": get_accounts}))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream._look_up_pools)
        await outbox.send_all(stream._read_messages([notification("late", pool_trade())]))
        await trio.sleep(0.5)
        await outbox.send_all(stream._read_messages([notification("known", document["logs"])]))
        await trio.sleep(0.001)
        assert {"known"} == {event.signature for event in outbox.events}
        nursery.cancel_scope.cancel()


async def test_a_pool_that_never_comes_is_given_up_and_its_transaction_counted(
    autojump_clock: MockClock,
) -> None:
    chain = Chain({"getMultipleAccounts": lambda p: {"value": [None for _ in p[0]]}})
    stream, outbox = stream_of(chain)
    await outbox.send_all(stream._read_messages([notification("t", [*pool_trade(), *birth()])]))
    with trio.move_on_after(300.0):
        await stream._look_up_pools()
    assert [0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0] == chain.times_of("getMultipleAccounts")
    assert {"unknown_pool": 1} == dict(stream.refused)
    assert 0 == stream.memory.lookups.transactions == stream.memory.lookups.characters
    assert 1 == len(outbox.events)  # the birth, once


async def test_waiting_transactions_are_bounded_by_their_number_and_by_their_size() -> None:
    def held(characters: int) -> HeldTransaction:
        logs = ["x" * characters]
        return HeldTransaction(Transaction(signature="s", slot=1, seen_at=NOW, logs=logs))

    many = PoolLookups()
    assert all(many.hold_transaction(held(1), "pool") for _ in range(WAITING_TRANSACTIONS))
    assert not many.hold_transaction(held(1), "pool")
    large = PoolLookups()
    assert large.hold_transaction(held(WAITING_CHARACTERS), "pool")
    assert not large.hold_transaction(held(1), "other")
    large.release("pool")
    assert large.hold_transaction(held(1), "other")


async def test_a_server_that_refuses_for_good_is_told_of_and_asked_again_each_hour(
    autojump_clock: MockClock,
) -> None:
    def refuse(_: list[Any]) -> object:
        raise SourceClosed("HTTP 401", status=401)

    chain, surroundings = Chain({"getHealth": refuse}), Surroundings()
    watched = WatchedRpc(rpc=chain, environment=surroundings)
    for _ in range(2 * 60):
        try:
            await watched.call_method("getHealth", [])
        except SourceUnavailable:
            await trio.sleep(60.0)
    assert 2 == len(chain.calls)
    name, reporter, problem = surroundings.readiness.outages[-1]
    assert ("chain-rpc", "chain") == (name, reporter)
    assert "ingest.chain_rpc_url" in str(problem)
    chain.methods["getHealth"] = lambda _: "ok"
    await trio.sleep(3_600.0)
    assert "ok" == await watched.call_method("getHealth", [])
    assert ("chain-rpc", "chain", None) == surroundings.readiness.outages[-1]
