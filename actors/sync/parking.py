"""What is parked: values that wait in the buffer until Postgres has their token.

    flushes  ->  SyncMemory.parked  ->  dump, GET /api/ops/quarantine

A flush meets them and leaves them where they are; they are written once the token is stored, and
go to quarantine when that takes longer than `sync.park_seconds`. As many as there are tokens with
values in the buffer.
"""

from collections.abc import Iterable

from domain.messages import TokenChange
from domain.quarantine import ParkedUpdate
from domain.values import Mint, UnixSeconds

Parked = dict[Mint, ParkedUpdate]
MICROSECONDS = 1_000_000  # a version is at least the wall clock's microseconds


def note_parked(parked: Parked, changes: Iterable[TokenChange]) -> None:
    """A flush has left these in the buffer."""
    for change in changes:
        parked[change.mint] = ParkedUpdate(
            mint=change.mint,
            since=UnixSeconds(change.dirty_since / MICROSECONDS),
            fields=tuple(sorted(change.values)),
        )


def note_unparked(parked: Parked, mints: Iterable[Mint]) -> None:
    """These are stored, or in quarantine, or gone."""
    for mint in mints if parked else ():
        parked.pop(mint, None)
