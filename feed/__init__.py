"""What clients see: boards, queries, and one port for HTTP and WebSocket.

    TokensPublished -> catalogue -> boards -> deltas -> sessions -> clients
                          └──────> query  -> routes -> HTTP   (by token_columns, orders, selection)
    the tape of trades, the cache of images -> shelves ┘

`catalogue`, `ranking`, `board`, `query`, `selection`, `wire`, `client_items`, `commands`, `frames`
and `client_frames` are pure; `outgoing`, `http`, `session`, `hub` and `server` talk to sockets.
`actors.gateway` puts them together. `history` and `images` are the ports of what is kept elsewhere.
"""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import field, frozen

from domain.alerts import AlertOrder, RuleDocument
from domain.messages import GovernorSet, Presence
from domain.quarantine import QuarantineOrder
from domain.values import UnixSeconds
from feed.history import TradeHistory
from feed.images import ImageShelf

# Else numpy starts threads when it is imported, one a core, for products of matrices.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

Clock = Callable[[], UnixSeconds]
Announce = Callable[[Presence], object]  # tells the activity actor, and never waits


class KnownOutage(Protocol):
    """A store or a source that does not answer now."""

    @property
    def name(self) -> str:
        """As operators know it: "redis", "postgres", "pumpportal"."""

    @property
    def reason(self) -> str:
        """What went wrong; without secrets."""

    @property
    def since(self) -> UnixSeconds:
        """When it went away."""


class ServiceHealth(Protocol):
    """Whether the service serves, and what is away."""

    @property
    def is_ready(self) -> bool:
        """False before the service serves, and from the start of a drain."""

    def reasons(self) -> Sequence[str]:
        """What keeps it from serving; empty while it is ready."""

    def outages(self) -> Sequence[KnownOutage]:
        """What is away now, also while it serves."""


@frozen(kw_only=True)
class Overview:
    """The process as a whole: JSON values of what stands first on /ops."""

    problems: Callable[[], object] = dict  # of /api/ops/problems, and so on
    graph: Callable[[], object] = dict
    events: Callable[[], object] = dict
    history: Callable[[UnixSeconds, int], object] = lambda now, hours: {}


@frozen(kw_only=True)
class Operations:
    """What operators ask of the process; each is answered at once, from memory."""

    health: ServiceHealth
    actors: Callable[[], object]  # JSON values of /api/ops/actors
    writes: Callable[[], object]
    checkpoints: Callable[[], object]
    governor: Callable[[], object]
    quarantine: Callable[[], object]
    quarantined: Callable[[str], Mapping[str, Any] | None]  # one entry by its id
    alerts: Callable[[], Mapping[str, Any]]  # rules, endpoints, and what has failed
    # A rule of an alert in its one form, of what a client describes; or `RuleRefused`.
    read_rule: Callable[[object], RuleDocument]
    metrics: Callable[[], bytes]  # Prometheus' text format
    overview: Overview = field(factory=Overview)


@frozen(kw_only=True)
class Library:
    """What is read for a request from outside the catalogue; None: that is not served."""

    history: TradeHistory | None = None
    images: ImageShelf | None = None


@frozen(kw_only=True)
class Surroundings:
    """Time, the other actors and the log, as every connection needs them."""

    clock: Clock
    announce: Announce
    govern: Callable[[GovernorSet], Awaitable[None]]  # tells sync
    order: Callable[[QuarantineOrder], object]  # tells the quarantine, and never waits
    order_alerts: Callable[[AlertOrder], object]  # tells alerts, and never waits
    log: Any  # a structlog logger
    report_shortage: Callable[[str | None], object]  # of file descriptors; None: it is over
