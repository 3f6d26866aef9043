"""What the twin of Redis holds, and what each script does to it, in this process.

    buffer.memory  ->  Data  (as buffer.redis  ->  the Lua scripts)

Values are kept as JSON texts, as in Redis. The losses are those of keys: each method that begins
with `lose` is what a deletion, an eviction or an empty disk does to a server.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import count

from attrs import Factory, define, field, frozen

from buffer import BufferBounds, DirtyPage
from buffer.codec import decode_others, decode_value, is_plain, join_members
from buffer.memory_spool import SpoolShelf
from domain.changes import ChangeColumns
from domain.errors import BufferUnavailable
from domain.merging import Observations, supersedes
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


@frozen
class Encoded:
    """Observations of one token as the scripts take them."""

    observed: Observations
    texts: Sequence[str]
    times: Sequence[UnixSeconds]
    is_forced: bool


@define
class Data:
    """Everything that a server holds, and can lose."""

    bounds: BufferBounds
    published: deque[Published] = field(init=False)
    epoch: str = ""  # empty: none stands
    newest: Version | None = None
    tokens: dict[Mint, Fields] = Factory(dict)
    dirty_since: dict[Mint, Version] = Factory(dict)
    expires_at: dict[Mint, float] = Factory(dict)  # of clean tokens, the first to go first
    has_dirty_landmark: bool = False  # see append.lua: the list was not lost since the epoch began
    spool: SpoolShelf = Factory(SpoolShelf)
    quarantined: dict[str, str] = Factory(dict)
    births: dict[Mint, str] = Factory(dict)
    store_epoch: str | None = None  # noted; of Postgres' data
    epoch_numbers: Iterator[int] = Factory(lambda: count(1))

    @published.default
    def _new_stream(self) -> deque[Published]:
        return deque(maxlen=self.bounds.stream_entries)

    def copy(self) -> "Data":
        """What a replica, or a disk, has of it now: to be fallen back to."""
        shared = {id(self.epoch_numbers): self.epoch_numbers}  # no two epochs are of one name
        return deepcopy(self, shared)

    # Losses.

    def lose_tokens(self, mints: Iterable[Mint]) -> None:
        for mint in mints:
            self.tokens.pop(mint, None)
            self.expires_at.pop(mint, None)

    def lose_dirty_list(self) -> None:
        self.dirty_since.clear()
        self.has_dirty_landmark = False

    def lose_version(self) -> None:
        self.newest = None

    def lose_epoch(self) -> None:
        self.epoch = ""

    # append.lua

    def append(
        self,
        encoded: Mapping[Mint, Encoded],
        *,
        is_put_back: bool,
        newest_told: Version,
        now: UnixSeconds,
    ) -> dict[Mint, Observations]:
        """Merge the observations; those that changed."""
        self._expire(now)
        waiting = len(self.dirty_since)
        if waiting + len(encoded) > self.bounds.dirty_tokens:
            raise BufferUnavailable(f"FULL {waiting} tokens wait to be flushed")
        is_whole = self._is_whole(newest_told)
        self.newest = max(self.newest or NO_VERSION, newest_told)
        if not is_whole:
            self._begin_epoch()
            self.newest = max([self.newest, *self.dirty_since.values()])
        lost = [mint for mint in encoded if self._has_lost_hash(mint)]
        changed: dict[Mint, Observations] = {}
        for mint, one in encoded.items():
            last = self.tokens[mint].newest if mint in self.tokens else NO_VERSION
            least = max(self.newest + 1, int(now * 1e6), last + 1)
            if is_put_back:
                self._restore_dirty_entry(mint)
            names = self._merge(mint, one, Version(least), now)
            if names:
                is_all = len(names) == len(one.texts)
                changed[mint] = one.observed if is_all else one.observed.reduced_to(names)
        if lost and not is_put_back:
            self._begin_epoch()
        return changed

    def _is_whole(self, newest_told: Version) -> bool:
        is_known = self.newest is not None and self.newest >= newest_told
        return bool(self.epoch) and self.has_dirty_landmark and is_known

    def _begin_epoch(self) -> None:
        self.epoch = f"memory-{next(self.epoch_numbers)}"
        self.has_dirty_landmark = self.spool.has_landmark = True

    def _has_lost_hash(self, mint: Mint) -> bool:
        return mint in self.dirty_since and mint not in self.tokens

    def _merge(self, mint: Mint, one: Encoded, version: Version, now: UnixSeconds) -> list[str]:
        """Merge what the batch says of one token; the names of what changed."""
        fields = self.tokens.get(mint, Fields())
        changed: dict[str, Field] = {}
        was_sighted = False
        observations = zip(one.observed.values.items(), one.times, one.texts, strict=True)
        for (name, value), observed_at, text in observations:
            known = fields.by_name.get(name)
            if known is not None and known.text == text:
                was_sighted = was_sighted or observed_at > known.observed_at
                known.observed_at = max(known.observed_at, observed_at)
                if one.is_forced:
                    changed[name] = Field(version, known.observed_at, text)
            elif known is None or known.loses(name, value, observed_at):
                changed[name] = Field(version, observed_at, text)
        if changed:
            self._become_dirty(mint, fields, version)
            fields.by_name.update(changed)
            self._publish(mint, version, changed)
        elif was_sighted and not fields.is_dirty:
            self._remember_for_a_while(mint, now)
        return list(changed)

    def _become_dirty(self, mint: Mint, fields: Fields, version: Version) -> None:
        self.tokens[mint] = fields
        if fields.is_dirty:
            self._restore_dirty_entry(mint)
        else:
            self.dirty_since[mint] = version
            self.expires_at.pop(mint, None)
        fields.newest = self.newest = version

    def _publish(self, mint: Mint, version: Version, changed: Mapping[str, Field]) -> None:
        self.published.append(
            Published(
                mint=mint,
                version=version,
                observed_at=max(one.observed_at for one in changed.values()),
                values={name: decode_value(one.text) for name, one in changed.items()},
            )
        )

    # spool.lua

    def spool_rows(
        self, rows: Sequence[tuple[Mint, str]], most: int, *, newest_told: Version, now: UnixSeconds
    ) -> Version:
        """Keep the rows; the newest version, which moves so that their loss shows."""
        self.spool.add(rows, most)
        if self.newest is None or self.newest < newest_told:
            self.lose_epoch()  # the new version would hide what was lost
        newest = self.newest or NO_VERSION
        self.newest = Version(max(newest + 1, int(now * 1e6), newest_told + 1))
        return self.newest

    def _remember_for_a_while(self, mint: Mint, now: UnixSeconds) -> None:
        self.expires_at.pop(mint, None)  # to go last
        self.expires_at[mint] = now + self.bounds.clean_seconds

    def _expire(self, now: UnixSeconds) -> None:
        while self.expires_at:
            mint, expires_at = next(iter(self.expires_at.items()))
            if now < expires_at:
                return
            del self.expires_at[mint], self.tokens[mint]

    # read_dirty.lua

    def read_dirty(self, after: Version, limit: int, newest_told: Version) -> DirtyPage:
        rows: list[tuple[Mint, Version]] = []
        is_whole = (
            self.spool.mend(has_epoch=bool(self.epoch))
            and self.has_dirty_landmark
            and self.newest is not None
        )
        for since, mint in sorted((since, mint) for mint, since in self.dirty_since.items()):
            if len(rows) == limit:
                break
            if since > after and mint in self.tokens:
                rows.append((mint, since))
            elif since > after:
                del self.dirty_since[mint]
                is_whole = False
        if not is_whole:
            self.epoch = ""
        newest = self.newest or NO_VERSION
        epoch = self.epoch if newest >= newest_told else ""
        return DirtyPage(epoch, newest, self._list_changes(rows))

    def _list_changes(self, rows: Sequence[tuple[Mint, Version]]) -> ChangeColumns:
        unflushed = [self.tokens[mint].unflushed() for mint, _ in rows]
        changes = ChangeColumns(
            mints=[mint for mint, _ in rows],
            versions=[self.tokens[mint].newest for mint, _ in rows],
            dirty_since=[since for _, since in rows],
            observed_at=[max(one.observed_at for one in fields.values()) for fields in unflushed],
            values=[join_members({n: one.text for n, one in f.items()}) for f in unflushed],
        )
        others = [
            place
            for place, fields in enumerate(unflushed)
            if not all(is_plain(name, one.text) for name, one in fields.items())
        ]
        return decode_others(changes, others)

    # mend_dirty.lua

    def mend_dirty_list(self) -> None:
        """Put tokens with unflushed fields back into a list that was lost."""
        if not self.has_dirty_landmark:
            for mint in self.tokens:
                self._restore_dirty_entry(mint)

    def _restore_dirty_entry(self, mint: Mint) -> None:
        fields = self.tokens.get(mint)
        if fields is not None and fields.is_dirty:
            self.dirty_since.setdefault(mint, fields.newest)

    # recall.lua

    def recall_stored(self, epoch: str) -> bool:
        """Make remembered tokens dirty again, if the epoch is not the noted one; whether it is."""
        if epoch == self.store_epoch:
            return False
        for mint, fields in self.tokens.items():
            fields.cleared = NO_VERSION
            self.dirty_since.setdefault(mint, fields.newest)
        self.expires_at.clear()
        return True

    # clear.lua

    def clear(self, mint: Mint, version: Version, now: UnixSeconds) -> bool:
        """Forget what was flushed up to the version; whether the token is clean thereby."""
        fields = self.tokens.get(mint)
        if fields is None or not fields.is_dirty or version <= fields.cleared:
            return False
        fields.cleared = min(version, fields.newest)
        if fields.is_dirty:
            self.dirty_since[mint] = min(one.version for one in fields.unflushed().values())
            return False
        self.dirty_since.pop(mint, None)
        self._remember_for_a_while(mint, now)
        return True
