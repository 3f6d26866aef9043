"""What the twin of Postgres holds: its tables, and the copy that is left when it loses commits.

MemoryStore (one component's connection) -> MemoryDatabase (the server's data, which outlives it)
"""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import Factory, define, frozen

from domain.token import Token
from domain.values import Mint, UnixSeconds, Value
from store import OverlayRow, ServerPulse

TABLES = ("tokens", "mints", "rows", "cold", "overlay")

# A server on which nothing has happened, with Postgres' usual settings.
UNTROUBLED = ServerPulse(
    checkpoints_timed=0,
    checkpoints_requested=0,
    checkpoint_buffers=0,
    wal_bytes=0,
    full_page_images=0,
    wal_position=0,
    wal_since_checkpoint_bytes=0,
    checkpoint_timeout_seconds=300.0,
    wal_before_requested_bytes=int((1 << 30) / 1.9),
    max_wal_size_bytes=1 << 30,
)


@frozen(kw_only=True)
class MemoryRow:
    """One token's row in a table of changing values."""

    version: int
    values: Mapping[str, Value]


@define(kw_only=True)
class MemoryDatabase:
    """The tables, and each token as their join shows it."""

    tokens: dict[Mint, Token] = Factory(dict)
    mints: dict[int, Mint] = Factory(dict)  # by token id
    rows: dict[tuple[str, int], MemoryRow] = Factory(dict)  # by (table, token id)
    cold: dict[Mint, UnixSeconds] = Factory(dict)  # when a bonded token left the feed's tables
    last_id: int = 0
    last_change_id: int = 0
    overlay: dict[Mint, OverlayRow] = Factory(dict)
    watches: dict[str, dict[Mint, int] | str] = Factory(dict)  # by table; text: what is wrong
    is_down: bool = False
    refuses: Callable[[Mint], bool] = lambda mint: False  # by a CHECK or trigger of its owner
    epoch: int = 1  # grows when the server may have lost commits
    replica: "MemoryDatabase | None" = None  # what is left when this one is lost
    pulse: ServerPulse = UNTROUBLED  # as the server would tell it

    def write_as_others(
        self, mint: Mint, at: UnixSeconds, more_watchers: int = 0, **texts: str
    ) -> None:
        """What an UPDATE through the view does; an unknown mint has no row there."""
        known = self.overlay.get(mint)
        if mint in self.tokens and (known or texts or more_watchers > 0):
            self._lay_over(
                mint,
                watchers=max(0, (known.watchers if known else 0) + more_watchers),
                texts={**(known.texts if known else {}), **texts},
                written_at={**(known.written_at if known else {}), **dict.fromkeys(texts, at)},
            )

    def set_watchers(self, mint: Mint, watchers: int) -> None:
        """Others' watchers as counted; a count that is as it was changes nothing."""
        known = self.overlay.get(mint)
        if watchers != (known.watchers if known else 0):
            texts, written_at = (known.texts, known.written_at) if known else ({}, {})
            self._lay_over(mint, watchers=watchers, texts=texts, written_at=written_at)

    def make_replica(self) -> None:
        """Let a replica have what is here now, and nothing of what comes."""
        self.replica = MemoryDatabase(last_id=self.last_id)
        for name in TABLES:
            setattr(self.replica, name, dict(getattr(self, name)))

    def lose_commits(self) -> None:
        """Be the replica, promoted: what was committed since is gone, its ids are given again."""
        if self.replica is not None:
            for name in (*TABLES, "last_id"):
                setattr(self, name, getattr(self.replica, name))
            self.replica = None
        self.epoch += 1

    def _lay_over(self, mint: Mint, **values: Any) -> None:
        self.last_change_id += 1
        self.overlay[mint] = OverlayRow(mint=mint, change_id=self.last_change_id, **values)
