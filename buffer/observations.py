"""One batch of updates, token by token: what both adapters merge into what they hold.

    TokenUpdated, TokenUpdated ...  ->  Observed, one a token  ->  append

The updates of one token may be of different times, and each field keeps its own.
"""

from collections.abc import Collection, Mapping, Sequence
from math import isfinite

from attrs import define, evolve

from domain.merging import Observations, fold
from domain.messages import TokenUpdated
from domain.values import Mint, UnixSeconds, Value


@define
class Observed:
    """What one batch says of one token."""

    update: TokenUpdated  # the newest one
    merged: Observations | None = None  # None: all is in that one, as is usual

    @property
    def mint(self) -> Mint:
        return self.update.mint

    @property
    def values(self) -> Mapping[str, Value]:
        if self.merged is None:
            return self.update.values
        return self.merged.values

    @property
    def times(self) -> list[UnixSeconds]:
        """When each of `values` was observed, in their order."""
        if self.merged is None:
            return [self.update.observed_at] * len(self.update.values)
        return [self.merged.time_of(name) for name in self.merged.values]

    def add(self, update: TokenUpdated) -> None:
        """Merge a later update of the batch."""
        if self.merged is None:
            self.merged = Observations()
            fold(self.merged, self.update)
        fold(self.merged, update)
        if update.observed_at >= self.update.observed_at:
            self.update = update

    def reduced_to(self, names: Collection[str]) -> TokenUpdated:
        """The update with these fields only; the very same one, if it says just that."""
        if self.merged is None and len(names) == len(self.update.values):
            return self.update
        values, times = self.values, dict(zip(self.values, self.times, strict=True))
        observed_at = max(times[name] for name in names)
        return evolve(
            self.update, observed_at=observed_at, values={name: values[name] for name in names}
        )


def by_token(updates: Sequence[TokenUpdated]) -> list[Observed]:
    """What the updates say of each token, in the order in which the tokens first occur."""
    found: dict[Mint, Observed] = {}
    for update in updates:
        if not isfinite(update.observed_at):
            raise ValueError(f"observed at no time: {update!r}")
        known = found.get(update.mint)
        if known is not None:
            known.add(update)
        elif update.values:
            found[update.mint] = Observed(update)
    return list(found.values())
