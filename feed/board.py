"""The four boards that clients follow: a snapshot, then deltas that fold into the next snapshot.

    catalogue --collect, every delta interval--> Publication: one delta a board, one offset for all

The order of a board is a rule over its items, so that a change moves nothing but itself: clients
sort what they hold, equal values by `mint` ascending, null last.

    new         firstSeenAt, newest first
    graduating  bondingCurveProgress, greatest first
    bonded      stateChangedAt, newest first
    hot         hotScore, greatest first; tokens of every live status that have a score

A change is a mint with the fields that differ, a whole item where the token is new to the board,
or `{"mint", "removed": true}`. To fold, merge each change into the item of its mint and sort.

Every publication carries one delta for every board (an unchanged board's is empty), under an
offset that grows by one. So one cursor (epoch, offset) serves all boards and the HTTP feed, and
a client sees a gap if there ever is one. Nothing is published while no board changes. An epoch
is one life of the boards: another epoch means that a cursor is worth nothing.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice

import orjson
from attrs import Factory, define, field, frozen

from domain.token import Status, Token
from domain.values import Mint
from feed.catalogue import Catalogue
from feed.ranking import Ranking
from feed.wire import ItemCache, changed_keys, encoded

BOARD_NAMES = ("new", "graduating", "bonded", "hot")
SMALL_RESUME_BYTES = 16 * 1024  # deltas up to this size are sent whatever the snapshot's size
HISTORY_BYTES = 32 * 1024 * 1024  # of deltas kept for clients that resume, beside their number


@frozen(kw_only=True)
class Publication:
    """One delta message a board, as JSON."""

    offset: int
    deltas: Mapping[str, bytes]
    size_bytes: int


@frozen(kw_only=True)
class Cursor:
    """How far a client has followed."""

    epoch: str
    offset: int


@define(eq=False)
class Board:
    """The first `size` tokens of a ranking, as last published."""

    ranking: Ranking
    size: int
    published: dict[Mint, Token] = field(init=False, factory=dict)  # in order

    def advance(self, tokens: Mapping[Mint, Token], items: ItemCache) -> list[bytes]:
        """Publish the board as it now is; the changes, at most two for each place."""
        before = self.published
        self.published = {mint: tokens[mint] for mint in self.ranking.top(self.size)}
        gone = [mint for mint in before if mint not in self.published]
        changes = [encoded({"mint": mint, "removed": True}) for mint in gone]
        for mint, token in self.published.items():
            if mint not in before:
                changes.append(items.encoded_item(token))
            elif before[mint] is not token:
                changed = changed_keys(items.item(before[mint]), items.item(token))
                if changed:
                    changes.append(encoded({"mint": mint, **changed}))
        return changes


@define(eq=False, kw_only=True)
class Boards:
    """All boards, their common offset, and the publications a client can resume from."""

    catalogue: Catalogue
    board_tokens: int
    history_limit: int  # publications
    epoch: str
    offset: int = field(init=False, default=0)
    items: ItemCache = field(init=False)
    _boards: dict[str, Board] = field(init=False)
    _history: deque[Publication] = field(init=False, factory=deque)
    _history_bytes: int = field(init=False, default=0)
    _collected_version: int = field(init=False, default=0)
    _snapshots: dict[str, bytes] = field(init=False, default=Factory(dict))

    def __attrs_post_init__(self) -> None:
        # Two generations of four boards at most are compared; the rest serves queries.
        self.items = ItemCache(8 * self.board_tokens + 4096)
        shelves = self.catalogue.shelves
        rankings = {
            "new": shelves[Status.NEW]["new"],
            "graduating": shelves[Status.GRADUATING]["graduating"],
            "bonded": shelves[Status.BONDED]["bonded"],
            "hot": self.catalogue.hot,
        }
        self._boards = {name: Board(rankings[name], self.board_tokens) for name in BOARD_NAMES}

    @property
    def cursor(self) -> Cursor:
        """Where somebody stands who has seen everything published."""
        return Cursor(epoch=self.epoch, offset=self.offset)

    @property
    def is_up_to_date(self) -> bool:
        """True while the catalogue is as it was at the last `collect`."""
        return self._collected_version == self.catalogue.version

    def sizes(self) -> dict[str, int]:
        """How many tokens each board shows."""
        return {name: len(board.published) for name, board in self._boards.items()}

    def collect(self) -> Publication | None:
        """Publish what changed since the last call; None when no board did."""
        if self.is_up_to_date:
            return None
        self._collected_version = self.catalogue.version
        tokens = self.catalogue.tokens
        changes = {name: b.advance(tokens, self.items) for name, b in self._boards.items()}
        if not any(changes.values()):
            return None
        self.offset += 1
        self._snapshots.clear()
        deltas = {name: self._message("delta", name, changes[name]) for name in BOARD_NAMES}
        publication = Publication(
            offset=self.offset, deltas=deltas, size_bytes=sum(map(len, deltas.values()))
        )
        self._remember(publication)
        return publication

    def snapshot(self, name: str) -> bytes:
        """The whole board as last published, as a JSON message."""
        if name not in self._snapshots:
            tokens = self._boards[name].published.values()
            items = [self.items.encoded_item(token) for token in tokens]
            self._snapshots[name] = self._message("snapshot", name, items)
        return self._snapshots[name]

    def since(self, name: str, cursor: Cursor) -> Sequence[bytes] | None:
        """`resumed` and the deltas after `cursor`, oldest first.

        None where a snapshot is needed: another epoch, an offset that is not yet or no longer
        known, or deltas that together are larger than the snapshot.
        """
        behind = self.offset - cursor.offset
        if cursor.epoch != self.epoch or not 0 <= behind <= len(self._history):
            return None
        missed = islice(self._history, len(self._history) - behind, None)
        deltas = [publication.deltas[name] for publication in missed]
        if sum(map(len, deltas)) > max(len(self.snapshot(name)), SMALL_RESUME_BYTES):
            return None
        return [_resumed(name, cursor), *deltas]

    def _remember(self, publication: Publication) -> None:
        self._history.append(publication)
        self._history_bytes += publication.size_bytes
        while len(self._history) > self.history_limit or self._history_bytes > HISTORY_BYTES:
            self._history_bytes -= self._history.popleft().size_bytes

    def _message(self, kind: str, name: str, parts: Sequence[bytes]) -> bytes:
        head = {"type": kind, "board": name, "epoch": self.epoch, "offset": self.offset}
        list_name = b"items" if kind == "snapshot" else b"changes"
        return b'%b,"%b":[%b]}' % (orjson.dumps(head)[:-1], list_name, b",".join(parts))


def _resumed(name: str, cursor: Cursor) -> bytes:
    return orjson.dumps(
        {"type": "resumed", "board": name, "epoch": cursor.epoch, "offset": cursor.offset}
    )
