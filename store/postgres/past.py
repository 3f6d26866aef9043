"""The store as `token-discovery import`, `export` and `compare` use it, beside a running service.

    import   ->  find_known, insert_past, complete_tokens
    compare  ->  find_known, list_periods, read_mints

What is imported must never stand in the way of what the service hears later. So a new token's
values have version 0, as at a birth; and what completes a token that is there has the version
after the one that was stored when it was looked at: any later change has a higher one, since
versions count microseconds, and one that came in between makes it void.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from attrs import define

from domain.lifecycle import RETAIN_NEW_SECONDS, is_retained
from domain.messages import TokenChange
from domain.token import Status, Token
from domain.values import Mint, UnixSeconds, Version
from store import RefusedChanges, RefusedTokens, StoredChange, WriteReceipt
from store.bisection import write_around_refusals
from store.columns import find_period
from store.postgres import statements, upkeep
from store.postgres.foreign_table import PAST_BLOCKS, read_foreign
from store.postgres.session import Session
from store.postgres.store import PostgresStore
from store.reading import token_from_record

KnownTokens = Mapping[Mint, tuple[Token, Version]]


@define(eq=False)
class PastStore(PostgresStore):
    """`PostgresStore`, and what only the commands need of it."""

    async def find_known(self, mints: Sequence[Mint]) -> KnownTokens:
        """The stored tokens among the mints with their versions; none where there is no schema."""
        return await self._connection.run(partial(_find_known, mints=mints))

    async def insert_past(
        self, tokens: Sequence[Token], now: UnixSeconds
    ) -> tuple[list[WriteReceipt], RefusedTokens]:
        """Write tokens that are not there yet and that `is_kept`; a receipt a commit.

        What has bonded and is off the feed goes straight to where retention would bring it.
        """

        async def insert_part(part: Sequence[Token]) -> WriteReceipt:
            _, receipt = await self._connection.run(
                partial(statements.insert_tokens, tokens=part, place=partial(find_place, now=now))
            )
            self.ledger.book(self.component, receipt)
            return receipt

        return await write_around_refusals(insert_part, tokens)

    async def complete_tokens(
        self, changes: Sequence[StoredChange]
    ) -> tuple[Sequence[WriteReceipt], RefusedChanges]:
        """As `write_changes`, each change just above the version that its token was found with."""
        raised = [(token_id, _raise_version(change)) for token_id, change in changes]
        return await self.write_changes(raised)

    def is_kept(self, token: Token, now: UnixSeconds) -> bool:
        """True for what retention would not drop: on the feed, or bonded and not cold for long."""
        if token.status is not Status.BONDED:
            return is_retained(token, now)
        place = find_place(token, now)
        return place >= 0 or place < upkeep.find_coldest_period(now, self.settings.cold_days)

    async def has_schema(self) -> bool:
        """True where the service has made its tables."""
        ((has_tokens,),) = await self._connection.run(
            partial(read_foreign, text=PAST_BLOCKS["has_tokens"], parameters=())
        )
        return bool(has_tokens)

    async def list_periods(self) -> Sequence[int]:
        """Of the partitions of table `token`; none where there is no schema."""
        records = await self._connection.run(
            partial(read_foreign, text=PAST_BLOCKS["periods"], parameters=())
        )
        return [period for (period,) in records]

    async def read_mints(self, period: int, after: str, limit: int) -> Sequence[Mint]:
        """Up to `limit` mints of a period, in order, after one of them."""
        records = await self._connection.run(
            partial(
                read_foreign,
                text=PAST_BLOCKS["mints_of_period"],
                parameters=(period, after, limit),
            )
        )
        return [Mint(mint) for (mint,) in records]


def find_place(token: Token, now: UnixSeconds) -> int:
    """The period of a token's partition: that of the cold once its own is off the feed."""
    period = find_period(token.first_seen_at)
    if period > upkeep.find_overdue_period(now):
        return period
    turned_cold = max(token.first_seen_at + RETAIN_NEW_SECONDS, token.status_changed_at or 0.0)
    return upkeep.find_cold_period(UnixSeconds(min(turned_cold, now)))


def _raise_version(change: TokenChange) -> TokenChange:
    return change._replace(version=Version(change.version + 1))


def _find_known(session: Session, mints: Sequence[Mint]) -> KnownTokens:
    ((has_tokens,),) = read_foreign(session, PAST_BLOCKS["has_tokens"], ())
    if not has_tokens or not mints:
        return {}
    # First the versions: a change that comes in between then makes what follows from them void.
    versions: dict[str, int] = dict(
        read_foreign(session, PAST_BLOCKS["known_versions"], (list(mints),))
    )
    if not versions:
        return {}
    # A thousand look-ups in some thirty partitions cost ten times as much as to read them once.
    with session.transaction("begin_load"):
        found = session.read_once("find_tokens", list(versions))
    tokens = map(token_from_record, found)
    return {token.mint: (token, Version(versions[token.mint])) for token in tokens}
