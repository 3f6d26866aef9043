"""One board: the first tokens of a ranking as clients follow them, and its newest deltas.

tokens that have changed --publish_changes--> changes, for one delta (feed/board.py)
"""

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import chain, takewhile

from attrs import define, field

from domain.token import Token
from domain.values import Mint
from feed.ranking import Rank, Ranking
from feed.wire import ItemCache, ShownToken, encode_json


@define(eq=False)
class History:
    """The newest deltas of a board, for clients that resume."""

    limit: int  # deltas
    most_bytes: int  # of deltas
    complete_since: int = 0  # every delta after this offset is kept
    _deltas: deque[tuple[int, bytes]] = field(init=False, factory=deque)  # by offset
    _bytes: int = field(init=False, default=0)

    def remember_delta(self, offset: int, delta: bytes) -> None:
        """Keep one more delta, and forget the oldest past the bounds."""
        self._deltas.append((offset, delta))
        self._bytes += len(delta)
        while len(self._deltas) > self.limit or self._bytes > self.most_bytes:
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
    """The first `size` tokens of a ranking, as last published.

    A round costs what has changed, however many tokens the board shows: only those are looked at
    that are told to have changed, or that others have moved over the board's end.
    """

    ranking: Ranking
    size: int
    history: History
    published: dict[Mint, ShownToken] = field(init=False, factory=dict)
    # Tokens that differ from the published ones in times alone: compared once.
    _held_back: dict[Mint, Token] = field(init=False, factory=dict)
    _last: Rank | None = field(init=False, default=None)  # on the board; None: it is not full

    def publish_changes(
        self, changed: Iterable[Mint], tokens: Mapping[Mint, Token], items: ItemCache
    ) -> list[bytes]:
        """Take the ranking's first tokens as published; the changes, at most two for each place."""
        before, self._last = self._last, self.ranking.rank_at(self.size - 1)
        touched = dict.fromkeys(chain(changed, _list_moved(self.ranking, before, self._last)))
        here = {mint: tokens[mint] for mint in touched if self._has_place(tokens.get(mint))}
        gone = [mint for mint in touched if mint in self.published and mint not in here]
        for mint in gone:
            del self.published[mint]
            self._held_back.pop(mint, None)
        changes = [encode_json({"mint": mint, "removed": True}) for mint in gone]
        changes += filter(None, (self._publish_token(token, items) for token in here.values()))
        return changes

    def list_tokens(self) -> list[ShownToken]:
        """What is published, in order."""
        by_mint = self.published
        ordered = self.ranking.sort_tokens(shown.token for shown in by_mint.values())
        return [by_mint[token.mint] for token in ordered]

    def _has_place(self, token: Token | None) -> bool:
        return token is not None and self.ranking.stands_until(token, self._last)

    def _publish_token(self, token: Token, items: ItemCache) -> bytes | None:
        """The change that shows a token of this board; nothing where there is nothing to show."""
        shown = self.published.get(token.mint)
        if shown is None:
            shown = self.published[token.mint] = items.show(token)
            return shown.to_json()
        if token is shown.token or token is self._held_back.get(token.mint):
            return None
        newer = items.show(token)
        change = shown.describe_change(newer)
        if change is None:
            # What is published stays as it is, so that snapshots are what clients have folded.
            self._held_back[token.mint] = token
            return None
        self.published[token.mint] = newer
        self._held_back.pop(token.mint, None)
        return change


def _list_moved(ranking: Ranking, before: Rank | None, now: Rank | None) -> Iterable[Mint]:
    """The mints that a board with another end has gained or lost: no more than have changed."""
    if before == now:
        return ()
    ends = sorted(end for end in (before, now) if end is not None)
    first, last = ends[0], ends[1] if len(ends) > 1 else None
    return (mint for _, mint in ranking.ranks_between(first, last))
