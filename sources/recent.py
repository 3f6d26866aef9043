"""A bounded memory of what has been seen lately, against duplicates."""

from collections import OrderedDict
from collections.abc import Hashable

from attrs import define, field


@define(kw_only=True)
class RecentKeys:
    """The newest `limit` keys; an older one is forgotten, and would count as new again."""

    limit: int
    # Oldest first. Of a plain dict the first key takes longer to find the more have been removed:
    # 65 us with 100,000 keys.
    keys: OrderedDict[Hashable, None] = field(factory=OrderedDict, init=False)

    def add_key(self, key: Hashable) -> bool:
        """Remember `key`; True if it had not been there."""
        if key in self.keys:
            return False
        self.keys[key] = None
        if len(self.keys) > self.limit:
            self.keys.popitem(last=False)
        return True
