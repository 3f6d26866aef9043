"""The quarantine: what it keeps, hands back and lets go; Redis may be away meanwhile."""

from typing import Any

from attrs import Factory, define, evolve, field
from trio.testing import MockClock

from actors.quarantine.actor import QuarantineKeeper, QuarantineOutboxes
from actors.quarantine.book import QuarantineBook
from actors.quarantine.report import report_quarantine
from buffer.entries import make_entry
from domain.messages import BirthReplayed, TokenUpdated, TradeSeen, UpdateReplayed
from domain.quarantine import (
    DropWanted,
    EntriesQuarantined,
    EntryReturned,
    EntrySettled,
    ParkedUpdate,
    QuarantineEntry,
    QuarantineMessage,
    ReplayWanted,
)
from domain.token import Token
from domain.values import UnixSeconds
from supervision.mailbox import Mailbox
from tests.unit.actors.world import Log, Sent, Servers, at, environment, mint, running, until
from wiring.mailboxes import Mailboxes

CRASHES = 3


def birth(number: int = 1, reason: str = "CheckViolation: no") -> QuarantineEntry:
    token = Token(mint=mint(number), first_seen_at=at(0))
    return make_entry(token, kind="birth", place="ingest", reason=reason, refused_at=at(1))


def update(number: int = 1) -> QuarantineEntry:
    values = {"holder_count": 7}
    told = TokenUpdated(mint=mint(number), observed_at=at(0), origin="", values=values)
    return make_entry(told, kind="update", place="sync", reason="no", refused_at=at(1))


def trade(number: int = 1) -> TradeSeen:
    return TradeSeen(mint=mint(number), seen_at=at(0), signature="s", side="buy")


def message(subject: object, place: str = "trading") -> QuarantineEntry:
    return make_entry(subject, kind="message", place=place, reason="E: boom", refused_at=at(1))


@define
class QuarantineWorld:
    """What stands around the quarantine, and outlives it."""

    servers: Servers = Factory(Servers)
    book: QuarantineBook = Factory(QuarantineBook)
    messages: Mailbox[QuarantineMessage] = Factory(lambda: Mailboxes(10).quarantine)
    ingest: Mailbox[Any] = Factory(lambda: Mailbox("ingest", capacity=1))
    sync: Sent[Any] = Factory(Sent)
    trades: Mailbox[Any] = Factory(lambda: Mailboxes(10).trades)
    log: Log = field(factory=Log)

    def keeper(self) -> QuarantineKeeper:
        return QuarantineKeeper(
            inbox=self.messages,
            outboxes=QuarantineOutboxes(
                ingest=self.ingest,
                sync=self.sync,
                mailboxes={"trading": self.trades},
                own=self.messages,
            ),
            shelf=self.servers.buffer,
            book=self.book,
            crashes_before_quarantine=CRASHES,
            environment=environment(self.log),
        )

    async def tell(self, *messages: QuarantineMessage | QuarantineEntry) -> None:
        for each in messages:
            if isinstance(each, QuarantineEntry):
                await self.messages.send(EntriesQuarantined(entries=(each,)))
            else:
                await self.messages.send(each)

    async def stored(self) -> list[QuarantineEntry]:
        return list(await self.servers.buffer.read_quarantined())

    @property
    def states(self) -> list[tuple[str, int, str]]:
        """(id, tries, state) of each entry."""
        report = report_quarantine(self.book, {})
        return [(entry.id, entry.tries, entry.state) for entry in report.entries]


# Keeping.


async def test_what_is_refused_is_kept_in_redis_and_shown(autojump_clock: MockClock) -> None:
    world = QuarantineWorld()
    keeper = world.keeper()
    async with running(keeper):
        await world.tell(birth(1), update(2), message(trade(3)))
        await until(1.0)
        assert [birth(1), update(2), message(trade(3))] == await world.stored()
    assert {"birth": 1, "update": 1, "message": 1} == keeper.snapshot().entries
    assert (3, 0) == (keeper.snapshot().refused, keeper.snapshot().unsaved)


async def test_the_same_again_is_one_entry_with_its_tries_counted(
    autojump_clock: MockClock,
) -> None:
    world = QuarantineWorld()
    async with running(world.keeper()):
        await world.tell(birth(1), birth(2), birth(1, reason="again"))
        await until(1.0)
        first, second = await world.stored()
    assert (mint(2), 1) == (first.mint, first.tries)
    assert (mint(1), 2, "again") == (second.mint, second.tries, second.reason)


async def test_a_new_process_knows_what_the_one_before_has_kept(autojump_clock: MockClock) -> None:
    world = QuarantineWorld()
    await world.servers.buffer.quarantine_entries([evolve(birth(1), tries=4), update(2)])
    async with running(world.keeper()):
        await until(1.0)
        assert [(birth(1).id, 4, "waiting"), (update(2).id, 1, "waiting")] == world.states
        await world.tell(birth(1))
        await until(2.0)
        assert [update(2), evolve(birth(1), tries=5)] == await world.stored()


