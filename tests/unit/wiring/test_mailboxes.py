"""What the mailboxes keep, conflate and would lose with the process."""

from domain.messages import (
    RosterWanted,
    StatisticsPublished,
    SystemIdled,
    TokensPublished,
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


def counted(buys: int) -> TokenStatistics:
    return TokenStatistics(
        observed_at=at(buys), windows={"5m": WindowStatistics(buys=buys)}, sources={"5m": "trades"}
    )


async def test_of_a_token_a_reader_is_owed_its_newest_state_and_its_newest_statistics() -> None:
    boxes = Mailboxes(1000)
    for box in (boxes.gateway, *boxes.publications.values()):
        for numbers, buys in (((1, 2), 1), ((2, 3), 2)):
            statistics = {mint(number): counted(buys) for number in numbers}
            tokens = {mint(number): token(number, holder_count=buys) for number in numbers}
            box.send_nowait(StatisticsPublished(statistics=statistics))
            box.send_nowait(TokensPublished(tokens=tokens))
        newest = {1: 1, 2: 2, 3: 2}
        figures = {mint(number): counted(buys) for number, buys in newest.items()}
        shown = {mint(number): token(number, holder_count=n) for number, n in newest.items()}
        expected = [StatisticsPublished(statistics=figures), TokensPublished(tokens=shown)]
        assert expected == await box.receive_batch(10)


async def test_a_reader_that_never_comes_is_owed_two_tokens_for_each_that_is_tracked() -> None:
    limit = 5
    box = Mailboxes(limit).gateway
    for number in range(100):
        box.send_nowait(TokensPublished(tokens={mint(number): token(number)}))
        box.send_nowait(StatisticsPublished(statistics={mint(number): counted(number)}))
    tokens, statistics = await box.receive_batch(10)
    latest = [mint(number) for number in range(100 - 2 * limit, 100)]
    assert isinstance(tokens, TokensPublished)
    assert isinstance(statistics, StatisticsPublished)
    assert (latest, latest) == (list(tokens.tokens), list(statistics.statistics))


async def test_what_is_published_stays_as_it_is_when_a_reader_is_behind() -> None:
    box = Mailboxes(1000).gateway
    first = TokensPublished(tokens={mint(1): token(1)})
    box.send_nowait(first)
    box.send_nowait(TokensPublished(tokens={mint(2): token(2)}))
    assert {mint(1): token(1)} == first.tokens  # other readers may still hold it
