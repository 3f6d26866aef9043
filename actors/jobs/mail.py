"""The mail of a job: what it hears of tokens, and what it tells sync.

TokensPublished (from sync) -> JobMail -> the job;  the job -> JobMail -> TokenUpdated -> sync
"""

from collections.abc import AsyncIterator, Mapping, Sequence

from attrs import frozen

from domain.messages import (
    ActivityChange,
    RosterWanted,
    StatisticsPublished,
    TokensPublished,
    TokenUpdated,
)
from domain.values import Mint, Value
from supervision import Inbox, Outbox, WallClock
from supervision.batches import receive_batches

PUBLICATIONS_AT_ONCE = 10


@frozen(kw_only=True)
class JobMail:
    """The mailboxes of one job; they outlive its restarts."""

    name: str  # origin of its updates, subscriber of its publications
    publications: Inbox[TokensPublished | StatisticsPublished]
    control: Inbox[ActivityChange]
    updates: Outbox[TokenUpdated | RosterWanted]
    clock: WallClock

    async def request_roster(self) -> None:
        """Ask sync to tell of every tracked token."""
        await self.updates.send(RosterWanted(subscriber=self.name))

    def receive_publications(
        self,
    ) -> AsyncIterator[Sequence[TokensPublished | StatisticsPublished]]:
        """Tokens, and their trading, as they now are, until the mailbox closes."""
        return receive_batches(self.publications, PUBLICATIONS_AT_ONCE)

    async def send_update(
        self, mint: Mint, values: Mapping[str, Value], *, source: str | None = None
    ) -> None:
        """Tell sync what is seen of a token now, and by which provider (None: by the job itself).

        Waits while sync's mailbox is full.
        """
        origin = self.name if source is None else f"{self.name} {source}"
        await self.updates.send(
            TokenUpdated(mint=mint, observed_at=self.clock(), origin=origin, values=values)
        )
