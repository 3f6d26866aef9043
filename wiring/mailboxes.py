"""Every mailbox of the service: capacity, policy, and what happens when it is full."""

from collections.abc import Mapping
from typing import Any

from attrs import define, field

from domain.merging import merge_updates
from domain.messages import (
    ActivityChange,
    GatewayMessage,
    IngestMessage,
    Presence,
    StatisticsPublished,
    SyncMessage,
    SystemActivated,
    SystemIdled,
    TokenPublished,
    TokenUpdated,
    TradeSeen,
    TradesWeighed,
    WindowsQuoted,
)
from supervision.mailbox import Mailbox
from supervision.policies import BLOCK, DROP_OLDEST, Conflate
from wiring.jobs import JOBS

TRADING = "trading"
EVENTS_WAITING = 10_000  # then the streams' sockets wait
UPDATES_WAITING = 50_000  # on their way to the buffer, one a token and origin
TRADES_WAITING = 50_000  # then the oldest is dropped: windows and scores may be a little low
PRESENCES_WAITING = 10_000
QUOTES_WAITING = 10_000  # one a token; then the oldest is dropped: its provider is asked again


def _of_token(message: object) -> object:
    match message:
        case TokenUpdated():
            # Each origin observes in order; those of several cannot be combined exactly.
            return message.mint, message.origin
        case TokenPublished():
            return message.token.mint
        case StatisticsPublished():
            return message.mint, "statistics"
        case SystemActivated() | SystemIdled():
            return "activity"  # the latest counts
        case _:
            return None


def _conflate_updates(older: Any, newer: Any) -> Any:
    return merge_updates(older, newer) if isinstance(newer, TokenUpdated) else newer


@define
class Mailboxes:
    """Every mailbox of the service, by its reader."""

    tokens: int  # most tokens tracked
    events: Mailbox[IngestMessage] = field(init=False)
    updates: Mailbox[SyncMessage] = field(init=False)
    trades: Mailbox[TradeSeen] = field(init=False)
    weighed: Mailbox[TradesWeighed] = field(init=False)
    windows: Mailbox[WindowsQuoted] = field(init=False)
    presences: Mailbox[Presence] = field(init=False)
    gateway: Mailbox[GatewayMessage] = field(init=False)
    publications: dict[str, Mailbox[Any]] = field(init=False)  # TokenPublished, by reader
    control: Mapping[str, Mailbox[ActivityChange]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        by_token: Conflate[Any] = Conflate(key=_of_token, when_full="drop-oldest")
        self.events = Mailbox("ingest", capacity=EVENTS_WAITING, policy=BLOCK)
        self.updates = Mailbox(
            "sync",
            capacity=UPDATES_WAITING,
            policy=Conflate(key=_of_token, combine=_conflate_updates),
        )
        self.trades = Mailbox(TRADING, capacity=TRADES_WAITING, policy=DROP_OLDEST)
        self.weighed = Mailbox("hot-score trades", capacity=TRADES_WAITING, policy=DROP_OLDEST)
        self.windows = Mailbox(
            "trading windows",
            capacity=QUOTES_WAITING,
            policy=Conflate(key=lambda quoted: quoted.mint, when_full="drop-oldest"),
        )
        self.presences = Mailbox("activity", capacity=PRESENCES_WAITING, policy=DROP_OLDEST)
        # Two places a token, for itself and its statistics, and some for commands: never full,
        # so neither sync nor trading, which follows no more tokens, waits for a reader.
        capacity = 2 * self.tokens + 1000
        self.gateway = Mailbox("gateway", capacity=capacity, policy=by_token)
        self.publications = {job: Mailbox(job, capacity=capacity, policy=by_token) for job in JOBS}
        self.publications[TRADING] = Mailbox("trading tokens", capacity=capacity, policy=by_token)
        latest = Conflate[ActivityChange](key=lambda _: "activity")
        self.control = {
            actor: Mailbox(f"{actor} control", capacity=1, policy=latest)
            for actor in (*JOBS, TRADING)
        }

    def count_unsaved(self) -> dict[str, int]:
        """Messages that would be lost if the process ended now, by what they are.

        Once ingest has admitted the events and sync has appended the updates, Postgres or the
        buffer keeps them for the next process.
        """
        depths = {
            "events not admitted": self.events.statistics().depth,
            "updates not appended": self.updates.statistics().depth,
        }
        return {name: depth for name, depth in depths.items() if depth}
