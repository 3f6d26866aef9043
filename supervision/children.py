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
    """One actor: how it is built at every start, and the mailboxes that only it reads."""

    name: str
    build: Callable[[], Actor]
    inboxes: tuple[Mailbox[Any], ...] = ()  # none: a source, which holds nothing
    restart: Restart = Restart.ALONE


@frozen(kw_only=True)
class SupervisionSettings:
    """How failures are met; config/default.toml says what each is for."""

    restarts: int = field(validator=ge(0))
    restart_window_seconds: float = field(validator=gt(0))
    backoff_seconds: float = field(validator=gt(0))
    backoff_longest_seconds: float = field(validator=gt(0))
    crashes_before_quarantine: int = field(validator=ge(1))
    shutdown_deadline_seconds: float = field(validator=gt(0))
