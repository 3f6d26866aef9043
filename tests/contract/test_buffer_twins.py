"""Whatever is done to both buffers, the twin in memory answers exactly as the real one does."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import redis
from attrs import define, field, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buffer.memory_data import Published
from commands.embedded import EmbeddedRedis
from domain.errors import BufferUnavailable
from domain.merging import Observations
from domain.quarantine import QuarantineEntry
from domain.token import Status, Token
from domain.values import Mint, UnixSeconds, Value, Version
from tests.contract.buffer_rigs import Loss, MemoryRig, RedisRig, Rig, cleared, fields_of

# Few of each, so that updates meet: the same token, the same field, the same value or time.
MINTS = st.sampled_from([Mint("A" * 44), Mint("B" * 44)])
MINT_LISTS = st.lists(MINTS, max_size=2)
TIMES = st.sampled_from([UnixSeconds(at) for at in (1000.0, 1001.0, 1_760_000_000.1234567)])
ODD_VALUES: list[Value] = [0, -0.0, False, "", "1", 1e-12, 2**60, 2**60 + 1, 1.7976e308]
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "price_usd": st.sampled_from([1.0, 1, True, 2.5]),
        "status": st.sampled_from([*Status, 1.0, 1.5]),
        "description": st.sampled_from(ODD_VALUES) | st.text(max_size=5),
        "hot_score": st.floats(allow_nan=False, allow_infinity=False),
    },
)
BATCHES = st.dictionaries(
    MINTS,
    st.builds(Observations, VALUES, TIMES, st.dictionaries(st.sampled_from(["price_usd"]), TIMES)),
    max_size=2,
)
TOKENS = st.lists(
    st.builds(Token, mint=MINTS, first_seen_at=TIMES, name=st.text(max_size=3)), max_size=3
)
ENTRIES = st.lists(
    st.builds(
        QuarantineEntry,
        id=MINTS,
        kind=st.just("update"),
        place=st.just("sync"),
        mint=MINTS,
        reason=st.text(max_size=3),
        refused_at=TIMES,
        content=st.dictionaries(st.text(max_size=3), st.integers(0, 9)),
    ),
    max_size=3,
)


@define
class Witness:
    """One buffer, and what has been seen of it; the versions to clear by are taken from there."""

    rig: Rig
    versions: list[Version] = field(factory=lambda: [Version(0)])
    epochs: list[str] = field(factory=list)

    async def append(self, batch: Mapping[Mint, Observations], *, forced: bool = False) -> object:
        # Of its own, for a buffer may answer with the very objects that it was given.
        appended = await self.rig.buffer.append_observations(copied(batch), forced=forced)
        if appended.epoch not in self.epochs:
            self.epochs.append(appended.epoch)
        return self.epochs.index(appended.epoch), fields_of(appended.changed)

    async def append_forced(self, batch: Mapping[Mint, Observations]) -> object:
        return await self.append(batch, forced=True)

    async def append_differing(self, batch: Mapping[Mint, Observations]) -> object:
        appended = await self.rig.buffer.append_observations(copied(batch), differing=batch.keys())
        return fields_of(appended.changed)

    async def append_in_vain(self, batch: Mapping[Mint, Observations]) -> object:
        self.rig.lose_answers(1)
        try:
            return await self.append(batch)
        except BufferUnavailable:
            return "unavailable"

    async def dirty(self, place: int, limit: int) -> object:
        page = await self.rig.buffer.read_dirty(self.version(place), limit)
        if page.epoch and page.epoch not in self.epochs:
            self.epochs.append(page.epoch)
        self.versions += [
            version for one in page.changes for version in (one.dirty_since, one.version)
        ]
        epoch = self.epochs.index(page.epoch) if page.epoch else None
        return epoch, page.newest, list(page.changes), page.changes.list_decoded()

    async def clear(self, places: Mapping[Mint, int]) -> object:
        versions = {m: self.version(place) for m, place in places.items()}
        return await cleared(self.rig.buffer, versions)

    def version(self, place: int) -> Version:
        """A version that has been seen, the latest ones at low places; -1: none yet."""
        return self.versions[-1 - place % len(self.versions)]

    async def lose_data(self) -> None:
        self.rig.lose_data()

    async def lose_tokens(self, mints: Sequence[Mint]) -> None:
        self.rig.lose_tokens(mints)

    async def lose(self, loss: Loss) -> None:
        self.rig.lose(loss)

    async def step(self, seconds: float) -> None:
        self.rig.clock.advance(seconds)

    async def everything_dirty(self) -> object:
        return await self.dirty(-1, 100)

    async def everything_else(self) -> object:
        buffer = self.rig.buffer
        return (
            await buffer.read_spooled(100),
            await buffer.read_quarantined(),
            self.rig.published(),
        )


def copied(batch: Mapping[Mint, Observations]) -> dict[Mint, Observations]:
    return {mint: seen.reduced_to(seen.values) for mint, seen in batch.items()}


@frozen
class Operation:
    """A method of the witness, or of its buffer."""

    name: str
    arguments: tuple[Any, ...]

    async def __call__(self, witness: Witness) -> object:
        method: Any = getattr(witness, self.name, None) or getattr(witness.rig.buffer, self.name)
        return await method(*self.arguments)


def operation(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Operation]:
    return st.tuples(*arguments).map(lambda chosen: Operation(name, chosen))


def some(*kinds: st.SearchStrategy[Operation]) -> st.SearchStrategy[list[Operation]]:
    return st.lists(st.one_of(*kinds), min_size=5, max_size=25)


UPDATING = some(
    operation("append", BATCHES),
    operation("append", BATCHES),
    operation("append_forced", BATCHES),
    operation("append_differing", BATCHES),
    operation("append_in_vain", BATCHES),
    operation("dirty", st.integers(0, 9), st.integers(1, 3)),
    operation("clear", st.dictionaries(MINTS, st.integers(0, 9), min_size=1)),
    operation("clear", st.dictionaries(MINTS, st.integers(0, 9), min_size=1)),
    operation("lose_data"),
    operation("lose_tokens", MINT_LISTS),
    operation("lose", st.sampled_from([Loss.DIRTY_LIST, Loss.VERSION, Loss.EPOCH])),
    operation("step", st.sampled_from([0.000001, 1.0, 600.0, -600.0])),
)
SHELVING = some(
    operation("spool_tokens", TOKENS),
    operation("read_spooled", st.integers(1, 3)),
    operation("remove_spooled", MINT_LISTS),
    operation("quarantine_entries", ENTRIES),
    operation("release_quarantined", MINT_LISTS),
    operation("append", BATCHES),
    operation("lose_data"),
    operation("lose", st.sampled_from([Loss.SPOOL_ORDER, Loss.SPOOL_ROWS])),
)
bounded = settings(
    max_examples=150,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def shown(answer: object) -> object:
    """The answer with types told apart (True is no 1) and without the order of mappings."""
    if isinstance(answer, Published | Token | QuarantineEntry):
        return type(answer).__name__, shown(attrs.asdict(answer, recurse=False))
    if isinstance(answer, Mapping):
        return sorted((name, shown(value)) for name, value in answer.items())
    if isinstance(answer, list | tuple):
        return [shown(one) for one in answer]
    return repr(answer)


async def assert_alike(server: EmbeddedRedis, operations: Sequence[Operation]) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    real_rig = RedisRig(server.url)
    real, twin = Witness(real_rig), Witness(MemoryRig())
    try:
        for operate in operations:
            for one in (operate, Operation("everything_dirty", ())):
                assert shown(await one(real)) == shown(await one(twin)), one
        assert shown(await real.everything_else()) == shown(await twin.everything_else())
    finally:
        await real_rig.buffer.close()
        real_rig.server.close()


@given(operations=UPDATING)
@bounded
async def test_the_twins_merge_and_flush_alike(
    redis_server: EmbeddedRedis, operations: Sequence[Operation]
) -> None:
    await assert_alike(redis_server, operations)


@given(operations=SHELVING)
@bounded
async def test_the_twins_spool_and_quarantine_alike(
    redis_server: EmbeddedRedis, operations: Sequence[Operation]
) -> None:
    await assert_alike(redis_server, operations)
