"""The two buffers, each with the faults and the glimpses inside that the contract suite needs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import orjson
import redis
import trio
from attrs import define, evolve, field, frozen

from buffer import USUAL_BOUNDS, BufferBounds, UpdateBuffer
from buffer.memory import MemoryBuffer, Published
from buffer.redis import RedisBuffer
from domain.errors import BufferUnavailable
from domain.merging import Observations, fold
from domain.messages import TokenChange, TokenUpdated
from domain.values import Mint, UnixSeconds, Value, Version

TIMEOUT_SECONDS = 2.0
START = UnixSeconds(1_760_000_000.25)

MINT, OTHER_MINT, THIRD_MINT = (Mint(letter * 44) for letter in "ABC")
Answer = TypeVar("Answer")


def updated(values: Mapping[str, Value], at: float = 1000.0, mint: Mint = MINT) -> TokenUpdated:
    return TokenUpdated(mint=mint, observed_at=UnixSeconds(at), origin="test", values=values)


@frozen(kw_only=True)
class Told:
    """What an append said, its changes as updates."""

    epoch: str
    newest: Version
    changed: tuple[TokenUpdated, ...]
    refused: Mapping[Mint, str]


async def append(
    buffer: UpdateBuffer, updates: Sequence[TokenUpdated] = (), *, forced: bool = False
) -> Told:
    """Fold the updates by token, as sync does, and append them."""
    batch: dict[Mint, Observations] = {}
    for update in updates:
        fold(batch.setdefault(update.mint, Observations()), update)
    appended = await buffer.append_observations(batch, forced=forced)
    changed = tuple(
        updated(seen.values, at=max(map(seen.time_of, seen.values)), mint=mint)
        for mint, seen in appended.changed.items()
    )
    return Told(
        epoch=appended.epoch, newest=appended.newest, changed=changed, refused=appended.refused
    )


@define
class ManualClock:
    """A wall clock that a test sets."""

    now: UnixSeconds = START

    def __call__(self) -> UnixSeconds:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now = UnixSeconds(self.now + seconds)


@define
class LossyOffload:
    """Runs calls in threads, and loses as many answers as it is told to."""

    answers_to_lose: int = 0

    async def __call__(self, function: Callable[..., Answer], /, *arguments: Any) -> Answer:
        answer = await trio.to_thread.run_sync(function, *arguments)
        if self.answers_to_lose > 0:
            self.answers_to_lose -= 1
            raise BufferUnavailable("the connection broke before the answer came")
        return answer


class Rig(Protocol):
    """One adapter under test."""

    clock: ManualClock

    @property
    def buffer(self) -> UpdateBuffer: ...

    def bounded(self, bounds: BufferBounds) -> UpdateBuffer:
        """The buffer of another process, with these bounds; on real servers the same data."""

    def lose_data(self) -> None:
        """The server comes back empty."""

    def lose_answers(self, calls: int) -> None:
        """The next calls happen, and fail all the same."""

    def published(self) -> Sequence[Published]:
        """What stands on the stream `td:changes`."""

    def pass_seconds(self, seconds: float) -> Awaitable[None]:
        """Let a time pass that the server notices."""

    def close(self) -> None: ...


@define
class MemoryRig:
    clock: ManualClock = field(factory=ManualClock)
    buffer: MemoryBuffer = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.buffer = MemoryBuffer(self.clock)

    def bounded(self, bounds: BufferBounds) -> MemoryBuffer:
        return MemoryBuffer(self.clock, bounds)

    def lose_data(self) -> None:
        self.buffer.lose_data()

    def lose_answers(self, calls: int) -> None:
        self.buffer.fail_next(calls, after_effect=True)

    def published(self) -> Sequence[Published]:
        return list(self.buffer.data.published)

    async def pass_seconds(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def close(self) -> None:
        pass


@define
class RedisRig:
    url: str
    clock: ManualClock = field(factory=ManualClock)
    offload: LossyOffload = field(factory=LossyOffload)
    buffer: RedisBuffer = field(init=False)
    server: redis.Redis = field(init=False)
    others: list[RedisBuffer] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.server = redis.Redis.from_url(self.url)
        self.buffer = self.connected(USUAL_BOUNDS)

    def connected(self, bounds: BufferBounds) -> RedisBuffer:
        return RedisBuffer(self.url, TIMEOUT_SECONDS, self.offload, self.clock, bounds)

    def bounded(self, bounds: BufferBounds) -> RedisBuffer:
        self.others.append(self.connected(bounds))
        return self.others[-1]

    def lose_data(self) -> None:
        self.server.flushall()

    def lose_answers(self, calls: int) -> None:
        self.offload.answers_to_lose = calls

    def published(self) -> Sequence[Published]:
        entries: Any = self.server.xrange("td:changes")
        return [
            Published(**{**change, "observed_at": float(change["observed_at"])})
            for _, entry in entries
            for change in orjson.loads(entry[b"changes"])
        ]

    async def pass_seconds(self, seconds: float) -> None:
        """Let every key expire so much earlier: the server has no clock that could be set."""
        self.clock.advance(seconds)
        for key in self.server.scan_iter():
            left_milliseconds: Any = self.server.pttl(key)
            if left_milliseconds >= 0:
                self.server.pexpire(key, max(0, left_milliseconds - round(seconds * 1000)))

    def close(self) -> None:
        for buffer in (self.buffer, *self.others):
            trio.run(buffer.close)
        self.server.close()


async def everything_dirty(buffer: UpdateBuffer) -> Sequence[TokenChange]:
    return (await buffer.read_dirty(Version(0), 1000)).changes


async def dirty_values(buffer: UpdateBuffer) -> dict[Mint, Mapping[str, Value]]:
    return {token.mint: token.values for token in await everything_dirty(buffer)}


async def flush(buffer: UpdateBuffer) -> None:
    """Clear everything, as after a commit of all of it."""
    await buffer.clear_flushed(await everything_dirty(buffer))


async def cleared(buffer: UpdateBuffer, versions: Mapping[Mint, Version]) -> int:
    """Clear fields up to these versions; how many tokens are clean thereby."""
    changes = [
        TokenChange(mint, version, version, UnixSeconds(0.0), {})
        for mint, version in versions.items()
    ]
    return await buffer.clear_flushed(changes)


def bounds(**chosen: int) -> BufferBounds:
    return evolve(USUAL_BOUNDS, **chosen)
