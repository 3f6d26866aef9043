"""A mailbox beside trio's own memory channel: one message at a time, and drained in batches.

The mailbox keeps books and holds what its reader has in hand; this is what that costs.
"""

from collections.abc import Awaitable, Callable
from time import perf_counter

import trio

from benchmarks.results import Figure, Result
from supervision.mailbox import Mailbox

MESSAGES, QUICK_MESSAGES = 150_000, 50_000
CAPACITY, BATCH = 1000, 1000
ROUNDS = 3


def run(is_quick: bool) -> Result:
    messages = QUICK_MESSAGES if is_quick else MESSAGES
    ways = {
        "one by one": (_mailbox_singly, _channel_singly),
        "drained": (_mailbox_drained, _channel_drained),
    }
    lines = []
    for name, (ours, peer) in ways.items():
        mailbox_rate, channel_rate = _best(ours, messages), _best(peer, messages)
        lines.append((name, mailbox_rate, channel_rate, mailbox_rate / channel_rate))
    return Result(
        name="mailbox-hop",
        title="Messages a second between two tasks",
        headings=("way", "mailbox", "trio channel", "ratio"),
        lines=lines,
        conclusion=f"One hop through a mailbox costs {1e6 / lines[0][1]:.1f} us.",
        figures={
            f"{name}, beside a channel": Figure(value=ratio, unit="ratio", more_is_better=True)
            for name, _, _, ratio in lines
        },
    )


def _best(way: Callable[[int], Awaitable[None]], messages: int) -> float:
    """Messages a second of the best of some rounds: the others were disturbed."""
    return max(_rate(way, messages) for _ in range(ROUNDS))


def _rate(way: Callable[[int], Awaitable[None]], messages: int) -> float:
    started = perf_counter()
    trio.run(way, messages)
    return messages / (perf_counter() - started)


async def _mailbox_singly(messages: int) -> None:
    mailbox: Mailbox[int] = Mailbox("benchmark", capacity=CAPACITY)

    async def send() -> None:
        for number in range(messages):
            await mailbox.send(number)
        mailbox.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        count = 0
        async for _ in mailbox:
            count += 1
    assert count == messages


async def _channel_singly(messages: int) -> None:
    sender, receiver = trio.open_memory_channel[int](CAPACITY)

    async def send() -> None:
        async with sender:
            for number in range(messages):
                await sender.send(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        count = 0
        async for _ in receiver:
            count += 1
    assert count == messages


async def _mailbox_drained(messages: int) -> None:
    mailbox: Mailbox[int] = Mailbox("benchmark", capacity=BATCH)
    for _ in range(messages // BATCH):
        for number in range(BATCH):
            mailbox.send_nowait(number)
        assert len(await mailbox.receive_batch(BATCH)) == BATCH


async def _channel_drained(messages: int) -> None:
    sender, receiver = trio.open_memory_channel[int](BATCH)
    for _ in range(messages // BATCH):
        for number in range(BATCH):
            sender.send_nowait(number)
        await trio.lowlevel.checkpoint()
        assert len([receiver.receive_nowait() for _ in range(BATCH)]) == BATCH
