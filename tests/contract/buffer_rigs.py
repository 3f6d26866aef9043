"""The two buffers, each with the faults and the glimpses inside that the contract suite needs."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol, TypeVar

import orjson
import redis
import trio
from attrs import define, evolve, field

from buffer import USUAL_BOUNDS, BufferBounds, NewestTold, UpdateBuffer
from buffer.memory import MemoryBuffer
from buffer.memory_data import Data, Published
from buffer.redis import RedisBuffer
from domain.errors import BufferUnavailable
from domain.merging import Observations
from domain.messages import TokenChange
from domain.quarantine import QuarantineEntry
from domain.token import Token
from domain.values import Mint, UnixSeconds, Value, Version

TIMEOUT_SECONDS = 2.0
START = UnixSeconds(1_760_000_000.25)

MINT, OTHER_MINT, THIRD_MINT = (Mint(letter * 44) for letter in "ABC")
QUARANTINED = QuarantineEntry(
    id="0123456789",
    kind="update",
    place="sync",
    mint=MINT,
    reason="a reason",
    refused_at=UnixSeconds(1.0),
    content={},
)
Answer = TypeVar("Answer")


def new_token(mint: Mint) -> Token:
    return Token(mint=mint, first_seen_at=UnixSeconds(1_760_000_000.0))


async def epoch_of(buffer: UpdateBuffer) -> str:
    """As an append tells it."""
    return (await buffer.append_observations({})).epoch


async def epoch_of_page(buffer: UpdateBuffer) -> str:
    return (await buffer.read_dirty(Version(0), 1000)).epoch


def observed(
    values: Mapping[str, Value], at: float = 1000.0, mint: Mint = MINT
) -> dict[Mint, Observations]:
    """A batch of one token; batches are joined by `|`."""
    return {mint: Observations(dict(values), UnixSeconds(at))}


def observed_of_each(
    values: Mapping[str, Value], mints: Iterable[Mint]
) -> dict[Mint, Observations]:
    return {mint: Observations(dict(values), UnixSeconds(1000.0)) for mint in mints}


def fields_of(
    batch: Mapping[Mint, Observations],
) -> dict[Mint, dict[str, tuple[Value, float]]]:
    """Every value with its own time, whichever way the observations hold the times."""
    return {
        mint: {name: (value, seen.time_of(name)) for name, value in seen.values.items()}
        for mint, seen in batch.items()
    }


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


class Loss(Enum):
    """Keys that a server can lose alone, by eviction or by hand."""

    DIRTY_LIST = "td:dirty"
    VERSION = "td:version"
    EPOCH = "td:epoch"
    SPOOL_ORDER = "td:spool:order"
    SPOOL_ROWS = "td:spool:rows"


class Rig(Protocol):
    """One adapter under test."""

    clock: ManualClock

    @property
    def buffer(self) -> UpdateBuffer: ...

    def bounded(self, bounds: BufferBounds) -> UpdateBuffer:
        """The buffer of another process, with these bounds; on real servers the same data."""

    def lose_data(self) -> None:
        """The server comes back empty."""

    def lose_tokens(self, mints: Sequence[Mint]) -> None:
        """The hashes of these tokens are gone."""

    def lose(self, loss: Loss) -> None: ...

    def restarted(self) -> UpdateBuffer:
        """The buffer of the next process, which has been told nothing; on the same data."""

    def beside(self) -> UpdateBuffer:
        """The buffer of another actor of the same process."""

    def copy_state(self) -> object:
        """What a replica that lags has from now on."""

    def fall_back(self, state: Any) -> None:
        """The replica is promoted: all is as it was when the state was copied."""

    def fill(self) -> None:
        """The server is at its maxmemory."""

    def demote(self) -> None:
        """The server becomes a replica, and stays up."""

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
    others: list[MemoryBuffer] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.buffer = MemoryBuffer(self.clock)

    def bounded(self, bounds: BufferBounds) -> MemoryBuffer:
        return MemoryBuffer(self.clock, bounds)

    def lose_data(self) -> None:
        self.buffer.lose_data()

    def lose_tokens(self, mints: Sequence[Mint]) -> None:
        self.buffer.data.lose_tokens(mints)

    def lose(self, loss: Loss) -> None:
        data = self.buffer.data
        match loss:
            case Loss.DIRTY_LIST:
                data.lose_dirty_list()
            case Loss.VERSION:
                data.lose_version()
            case Loss.EPOCH:
                data.lose_epoch()
            case Loss.SPOOL_ORDER:
                data.spool.lose_order()
            case Loss.SPOOL_ROWS:
                data.spool.lose_rows()

    def restarted(self) -> MemoryBuffer:
        return self._connected(NewestTold())

    def beside(self) -> MemoryBuffer:
        return self._connected(self.buffer.newest_told)

    def _connected(self, newest_told: NewestTold) -> MemoryBuffer:
        self.others.append(MemoryBuffer(self.clock, newest_told=newest_told))
        self.others[-1].data = self.buffer.data
        return self.others[-1]

    def copy_state(self) -> Data:
        return self.buffer.data.copy()

    def fall_back(self, state: Data) -> None:
        for buffer in (self.buffer, *self.others):
            buffer.data = state

    def fill(self) -> None:
        self.buffer.is_full = True

    def demote(self) -> None:
        self.buffer.is_read_only = True

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
        self.buffer = self.connected(USUAL_BOUNDS, NewestTold())

    def connected(self, bounds: BufferBounds, newest_told: NewestTold) -> RedisBuffer:
        return RedisBuffer(
            self.url, TIMEOUT_SECONDS, self.offload, self.clock, bounds, newest_told=newest_told
        )

    def bounded(self, bounds: BufferBounds) -> RedisBuffer:
        self.others.append(self.connected(bounds, NewestTold()))
        return self.others[-1]

    def lose_data(self) -> None:
        self.server.flushall()

    def lose_tokens(self, mints: Sequence[Mint]) -> None:
        self.server.delete("no such key", *[f"td:token:{mint}" for mint in mints])

    def lose(self, loss: Loss) -> None:
        self.server.delete(loss.value)

    def restarted(self) -> RedisBuffer:
        return self.bounded(USUAL_BOUNDS)

    def beside(self) -> RedisBuffer:
        self.others.append(self.connected(USUAL_BOUNDS, self.buffer.newest_told))
        return self.others[-1]

    def copy_state(self) -> dict[bytes, tuple[Any, int]]:
        keys: Any = self.server.keys()
        return {key: (self.server.dump(key), max(0, self._ttl(key))) for key in keys}

    def fall_back(self, state: dict[bytes, tuple[Any, int]]) -> None:
        self.server.flushall()
        for key, (dumped, milliseconds) in state.items():
            self.server.restore(key, milliseconds, dumped)

    def _ttl(self, key: bytes) -> int:
        milliseconds: Any = self.server.pttl(key)
        return int(milliseconds)

    def fill(self) -> None:
        self.server.config_set("maxmemory", 1)

    def demote(self) -> None:
        self.server.replicaof("127.0.0.1", "1")  # where no master is

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
        self.server.config_set("maxmemory", 0)
        self.server.replicaof("NO", "ONE")
        for buffer in (self.buffer, *self.others):
            trio.run(buffer.close)
        self.server.close()


async def everything_dirty(buffer: UpdateBuffer) -> Sequence[TokenChange]:
    return list((await buffer.read_dirty(Version(0), 1000)).changes)


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
