"""What became of every message that was sent to a mailbox.

At any moment: sent == handled + conflated + dropped + quarantined + depth.
"""

from attrs import define

from domain.snapshots import Snapshot, counter, detail, gauge, snapshot_class


@define(kw_only=True)
class MailboxCounters:
    """Counters since the mailbox was made; they outlive its reader."""

    sent: int = 0
    handled: int = 0
    conflated: int = 0
    dropped: int = 0
    quarantined: int = 0

    def count_open(self) -> int:
        """Messages that were sent and of which nothing has become yet."""
        return self.sent - self.handled - self.conflated - self.dropped - self.quarantined


@snapshot_class
class MailboxStatistics(Snapshot):
    """A mailbox at one moment."""

    name: str = detail("Name of the mailbox.")
    policy: str = detail("What happens to a message that finds it full.")
    capacity: int = gauge("Messages that may wait.")
    depth: int = gauge("Messages that wait or are in hand.")
    in_hand: int = gauge("Messages that the reader has and has not handled yet.")
    sent: int = counter(
        "Messages sent; sent = handled + conflated + dropped + quarantined + depth.",
        metric="messages_sent",
    )
    handled: int = counter("Messages handled.", metric="messages_handled")
    conflated: int = counter(
        "Messages that went into an older one of the same key.", metric="messages_conflated"
    )
    dropped: int = counter(
        "Messages dropped, by a full mailbox or a closed one.", metric="messages_dropped"
    )
    quarantined: int = counter(
        "Messages that crashed their reader too often.", metric="messages_quarantined"
    )
    oldest_age_seconds: float = gauge("Age of the oldest message; 0 without any.")
    senders_waiting: int = gauge("Senders that wait for room.")
    receivers_waiting: int = gauge("1 while the reader waits for a message.")
