"""A bounded memory of what has been seen lately, against duplicates."""

from collections.abc import Hashable

from attrs import define, field


@define(kw_only=True)
class RecentKeys:
    """The newest `limit` keys; an older one is forgotten, and would count as new again."""

    limit: int
    keys: dict[Hashable, None] = field(factory=dict, init=False)  # oldest first

    def add_key(self, key: Hashable) -> bool:
        """Remember `key`; True if it had not been there."""
        if key in self.keys:
            return False
        self.keys[key] = None
        if len(self.keys) > self.limit:
            del self.keys[next(iter(self.keys))]
        return True