async def test_while_redis_is_away_entries_are_shown_and_saved_when_it_is_back(
    autojump_clock: MockClock,
) -> None:
    world = QuarantineWorld()
    await world.servers.buffer.quarantine_entries([evolve(birth(1), tries=2), update(2)])
    world.servers.buffer.fail_next(3)
    async with running(world.keeper()):
        await world.tell(birth(3), birth(1))
        await until(0.1)
        assert not report_quarantine(world.book, {}).is_complete
        assert [birth(3).id, birth(1).id] == [entry_id for entry_id, _, _ in world.states]
        assert {"entries of the quarantine": 2} == world.book.count_unsaved()
        await until(60.0)
        assert report_quarantine(world.book, {}).is_complete
        stored = await world.stored()
    assert [(mint(2), 1), (mint(3), 1), (mint(1), 3)] == [(e.mint, e.tries) for e in stored]
    assert {} == world.book.count_unsaved()


async def test_past_its_bound_the_oldest_go_counted_and_told(autojump_clock: MockClock) -> None:
    world = QuarantineWorld(book=QuarantineBook(limit=2))
    keeper = world.keeper()
    async with running(keeper):
        await until(1.0)
        await world.tell(birth(1))
        await until(2.0)
        await world.tell(birth(2), birth(3), birth(4))
        await until(3.0)
        assert [birth(3), birth(4)] == await world.stored()
    said = world.log.entries("quarantine is full, oldest entries dropped")
    told = sum(each["entries"] for each in said)  # once a batch of messages
    assert (2, 2, 2) == (keeper.snapshot().dropped, told, said[0]["limit"])


async def test_while_redis_is_away_a_flood_stays_bounded(autojump_clock: MockClock) -> None:
    world = QuarantineWorld(book=QuarantineBook(limit=3))
    world.servers.buffer.fail_next(1_000_000)
    async with running(world.keeper()):
        await world.tell(*(birth(number) for number in range(50)))
        await until(1.0)
    book = world.book
    assert (3, 3, 3) == (len(book.entries), len(book.unsaved), len(book.leaving))
    assert [mint(47), mint(48), mint(49)] == [entry.mint for entry in book.entries.values()]


async def test_a_drain_saves_what_came_last(autojump_clock: MockClock) -> None:
    world = QuarantineWorld()
    await world.tell(birth(1))
    world.messages.close()
    await world.keeper().run()
    assert [birth(1)] == await world.stored()


async def test_a_drain_does_not_wait_for_a_redis_that_is_away(autojump_clock: MockClock) -> None:
    world = QuarantineWorld()
    await world.tell(birth(1))
    world.messages.close()
    world.servers.buffer.fail_next(1000)
    await world.keeper().run()
    assert {"entries of the quarantine": 1} == world.book.count_unsaved()


# Replaying.


async def test_a_birth_goes_back_to_ingest_and_leaves_when_it_is_taken(
    autojump_clock: MockClock,
) -> None:
    world = QuarantineWorld()
    keeper = world.keeper()
    async with running(keeper):
        await world.tell(birth(1), ReplayWanted(entry_id=birth(1).id))
        assert (
            BirthReplayed(entry_id=birth(1).id, token=birth(1).restore_content())
            == await world.ingest.receive()
        )
        await until(1.0)
        assert [(birth(1).id, 1, "replaying")] == world.states
        assert [birth(1)] == await world.stored()
        await world.tell(EntrySettled(entry_id=birth(1).id))
        await until(2.0)
        assert ([], []) == (world.states, await world.stored())
    assert (1, 1) == (keeper.snapshot().replays, keeper.snapshot().settled)


async def test_an_update_that_is_refused_again_comes_back_with_its_tries(
    autojump_clock: MockClock,
) -> None:
    world = QuarantineWorld()
    async with running(world.keeper()):
        await world.tell(update(1), ReplayWanted(entry_id=update(1).id))
        await until(1.0)
        [replay] = world.sync.of(UpdateReplayed)
        assert update(1).restore_content() == replay.update
        await world.tell(update(1))
        await until(2.0)
        assert [(update(1).id, 2, "waiting")] == world.states


async def test_a_replay_that_is_wanted_twice_is_made_once(autojump_clock: MockClock) -> None:
    world = QuarantineWorld()
    wanted = ReplayWanted(entry_id=update(1).id)
    async with running(world.keeper()):
        await world.tell(update(1), wanted, wanted)
        await until(1.0)
        await world.tell(wanted)
        await until(2.0)
    assert 1 == len(world.sync.entries)


async def test_a_full_mailbox_is_tried_again(autojump_clock: MockClock) -> None:
    world = QuarantineWorld()
    world.ingest.send_nowait("something else")
    async with running(world.keeper()):
        await world.tell(birth(1), ReplayWanted(entry_id=birth(1).id), update(2))
        await until(1.0)
        assert 2 == len(await world.stored())  # others were kept meanwhile
        assert "something else" == await world.ingest.receive()
        await until(20.0)
        assert isinstance(await world.ingest.receive(), BirthReplayed)


