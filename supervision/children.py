"""What the supervisor is told of each child."""

from collections.abc import Callable
from enum import Enum
from typing import Any

from attrs import field, frozen
from attrs.validators import ge, gt

from supervision import Actor
from supervision.mailbox import Mailbox


class Restart(Enum):
    """Who is restarted when a child fails."""

    ALONE = "alone"  # one-for-one
    WITH_LATER = "with later"  # rest-for-one: the children after it in the flow, too


@frozen(kw_only=True)
class ChildSpec:
    """One actor: how it is built at every start, and what outlives its restarts.

    `memory` is the state that every life of the actor shares. Its mailboxes survive as well.
    """

    name: str
    build: Callable[[Any], Actor]  # called with `memory` at every start
    inboxes: tuple[Mailbox[Any], ...] = ()  # that only it reads; none: a source
    memory: Any = field(default=None, eq=False, repr=False)
    restart: Restart = Restart.ALONE

    def build_actor(self) -> Actor:
        """A new actor with the memory of the lives before it."""
        return self.build(self.memory)


@frozen(kw_only=True)
class SupervisionSettings:
    """How failures are met; config/default.toml says what each is for."""

    restarts: int = field(validator=ge(0))
    restart_window_seconds: float = field(validator=gt(0))
    backoff_seconds: float = field(validator=gt(0))
    backoff_longest_seconds: float = field(validator=gt(0))
    crashes_before_quarantine: int = field(validator=ge(1))
    shutdown_deadline_seconds: float = field(validator=gt(0))
