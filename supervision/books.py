"""A mailbox's books: what became of every message it was sent.

At any moment: sent == handled + conflated + dropped + quarantined + depth.
"""

from attrs import define, frozen


@define(kw_only=True)
class Books:
    """Counters since the mailbox was made; they outlive its reader."""

    sent: int = 0
    handled: int = 0
    conflated: int = 0
    dropped: int = 0
    quarantined: int = 0
    rejected: int = 0


@frozen(kw_only=True)
class MailboxStatistics:
    """A mailbox at one moment."""

    name: str
    policy: str
    capacity: int
    depth: int  # waiting and in hand
    in_hand: int
    sent: int
    handled: int
    conflated: int
    dropped: int
    quarantined: int
    rejected: int  # never taken in, so not part of `sent`
    oldest_age_seconds: float
    senders_waiting: int
    receivers_waiting: int
