"""What the supervisor is told of each child."""

from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from supervision import Actor
from supervision.mailbox import Mailbox


@frozen(kw_only=True)
class ChildSpec:
    """One actor: how it is built at every start, and what outlives its restarts.

    `memory` is the state that every life of the actor shares. Its mailboxes survive as well.
    """

    name: str
    build: Callable[[Any], Actor]  # called with `memory` at every start
    inboxes: tuple[Mailbox[Any], ...] = ()  # read by this child alone; none: a source
    memory: Any = field(default=None, eq=False, repr=False)

    def build_actor(self) -> Actor:
        """A new actor with the memory of the lives before it."""
        return self.build(self.memory)