async def test_a_message_goes_back_to_its_mailbox_and_leaves_when_it_is_handled(
    autojump_clock: MockClock,
) -> None:
    world = QuarantineWorld()
    entry = message(trade(1))
    async with running(world.keeper()):
        await world.tell(entry, ReplayWanted(entry_id=entry.id))
        await until(1.0)
        assert trade(1) == await world.trades.receive()
        assert [(entry.id, 1, "replaying")] == world.states
        world.trades.mark_handled()
        await until(2.0)
        assert ([], []) == (world.states, await world.stored())


async def test_a_message_that_crashes_its_reader_again_needs_one_crash_and_comes_back(
    autojump_clock: MockClock,
) -> None:
    world = QuarantineWorld()
    entry = message(trade(1))
    async with running(world.keeper()):
        await world.tell(entry, ReplayWanted(entry_id=entry.id))
        await until(1.0)
        await world.trades.receive()
        [poison] = world.trades.offer_again(crashes_before_quarantine=CRASHES)
        await world.tell(message(poison))
        await until(2.0)
        assert [(entry.id, 2, "waiting")] == world.states


async def test_a_message_that_is_dropped_for_want_of_room_waits_again(
    autojump_clock: MockClock,
) -> None:
    world = QuarantineWorld()
    entry = message(trade(1))
    async with running(world.keeper()):
        await world.tell(entry, ReplayWanted(entry_id=entry.id))
        await until(1.0)
        for number in range(world.trades.capacity):
            world.trades.send_nowait(trade(number + 2))
        await until(2.0)
        assert [(entry.id, 1, "waiting")] == world.states


async def test_what_cannot_be_replayed_stays_and_stops_no_other(autojump_clock: MockClock) -> None:
    world = QuarantineWorld()
    described, homeless = message(object()), message(trade(1), place="gone")
    broken = evolve(birth(1), content={"Token": {"no_such_field": 1}})
    entries = [described, homeless, broken, update(2)]
    async with running(world.keeper()):
        await world.tell(*entries, *(ReplayWanted(entry_id=entry.id) for entry in entries))
        await until(1.0)
        assert ["waiting", "waiting", "waiting", "replaying"] == [s for _, _, s in world.states]
    said = world.log.entries("entry cannot be replayed")
    assert [homeless.id, broken.id] == [entry["entry"] for entry in said]


async def test_a_restarted_quarantine_lets_a_replay_be_wanted_again(
    autojump_clock: MockClock,
) -> None:
    world = QuarantineWorld()
    async with running(world.keeper()):
        await world.tell(update(1), ReplayWanted(entry_id=update(1).id))
        await until(1.0)
    async with running(world.keeper()):
        await until(2.0)
        assert [(update(1).id, 1, "waiting")] == world.states
        await world.tell(EntrySettled(entry_id=update(1).id))  # of the first one
        await until(3.0)
    assert [] == world.states


async def test_a_replay_that_is_returned_waits_again(autojump_clock: MockClock) -> None:
    world = QuarantineWorld()
    async with running(world.keeper()):
        await world.tell(update(1), ReplayWanted(entry_id=update(1).id))
        await world.tell(EntryReturned(entry_id=update(1).id))
        await until(1.0)
        assert [(update(1).id, 1, "waiting")] == world.states


# Dropping.


async def test_what_is_dropped_is_gone_from_redis_too(autojump_clock: MockClock) -> None:
    world = QuarantineWorld()
    keeper = world.keeper()
    async with running(keeper):
        await world.tell(birth(1), birth(2), DropWanted(entry_id=birth(1).id))
        await world.tell(DropWanted(entry_id="unknown"))
        await until(1.0)
        assert ([birth(2)], [(birth(2).id, 1, "waiting")]) == (await world.stored(), world.states)
    assert 1 == keeper.snapshot().dropped_by_operators


async def test_what_is_dropped_is_shown_as_leaving_until_redis_has_forgotten_it(
    autojump_clock: MockClock,
) -> None:
    world = QuarantineWorld()
    async with running(world.keeper()):
        await world.tell(birth(1))
        await until(1.0)
        world.servers.buffer.fail_next(1)
        await world.tell(DropWanted(entry_id=birth(1).id))
        await until(1.1)
        assert [(birth(1).id, 1, "leaving")] == world.states
        await until(10.0)
        assert ([], []) == (world.states, await world.stored())


async def test_what_is_being_replayed_is_not_dropped(autojump_clock: MockClock) -> None:
    world = QuarantineWorld()
    async with running(world.keeper()):
        entry_id = update(1).id
        await world.tell(update(1), ReplayWanted(entry_id=entry_id), DropWanted(entry_id=entry_id))
        await until(1.0)
        assert [(entry_id, 1, "replaying")] == world.states


# What operators are shown.


def test_the_report_tells_the_oldest_parked_first() -> None:
    parked = {
        mint(n): ParkedUpdate(mint=mint(n), since=UnixSeconds(10.0 - n), fields=("holder_count",))
        for n in range(3)
    }
    report = report_quarantine(QuarantineBook(), parked)
    assert [mint(2), mint(1), mint(0)] == [each.mint for each in report.parked]
    assert ("Postgres does not have its token yet", 3) == (
        report.parked[0].reason,
        report.parked_count,
    )
