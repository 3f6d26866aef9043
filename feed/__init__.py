"""What clients see: boards, queries, and one port for HTTP and WebSocket.

    TokenPublished -> catalogue -> boards -> publication -> sessions -> clients
                          └──────> query  -> routes -> HTTP

`catalogue`, `ranking`, `board`, `query`, `wire`, `commands` and `frames` are pure; `outgoing`,
`http`, `session`, `hub` and `server` talk to sockets. `actors.gateway` puts them together.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from attrs import field, frozen

from domain.messages import GovernorSet, Presence
from domain.values import UnixSeconds

Clock = Callable[[], UnixSeconds]
Announce = Callable[[Presence], object]  # tells the activity actor, and never waits


@frozen(kw_only=True)
class FeedSettings:
    """The settings `gateway.*`, `tracking.tokens` and `hot_score.half_life_seconds`."""

    host: str
    port: int  # 0: any free one
    clients: int
    board_tokens: int
    delta_interval_seconds: float
    delta_history: int
    client_queue_bytes: int
    send_timeout_seconds: float
    request_timeout_seconds: float
    control_token: str = field(repr=False)  # empty: only this machine may change anything
    tokens: int
    half_life_seconds: float


class Readiness(Protocol):
    """Whether the service serves, and if not, why."""

    @property
    def is_ready(self) -> bool:
        """False before the service serves, and from the start of a drain."""

    def reasons(self) -> Sequence[str]:
        """What is missing; empty while ready."""


@frozen(kw_only=True)
class Operations:
    """What operators ask of the process; each is answered at once, from memory."""

    readiness: Readiness
    actors: Callable[[], object]  # JSON values of /api/ops/actors
    writes: Callable[[], object]
    checkpoints: Callable[[], object]
    governor: Callable[[], object]
    metrics: Callable[[], bytes]  # Prometheus' text format


@frozen(kw_only=True)
class Surroundings:
    """Time, the other actors and the log, as every connection needs them."""

    clock: Clock
    announce: Announce
    govern: Callable[[GovernorSet], Awaitable[None]]  # tells sync
    log: Any  # a structlog logger
