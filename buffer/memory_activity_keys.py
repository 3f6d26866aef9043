"""The in-memory twin of the keys by which others tell that somebody is there."""

from attrs import define, field

from buffer.activity_keys import ACTIVE_USERS_KEY, LAST_ACTIVITY_KEY, KeysRead, interpret_values
from domain.errors import BufferUnavailable, KeysForbidden


@define
class MemoryActivityKeys:
    """`ActivityKeys` that a test writes; they never expire."""

    values: dict[str, bytes] = field(factory=dict)
    is_away: bool = False  # then every call fails
    is_forbidden: bool = False  # likewise

    async def read_keys(self) -> KeysRead:
        if self.is_away:
            raise BufferUnavailable("the keys are away")
        if self.is_forbidden:
            raise KeysForbidden
        return interpret_values(
            self.values.get(ACTIVE_USERS_KEY), self.values.get(LAST_ACTIVITY_KEY)
        )

    async def close(self) -> None:
        """There is nothing to disconnect."""
