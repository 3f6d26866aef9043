"""The four boards that clients follow: a snapshot, then deltas that fold into the next snapshot.

    catalogue --publish_changes, every delta interval--> DeltaRound: deltas of changed boards

The order of a board is a rule over its items, so that a change moves nothing but itself: clients
sort what they hold, equal values by `mint` ascending, null last.

    new         firstSeenAt, newest first
    graduating  bondingCurveProgress, greatest first
    bonded      stateChangedAt, newest first
    hot         hotScore, greatest first; tokens of every live status that have a score

A change is a mint with the fields that differ, a whole item where the token is new to the board,
or `{"mint", "removed": true}`. To fold, merge each change into the item of its mint and sort.
A token whose values were only told again, by the same sources, is not published for that: its
new times go with its next change.

Rounds are numbered through all boards, so that one cursor (epoch, offset) serves them all
and the HTTP feed; the offsets that a board's deltas have grow, and not by one. Each board keeps
deltas of its own: a quiet one can be resumed from however much the others publish meanwhile. An
epoch is one life of the boards: another epoch means that a cursor is worth nothing.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import takewhile

import orjson
from attrs import Factory, define, field, frozen

from domain.token import Status, Token
from domain.values import Mint
from feed.catalogue import Catalogue
from feed.ranking import Ranking
from feed.wire import ItemCache, encode_json, find_changes, tell_of_times_alone

BOARD_NAMES = ("new", "graduating", "bonded", "hot")
SMALL_RESUME_BYTES = 16 * 1024  # deltas up to this size are sent whatever the snapshot's size
HISTORY_BYTES = 8 * 1024 * 1024  # most bytes of deltas kept a board; `limit` bounds their number


@frozen(kw_only=True)
class DeltaRound:
    """What changed: by board, a delta message as JSON."""

    offset: int
    deltas: Mapping[str, bytes]


@frozen(kw_only=True)
class Cursor:
    """How far a client has followed."""

    epoch: str
    offset: int


@define(eq=False)
class History:
    """The newest deltas of a board, for clients that resume."""

    limit: int
    complete_since: int = field(init=False, default=0)  # every delta after this offset is kept
    _deltas: deque[tuple[int, bytes]] = field(init=False, factory=deque)  # by offset
    _bytes: int = field(init=False, default=0)

    def remember_delta(self, offset: int, delta: bytes) -> None:
        """Keep one more delta, and forget the oldest past the bounds."""
        self._deltas.append((offset, delta))
        self._bytes += len(delta)
        while len(self._deltas) > self.limit or self._bytes > HISTORY_BYTES:
            self.complete_since, forgotten = self._deltas.popleft()
            self._bytes -= len(forgotten)

    @property
    def newest_offset(self) -> int:
        """Of the last delta; 0 before the first."""
        return self._deltas[-1][0] if self._deltas else self.complete_since

    def deltas_after(self, offset: int) -> list[bytes]:
        """The deltas after `offset`, oldest first."""
        missed = takewhile(lambda kept: kept[0] > offset, reversed(self._deltas))
        return [delta for _, delta in missed][::-1]


@define(eq=False)
class Board:
    """The first `size` tokens of a ranking, as last published."""

    ranking: Ranking
    size: int
    history: History
    published: dict[Mint, Token] = field(init=False, factory=dict)  # in order
    # Tokens that differ from the published ones in times alone: compared once.
    _held_back: dict[Mint, Token] = field(init=False, factory=dict)

    def publish_changes(self, tokens: Mapping[Mint, Token], items: ItemCache) -> list[bytes]:
        """Take the ranking's first tokens as published; the changes, at most two for each place."""
        before, held_back = self.published, self._held_back
        self.published = {mint: tokens[mint] for mint in self.ranking.top_mints(self.size)}
        self._held_back = {}
        gone = [mint for mint in before if mint not in self.published]
        changes = [encode_json({"mint": mint, "removed": True}) for mint in gone]
        for mint, token in self.published.items():
            shown = before.get(mint)
            if shown is None:
                changes.append(items.get_json(token))
            elif token is held_back.get(mint):
                self._hold_back(token, shown)
            elif token is not shown:
                item = items.get_item(shown)
                changed = find_changes(item, items.get_item(token))
                if tell_of_times_alone(changed, item):
                    self._hold_back(token, shown)
                elif changed:
                    changes.append(encode_json({"mint": mint, **changed}))
        return changes

    def _hold_back(self, token: Token, shown: Token) -> None:
        """Leave `shown` as published, so that snapshots are what clients have folded."""
        self.published[token.mint] = shown
        self._held_back[token.mint] = token


