"""At a start: which of the buffer's changes Postgres has not.

    changes, tokens that are stored -> Unstored -> store.find_tokens, select_newer -> changes

A drain while the buffer was away has written past it: what the buffer holds of these is older, and
told by its version. What had been flushed and is recalled, because Postgres may have lost it, is
also compared with what is stored: mostly it is there.
"""

from collections.abc import Collection, Mapping, Sequence

from attrs import frozen

from actors.sync.regaining import Losses
from domain.chunks import chunks
from domain.messages import TokenChange
from domain.token import Token, with_values
from domain.values import Mint
from store import TokenStore
from store.losses import list_losses


@frozen(kw_only=True)
class Unstored:
    """One comparison of both stores."""

    store: TokenStore
    batch_rows: int
    tokens: dict[Mint, Token]  # that are stored, as far as they are loaded
    held: Mapping[Mint, Collection[str]]  # fields that had not been flushed
    losses: Losses  # births that Postgres has lost; values are added

    async def select_changes(self, changes: Sequence[TokenChange]) -> list[TokenChange]:
        """The changes, or what is left of them; recalled ones of tokens that are gone are not."""
        await self._load_recalled(changes)
        ids = {mint: token.id for mint, token in self.tokens.items()}
        stored = ((ids.get(change.mint), change) for change in changes)
        known = [(token_id, change) for token_id, change in stored if token_id is not None]
        newer: list[TokenChange] = []
        for part in chunks(known, self.batch_rows):
            newer += await self.store.select_newer(part)
        unstored = [left for change in newer if (left := self._compare(change)) is not None]
        waiting = self.held.keys() | self.losses.births
        return unstored + [
            change for change in changes if ids.get(change.mint) is None and change.mint in waiting
        ]

    async def _load_recalled(self, changes: Sequence[TokenChange]) -> None:
        waiting = self.tokens.keys() | self.held.keys() | self.losses.births
        unknown = [change.mint for change in changes if change.mint not in waiting]
        for part in chunks(unknown, self.batch_rows):
            self.tokens.update(await self.store.find_tokens(part))

    def _compare(self, change: TokenChange) -> TokenChange | None:
        """The change without what is stored; one that had waited as it is."""
        token, waited = self.tokens[change.mint], self.held.get(change.mint)
        if waited is not None and len(waited) == len(change.values):
            return change
        known = with_values(token, change.values, change.observed_at)
        values = {
            n: v
            for loss in list_losses([known], {token.mint: token})
            for n, v in loss.values.items()
        }
        if values.keys() - (waited or frozenset()):
            self.losses.values.add(change.mint)
        if waited is not None:
            return change
        return change._replace(values=values) if values else None
