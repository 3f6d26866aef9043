"""The boards that clients follow: a snapshot, then deltas that fold into the next snapshot.

    catalogue --publish_changes, every delta interval--> DeltaRound: deltas of changed boards

The order of a board is a rule over its items, so that a change moves nothing but itself: clients
sort what they hold, equal values by `mint` ascending, null last.

    new         firstSeenAt, newest first
    graduating  bondingCurveProgress, greatest first
    bonded      stateChangedAt, newest first
    hot         hotScore, greatest first; tokens of every live status that have a score

Beside these four there are views, boards as clients describe them (feed/views.py).

A change is a mint with the fields that differ, a whole item where the token is new to the board,
or `{"mint", "removed": true}`. To fold, merge each change into the item of its mint and sort.
A token whose values were only told again, by the same sources, is not published for that: its
new times go with its next change.

Rounds are numbered through all boards, so that one cursor (epoch, offset) serves them all
and the HTTP feed; the offsets that a board's deltas have grow, and not by one. Each board keeps
deltas of its own: a quiet one can be resumed from however much the others publish meanwhile. An
epoch is one life of the boards: another epoch means that a cursor is worth nothing.
"""

from collections.abc import Mapping, Sequence

import orjson
from attrs import Factory, define, field, frozen

from domain.values import Mint
from feed.catalogue import Catalogue
from feed.ranked_board import Board, History
from feed.token_boards import PREFIX, TokenBoards, is_token_board
from feed.view_query import ViewQuery
from feed.views import Views
from feed.wire import ItemCache

BOARD_NAMES = ("new", "graduating", "bonded", "hot")
SMALL_RESUME_BYTES = 16 * 1024  # deltas up to this size are sent whatever the snapshot's size
HISTORY_BYTES = 8 * 1024 * 1024  # most bytes of deltas kept a board
VIEW_HISTORY_BYTES = 1024 * 1024  # and a view: more than its snapshot has is of no use


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


@define(eq=False, kw_only=True)
class Boards:
    """All boards under their common offset."""

    catalogue: Catalogue
    views: Views
    board_tokens: int
    history_limit: int  # deltas a board
    epoch: str
    offset: int = field(init=False, default=0)
    items: ItemCache = field(init=False)
    of_tokens: TokenBoards = field(init=False)  # beside the four: those of one token each
    _boards: dict[str, Board] = field(init=False)
    _snapshots: dict[str, bytes] = field(init=False, default=Factory(dict))

    def __attrs_post_init__(self) -> None:
        # The newest items of four boards, which keep those they have published; the rest serves
        # queries.
        self.items = ItemCache(len(BOARD_NAMES) * self.board_tokens + 4096)
        self.of_tokens = TokenBoards(self.catalogue.tokens, self.items)
        rankings = self.catalogue.rankings
        self._boards = {
            name: Board(
                rankings[name], self.board_tokens, History(self.history_limit, HISTORY_BYTES)
            )
            for name in BOARD_NAMES
        }

    @property
    def cursor(self) -> Cursor:
        """The cursor of a client that has received everything published so far."""
        return Cursor(epoch=self.epoch, offset=self.offset)

    @property
    def is_up_to_date(self) -> bool:
        """True while the catalogue has not changed since the last `publish_changes`."""
        return not self.catalogue.changed

    def find_last_change(self, name: str) -> int:
        """The offset since which a board is as it is now."""
        return self._find_board(name).history.newest_offset

    def has_board(self, name: str) -> bool:
        """True for the four, for a view that lives, and for the board of any one token."""
        return name in self._boards or name in self.views.living or is_token_board(name)

    def open_view(self, query: ViewQuery) -> None:
        """Let a view live, if it does not; `FrameRefused` where too many do.

        A view begins at an offset that no other life of it had, so that nobody resumes from one
        of those.
        """
        if not self.views.is_living(query):
            history = History(self.history_limit, VIEW_HISTORY_BYTES, self.offset + 1)
            self.views.open_view(query, history, self.items)
            self.offset += 1
            self._snapshots.pop(query.name, None)  # of an earlier life

    def count_tokens(self) -> dict[str, int]:
        """How many tokens each board shows."""
        return {name: len(board.published) for name, board in self._boards.items()}

    def publish_changes(self) -> DeltaRound | None:
        """Publish what changed since the last call; None when no board did."""
        if self.is_up_to_date and not self.views.are_due():
            return None
        changed, self.catalogue.changed = self.catalogue.changed, {}
        moved, self.catalogue.moved = self.catalogue.moved, set()
        tokens, items = self.catalogue.tokens, self.items
        changes = {
            name: board.publish_changes(
                # Of the others none can have come to it, unless its end has moved.
                [mint for mint in changed if mint in moved or mint in board.published],
                tokens,
                items,
            )
            for name, board in self._boards.items()
        }
        changes |= self.views.publish_changes(changed, items)
        changes |= self.of_tokens.publish_changes(changed)
        if not any(changes.values()):
            return None
        self.offset += 1
        self._snapshots.clear()
        deltas = {
            n: self._encode_message("delta", n, parts) for n, parts in changes.items() if parts
        }
        for name, delta in deltas.items():
            if not is_token_board(name):  # of which there is no history
                self._find_board(name).history.remember_delta(self.offset, delta)
        return DeltaRound(offset=self.offset, deltas=deltas)

    def snapshot_message(self, name: str) -> bytes:
        """The whole board as last published, as a JSON message."""
        if is_token_board(name):
            items = self.of_tokens.list_items(Mint(name.removeprefix(PREFIX)))
            return self._encode_message("snapshot", name, items)
        if name not in self._snapshots:
            items = [shown.to_json() for shown in self._find_board(name).list_tokens()]
            self._snapshots[name] = self._encode_message("snapshot", name, items)
        return self._snapshots[name]

    def resume_messages(self, name: str, cursor: Cursor) -> Sequence[bytes] | None:
        """`resumed` and the deltas after `cursor`, oldest first.

        None where a snapshot is needed: another epoch, an offset that is not yet or no longer
        known, or deltas that together are larger than the snapshot; and for the board of one token.
        """
        if is_token_board(name):
            return None
        history = self._find_board(name).history
        is_known = history.complete_since <= cursor.offset <= self.offset
        if cursor.epoch != self.epoch or not is_known:
            return None
        deltas = history.deltas_after(cursor.offset)
        if sum(map(len, deltas)) > max(len(self.snapshot_message(name)), SMALL_RESUME_BYTES):
            return None
        return [_encode_resumed(name, cursor), *deltas]

    def _find_board(self, name: str) -> Board:
        return self._boards[name] if name in self._boards else self.views.living[name].board

    def _encode_message(self, kind: str, name: str, parts: Sequence[bytes]) -> bytes:
        head = {"type": kind, "board": name, "epoch": self.epoch, "offset": self.offset}
        list_name = b"items" if kind == "snapshot" else b"changes"
        return b'%b,"%b":[%b]}' % (orjson.dumps(head)[:-1], list_name, b",".join(parts))


def _encode_resumed(name: str, cursor: Cursor) -> bytes:
    return orjson.dumps(
        {"type": "resumed", "board": name, "epoch": cursor.epoch, "offset": cursor.offset}
    )