@define(eq=False, kw_only=True)
class Boards:
    """All boards under their common offset."""

    catalogue: Catalogue
    board_tokens: int
    history_limit: int  # deltas a board
    epoch: str
    offset: int = field(init=False, default=0)
    items: ItemCache = field(init=False)
    _boards: dict[str, Board] = field(init=False)
    _collected_version: int = field(init=False, default=0)
    _snapshots: dict[str, bytes] = field(init=False, default=Factory(dict))

    def __attrs_post_init__(self) -> None:
        # Changes are found by comparing four boards' items, old and new; the rest serves queries.
        self.items = ItemCache(8 * self.board_tokens + 4096)
        shelves = self.catalogue.shelves
        rankings = {
            "new": shelves[Status.NEW]["new"],
            "graduating": shelves[Status.GRADUATING]["graduating"],
            "bonded": shelves[Status.BONDED]["bonded"],
            "hot": self.catalogue.hot,
        }
        self._boards = {
            name: Board(rankings[name], self.board_tokens, History(self.history_limit))
            for name in BOARD_NAMES
        }

    @property
    def cursor(self) -> Cursor:
        """The cursor of a client that has received everything published so far."""
        return Cursor(epoch=self.epoch, offset=self.offset)

    @property
    def is_up_to_date(self) -> bool:
        """True while the catalogue has not changed since the last `publish_changes`."""
        return self._collected_version == self.catalogue.version

    def find_last_change(self, name: str) -> int:
        """The offset since which a board is as it is now."""
        return self._boards[name].history.newest_offset

    def count_tokens(self) -> dict[str, int]:
        """How many tokens each board shows."""
        return {name: len(board.published) for name, board in self._boards.items()}

    def publish_changes(self) -> DeltaRound | None:
        """Publish what changed since the last call; None when no board did."""
        if self.is_up_to_date:
            return None
        self._collected_version = self.catalogue.version
        tokens = self.catalogue.tokens
        changes = {name: b.publish_changes(tokens, self.items) for name, b in self._boards.items()}
        if not any(changes.values()):
            return None
        self.offset += 1
        self._snapshots.clear()
        deltas = {
            n: self._encode_message("delta", n, parts) for n, parts in changes.items() if parts
        }
        for name, delta in deltas.items():
            self._boards[name].history.remember_delta(self.offset, delta)
        return DeltaRound(offset=self.offset, deltas=deltas)

    def snapshot_message(self, name: str) -> bytes:
        """The whole board as last published, as a JSON message."""
        if name not in self._snapshots:
            tokens = self._boards[name].published.values()
            items = [self.items.get_json(token) for token in tokens]
            self._snapshots[name] = self._encode_message("snapshot", name, items)
        return self._snapshots[name]

    def resume_messages(self, name: str, cursor: Cursor) -> Sequence[bytes] | None:
        """`resumed` and the deltas after `cursor`, oldest first.

        None where a snapshot is needed: another epoch, an offset that is not yet or no longer
        known, or deltas that together are larger than the snapshot.
        """
        history = self._boards[name].history
        is_known = history.complete_since <= cursor.offset <= self.offset
        if cursor.epoch != self.epoch or not is_known:
            return None
        deltas = history.deltas_after(cursor.offset)
        if sum(map(len, deltas)) > max(len(self.snapshot_message(name)), SMALL_RESUME_BYTES):
            return None
        return [_encode_resumed(name, cursor), *deltas]

    def _encode_message(self, kind: str, name: str, parts: Sequence[bytes]) -> bytes:
        head = {"type": kind, "board": name, "epoch": self.epoch, "offset": self.offset}
        list_name = b"items" if kind == "snapshot" else b"changes"
        return b'%b,"%b":[%b]}' % (orjson.dumps(head)[:-1], list_name, b",".join(parts))


def _encode_resumed(name: str, cursor: Cursor) -> bytes:
    return orjson.dumps(
        {"type": "resumed", "board": name, "epoch": cursor.epoch, "offset": cursor.offset}
    )
