"""The actor runtime: mailboxes, child specs, restarts, drain and dumps.

An actor is an object with `run` and `snapshot`, built afresh at every (re)start by its child
spec. It owns its state, talks through mailboxes, and lets errors it cannot act on escape:
the supervisor restarts it, its mailbox survives.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from domain.snapshots import Snapshot
from domain.values import UnixSeconds

Received_co = TypeVar("Received_co", covariant=True)
Sent_contra = TypeVar("Sent_contra", contravariant=True)

WallClock = Callable[[], UnixSeconds]  # time.time, or one that follows a mock clock


class Actor(Protocol):
    """One supervised child."""

    async def run(self) -> None:
        """Serve until the inbox closes (a drain), then finish what is in hand and return."""

    def snapshot(self) -> Snapshot:
        """What it does and has done, for metrics and dumps; cheap, and changes nothing."""


class Outbox(Protocol[Sent_contra]):
    """The sending end of a mailbox, as an actor sees it: it never closes it."""

    async def send(self, message: Sent_contra) -> None:
        """Put a message by the mailbox's policy; only a blocking policy ever waits.

        A closed mailbox counts the message as dropped.
        """

    def send_nowait(self, message: Sent_contra) -> None:
        """As `send`, in the same instant; `trio.WouldBlock` where that would wait."""

    async def send_all(self, messages: Iterable[Sent_contra]) -> None:
        """Put each message as `send` does, with one checkpoint before the first is asked for."""


class ReturnBox(Protocol):
    """A mailbox, as whoever hands a quarantined message back sees it."""

    def return_message(self, message: Any, *, crashes: int, tell: Callable[[bool], object]) -> None:
        """Put a message in front, to be received alone; see `Mailbox.return_message`."""


class Inbox(Protocol[Received_co]):
    """The receiving end of a mailbox, as its one reader sees it."""

    async def receive_batch(self, limit: int) -> Sequence[Received_co]:
        """Wait for a message, then take up to `limit` that are there.

        `trio.EndOfChannel` once closed and empty. The batch is in hand until the actor comes for
        more: a crash offers it again.
        """

    def mark_handled(self) -> None:
        """Count what is in hand as handled; a crash will not offer it again."""

    def __aiter__(self) -> AsyncIterator[Received_co]:
        """Every message until the mailbox is closed and empty; each in hand until the next."""
