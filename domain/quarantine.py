"""The quarantine: what could not be handled, each an entry of one form.

A row that Postgres refused, or a message that crashed its reader too often, is put aside, so that
everything else goes on. A person looks at it, and has it replayed or dropped.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from heapq import nsmallest
from typing import Any, Literal

from attrs import frozen

from domain.plain import Plain, from_plain
from domain.values import Mint, UnixSeconds

EntryKind = Literal["birth", "update", "message"]
# What an entry is doing: it waits for a person, is on its way back, or is about to be forgotten.
EntryState = Literal["waiting", "replaying", "leaving"]
ID_DIGITS = 10  # hexadecimal; among a thousand entries two are alike once in two million times


@frozen(kw_only=True)
class QuarantineEntry:
    """One row or message that could not be handled, and why."""

    id: str  # follows from what it is: the same again is the same entry
    kind: EntryKind  # a new token, values of a token, or a message that crashed its reader
    place: str  # the mailbox that it goes back to
    mint: Mint | None
    reason: str  # without secrets
    refused_at: UnixSeconds  # the last time
    tries: int = 1  # how often it was refused
    content: Plain  # as `domain.plain` says it, or a description of what that cannot say
    is_replayable: bool = True  # False: a description

    def restore_content(self) -> Any:
        """The token, the update or the message; `ValueError` where this release cannot."""
        if not self.is_replayable:
            raise ValueError("only a description of it was kept")
        return from_plain(self.content)


@frozen(kw_only=True)
class ParkedUpdate:
    """Values that wait in the buffer until Postgres has their token; they are tried again."""

    mint: Mint
    since: UnixSeconds
    fields: tuple[str, ...]


def list_longest_parked(parked: Iterable[ParkedUpdate], limit: int) -> tuple[ParkedUpdate, ...]:
    """Those that have waited longest, the oldest first."""
    return tuple(nsmallest(limit, parked, key=lambda update: update.since))


def make_entry_id(kind: EntryKind, place: str, subject: object) -> str:
    """The id of an entry by what it is of.

    That is the mint of a birth, the mint and the fields of an update, and all of a message.
    """
    told = f"{kind} {place} {subject!r}"
    return sha256(told.encode(errors="backslashreplace")).hexdigest()[:ID_DIGITS]


def find_subject(kind: EntryKind, mint: Mint | None, content: Plain) -> object:
    """What makes an entry another one than others of its kind."""
    if kind == "birth" and mint is not None:
        return mint
    match content:
        case {"TokenUpdated": {"values": Mapping() as values}} if kind == "update":
            return mint, sorted(values)
        case _:
            return mint, content


# Messages to the quarantine.


@frozen(kw_only=True)
class EntriesQuarantined:
    """These could not be handled; again, where their entries are known."""

    entries: tuple[QuarantineEntry, ...]


@frozen(kw_only=True)
class EntrySettled:
    """What was replayed has been taken for good."""

    entry_id: str


@frozen(kw_only=True)
class EntryReturned:
    """What was replayed was not taken, for no fault of its own: it waits again."""

    entry_id: str


@frozen(kw_only=True)
class ReplayWanted:
    """An operator wants it handed back to where it came from."""

    entry_id: str


@frozen(kw_only=True)
class DropWanted:
    """An operator wants it forgotten."""

    entry_id: str


QuarantineOrder = ReplayWanted | DropWanted
QuarantineMessage = EntriesQuarantined | EntrySettled | EntryReturned | QuarantineOrder
