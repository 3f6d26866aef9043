"""What became of every message that was sent to a mailbox.

At any moment: sent == handled + conflated + dropped + quarantined + depth.
"""

from attrs import define, frozen


@define(kw_only=True)
class MailboxCounters:
    """Counters since the mailbox was made; they outlive its reader."""

    sent: int = 0
    handled: int = 0
    conflated: int = 0
    dropped: int = 0
    quarantined: int = 0


@frozen(kw_only=True)
class MailboxStatistics:
    """A mailbox at one moment."""

    name: str
    policy: str
    capacity: int
    depth: int  # messages that wait or are in hand
    in_hand: int
    sent: int
    handled: int
    conflated: int
    dropped: int
    quarantined: int
    oldest_age_seconds: float
    senders_waiting: int
    receivers_waiting: int
