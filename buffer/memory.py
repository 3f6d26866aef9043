"""The buffer in memory: the twin of `buffer.redis` for tests and simulation.

It does what the scripts do, value by value, so that the contract suite can hold the two
together; `lose_data` and `fail_next` are the faults that a test can order.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import orjson
import trio
from attrs import Factory, define, field, frozen

from buffer import USUAL_BOUNDS, Appended, BufferBounds, DirtyPage
from buffer.codec import (
    decode_changes,
    decode_refused,
    decode_token,
    decode_value,
    encode_batch,
    encode_refused,
    encode_token,
)
from domain.errors import BufferUnavailable
from domain.merging import Observations, supersedes
from domain.messages import Refused, TokenChange
from domain.token import Token
from domain.values import NO_VERSION, Mint, UnixSeconds, Value, Version


@define
class Field:
    """The last known value of one field."""

    version: Version
    observed_at: UnixSeconds
    text: str  # JSON

    def loses(self, name: str, value: Value, observed_at: UnixSeconds) -> bool:
        return supersedes(name, value, observed_at, decode_value(self.text), self.observed_at)


@define
class Fields:
    """What is known of one token; a field with a version above `cleared` is unflushed."""

    newest: Version = NO_VERSION
    cleared: Version = NO_VERSION
    by_name: dict[str, Field] = Factory(dict)

    @property
    def is_dirty(self) -> bool:
        return self.newest > self.cleared

    def unflushed(self) -> dict[str, Field]:
        return {name: one for name, one in self.by_name.items() if one.version > self.cleared}


@frozen(kw_only=True)
class Published:
    """One entry of the stream `td:changes`."""

    mint: Mint
    version: Version
    observed_at: UnixSeconds
    values: Mapping[str, Value]


@define
class Data:
    """Everything that a server would hold, and could lose."""

    published: deque[Published]
    epoch: str = ""  # named by the first append
    newest: Version = NO_VERSION
    tokens: dict[Mint, Fields] = Factory(dict)
    dirty_since: dict[Mint, Version] = Factory(dict)
    expires_at: dict[Mint, float] = Factory(dict)  # of clean tokens, the first to go first
    spooled: dict[Mint, str] = Factory(dict)  # JSON, as in Redis; so is the next
    quarantined: dict[Mint, str] = Factory(dict)


@define
class MemoryBuffer:
    """`buffer.UpdateBuffer` in this process."""

    clock: Callable[[], UnixSeconds]
    bounds: BufferBounds = USUAL_BOUNDS
    risks: Sequence[str] = ()  # as `open` is to tell them
    data: Data = field(init=False)
    # State: what this process knows of the life of the data; see `buffer.redis`.
    _lives: int = field(default=0, init=False)
    _newest: Version = field(default=NO_VERSION, init=False)
    _unsure: set[Mint] = field(factory=set, init=False)
    # Faults that a test has ordered.
    _failures: int = field(default=0, init=False)
    _fails_after_effect: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.lose_data()

    def lose_data(self) -> None:
        """Be as a server that comes back empty."""
        self._lives += 1
        published: deque[Published] = deque(maxlen=self.bounds.stream_entries)
        self.data = Data(published)

    def fail_next(self, calls: int, *, after_effect: bool = False) -> None:
        """Let the next calls raise `BufferUnavailable`; `after_effect`: having happened."""
        self._failures = calls
        self._fails_after_effect = after_effect

    @contextmanager
    def _answering(self) -> Iterator[None]:
        fails, self._failures = self._failures > 0, max(self._failures - 1, 0)
        if fails and not self._fails_after_effect:
            raise BufferUnavailable("a test ordered this call to fail")
        yield
        if fails:
            raise BufferUnavailable("a test ordered this answer to be lost")

    async def open(self) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        with self._answering():
            return self.risks

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()

    async def append_observations(
        self, batch: Mapping[Mint, Observations], *, forced: bool = False
    ) -> Appended:
        await trio.lowlevel.checkpoint()
        texts, refused = encode_batch(batch)
        try:
            with self._answering():
                changed = self._append(batch, texts, forced=forced)
        except BufferUnavailable:
            self._unsure |= texts.keys()
            raise
        self._newest = max(self._newest, self.data.newest)
        self._unsure -= texts.keys()
        epoch, newest = self.data.epoch, self.data.newest
        return Appended(epoch=epoch, newest=newest, changed=changed, refused=refused)

    def _append(
        self,
        batch: Mapping[Mint, Observations],
        texts: Mapping[Mint, list[str]],
        *,
        forced: bool = False,
    ) -> dict[Mint, Observations]:
        self._expire()
        self.data.epoch = f"memory-{self._lives}"
        waiting = len(self.data.dirty_since)
        if waiting + len(texts) > self.bounds.dirty_tokens:
            raise BufferUnavailable(f"FULL {waiting} tokens wait to be flushed")
        self.data.newest = max(self.data.newest, self._newest)
        changed = {}
        for mint, each in texts.items():
            names = self._merge(mint, batch[mint], each, is_unsure=forced or mint in self._unsure)
            if len(names) == len(each):
                changed[mint] = batch[mint]
            elif names:
                changed[mint] = batch[mint].reduced_to(names)
        return changed

    def _merge(
        self, mint: Mint, seen: Observations, texts: Sequence[str], *, is_unsure: bool
    ) -> list[str]:
        """Merge what the batch says of one token; the names of what changed."""
        fields = self.data.tokens.get(mint, Fields())
        version = Version(max(self.data.newest + 1, int(self.clock() * 1e6)))
        changed: dict[str, Field] = {}
        was_sighted = False
        for (name, value), text in zip(seen.values.items(), texts, strict=True):
            observed_at, known = seen.time_of(name), fields.by_name.get(name)
            if known is not None and known.text == text:
                was_sighted = was_sighted or observed_at > known.observed_at
                known.observed_at = max(known.observed_at, observed_at)
                if is_unsure:
                    changed[name] = Field(version, known.observed_at, text)
            elif known is None or known.loses(name, value, observed_at):
                changed[name] = Field(version, observed_at, text)
        if changed:
            self._become_dirty(mint, fields, version, is_unsure=is_unsure)
            fields.by_name.update(changed)
            self._publish(mint, version, changed)
        elif was_sighted and not fields.is_dirty:
            self._remember_for_a_while(mint)
        return list(changed)

    def _become_dirty(
        self, mint: Mint, fields: Fields, version: Version, *, is_unsure: bool
    ) -> None:
        self.data.tokens[mint] = fields
        if not fields.is_dirty or is_unsure:
            self.data.dirty_since.setdefault(mint, version)
            self.data.expires_at.pop(mint, None)
        fields.newest = self.data.newest = version

    def _publish(self, mint: Mint, version: Version, changed: Mapping[str, Field]) -> None:
        self.data.published.append(
            Published(
                mint=mint,
                version=version,
                observed_at=max(one.observed_at for one in changed.values()),
                values={name: decode_value(one.text) for name, one in changed.items()},
            )
        )

    def _remember_for_a_while(self, mint: Mint) -> None:
        self.data.expires_at.pop(mint, None)  # to go last
        self.data.expires_at[mint] = self.clock() + self.bounds.clean_seconds

    def _expire(self) -> None:
        now = self.clock()
        while self.data.expires_at:
            mint, expires_at = next(iter(self.data.expires_at.items()))
            if now < expires_at:
                return
            del self.data.expires_at[mint], self.data.tokens[mint]

    async def read_dirty(self, after: Version, limit: int) -> DirtyPage:
        await trio.lowlevel.checkpoint()
        with self._answering():
            since = sorted((since, mint) for mint, since in self.data.dirty_since.items())
            page = [(mint, version) for version, mint in since if version > after][:limit]
            changes = decode_changes([self._change(mint, version) for mint, version in page])
            return DirtyPage(self._known_epoch(), self.data.newest, changes)

    def _change(self, mint: Mint, dirty_since: Version) -> TokenChange:
        fields = self.data.tokens[mint]
        unflushed = fields.unflushed()
        return TokenChange(
            mint=mint,
            version=fields.newest,
            dirty_since=dirty_since,
            observed_at=max(one.observed_at for one in unflushed.values()),
            values={name: decode_value(one.text) for name, one in unflushed.items()},
        )

    async def clear_flushed(self, flushed: Sequence[TokenChange]) -> int:
        await trio.lowlevel.checkpoint()
        with self._answering():
            return sum(self._clear(change.mint, change.version) for change in flushed)

    def _known_epoch(self) -> str:
        return self.data.epoch if self.data.newest >= self._newest else ""

    def _clear(self, mint: Mint, version: Version) -> bool:
        fields = self.data.tokens.get(mint)
        if fields is None or not fields.is_dirty or version <= fields.cleared:
            return False
        fields.cleared = min(version, fields.newest)
        if fields.is_dirty:
            oldest = min(one.version for one in fields.unflushed().values())
            self.data.dirty_since[mint] = oldest
            return False
        del self.data.dirty_since[mint]
        self._remember_for_a_while(mint)
        return True

    async def spool_tokens(self, tokens: Sequence[Token]) -> None:
        await trio.lowlevel.checkpoint()
        rows = {token.mint: encode_token(token) for token in reversed(tokens)}
        with self._answering():
            waiting = len(self.data.spooled)
            new = [token.mint for token in tokens if token.mint not in self.data.spooled]
            if waiting + len(set(new)) > self.bounds.spooled_tokens:
                raise BufferUnavailable(f"FULL {waiting} new tokens wait to be stored")
            for mint in new:
                self.data.spooled[mint] = rows[mint]

    async def read_spooled(self, limit: int) -> Sequence[Token]:
        await trio.lowlevel.checkpoint()
        with self._answering():
            rows = list(self.data.spooled.values())[:limit]
            return [decode_token(orjson.loads(row)) for row in rows]

    async def remove_spooled(self, mints: Sequence[Mint]) -> None:
        await trio.lowlevel.checkpoint()
        with self._answering():
            for mint in mints:
                self.data.spooled.pop(mint, None)

    async def quarantine_rows(self, rows: Sequence[Refused]) -> None:
        await trio.lowlevel.checkpoint()
        with self._answering():
            for row in rows:
                self.data.quarantined.pop(row.mint, None)  # to stand last
                self.data.quarantined[row.mint] = encode_refused(row)
            while len(self.data.quarantined) > self.bounds.quarantined_mints:
                del self.data.quarantined[next(iter(self.data.quarantined))]

    async def read_quarantined(self) -> Sequence[Refused]:
        await trio.lowlevel.checkpoint()
        with self._answering():
            rows = self.data.quarantined.values()
            return [decode_refused(orjson.loads(row)) for row in rows]

    async def release_quarantined(self, mints: Sequence[Mint]) -> None:
        await trio.lowlevel.checkpoint()
        with self._answering():
            for mint in mints:
                self.data.quarantined.pop(mint, None)
