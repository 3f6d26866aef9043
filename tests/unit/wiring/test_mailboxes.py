"""What the mailboxes keep, conflate and would lose with the process."""

from domain.messages import (
    RosterWanted,
    StatisticsPublished,
    SystemIdled,
    TokenPublished,
    WindowsQuoted,
)
from domain.trading import TokenStatistics, WindowStatistics
from tests.unit.actors.ingest.events import created
from tests.unit.actors.world import at, mint, token
from wiring.mailboxes import Mailboxes


async def test_events_and_updates_are_unsaved_until_their_reader_has_handled_them() -> None:
    boxes = Mailboxes(1000)
    assert {} == boxes.count_unsaved()
    for number in (1, 2):
        await boxes.events.send(created(number, 1.0))
    await boxes.updates.send(RosterWanted(subscriber="gateway"))
    assert {"events not admitted": 2, "updates not appended": 1} == boxes.count_unsaved()
    await boxes.events.receive_batch(2)  # in hand: lost as well, if the process ended now
    assert 2 == boxes.count_unsaved()["events not admitted"]
    boxes.events.mark_handled()
    assert {"updates not appended": 1} == boxes.count_unsaved()


async def test_what_only_tells_of_the_state_is_never_unsaved() -> None:
    boxes = Mailboxes(1000)
    for box in boxes.control.values():
        await box.send(SystemIdled())
    assert {} == boxes.count_unsaved()


def quoted(number: int, buys: int) -> WindowsQuoted:
    windows = {"5m": WindowStatistics(buys=buys)}
    return WindowsQuoted(mint=mint(number), observed_at=at(buys), source="jupiter", windows=windows)


async def test_quoted_windows_never_make_a_provider_wait_and_the_newest_of_a_token_counts() -> None:
    box = Mailboxes(1000).windows
    box.send_nowait(quoted(1, buys=1))
    box.send_nowait(quoted(1, buys=2))
    assert [quoted(1, buys=2)] == await box.receive_batch(10)
    box.mark_handled()
    for number in range(box.capacity + 5):
        box.send_nowait(quoted(number, buys=3))
    assert (box.capacity, 5) == (box.statistics().depth, box.statistics().dropped)
    assert mint(5) == (await box.receive()).mint


def weighed(number: int, buys: int) -> StatisticsPublished:
    statistics = TokenStatistics(
        observed_at=at(buys), windows={"5m": WindowStatistics(buys=buys)}, sources={"5m": "trades"}
    )
    return StatisticsPublished(mint=mint(number), statistics=statistics)


async def test_of_a_token_the_gateway_is_owed_its_newest_state_and_its_newest_statistics() -> None:
    box = Mailboxes(1000).gateway
    for buys in (1, 2):
        box.send_nowait(weighed(1, buys))
        box.send_nowait(TokenPublished(token=token(1, holder_count=buys)))
    expected = [weighed(1, 2), TokenPublished(token=token(1, holder_count=2))]
    assert expected == await box.receive_batch(10)
    box.mark_handled()


async def test_the_gateway_has_room_for_every_token_with_its_statistics() -> None:
    tokens = 50
    box = Mailboxes(tokens).gateway
    for number in range(tokens):
        box.send_nowait(weighed(number, 1))
        box.send_nowait(TokenPublished(token=token(number)))
    assert (2 * tokens, 0) == (box.statistics().depth, box.statistics().dropped)
