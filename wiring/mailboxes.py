"""Every mailbox of the service: capacity, policy, and what happens when it is full."""

from collections.abc import Mapping
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from attrs import define, field

from domain.alerts import AlertMessage
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
    TokensPublished,
    TokenUpdated,
    TradeSeen,
    TradesWeighed,
    WindowsQuoted,
)
from domain.quarantine import QuarantineMessage
from domain.values import Mint
from supervision.mailbox import Mailbox
from supervision.policies import BLOCK, DROP_OLDEST, Conflate
from wiring.jobs import JOBS

TRADING = "trading"
EVENTS_WAITING = 10_000  # then the streams' sockets wait
UPDATES_WAITING = 50_000  # on their way to the buffer, one a token and origin
TRADES_WAITING = 50_000  # then the oldest is dropped: windows and scores may be a little low
PRESENCES_WAITING = 10_000
ENTRIES_WAITING = 10_000  # more than the quarantine holds; then the oldest is dropped
QUOTES_WAITING = 10_000  # one a token; then the oldest is dropped: its provider is asked again
COMMANDS_WAITING = 1000  # beside publications: a census wanted, a roster told; few ever are

Told = TypeVar("Told")


def _key_of(message: object) -> object:
    match message:
        case TokenUpdated():
            # Each origin observes in order; those of several cannot be combined exactly.
            return message.mint, message.origin
        case TokensPublished() | StatisticsPublished():
            return type(message)  # one waits: later ones are merged into it
        case SystemActivated() | SystemIdled():
            return "activity"  # the latest counts
        case _:
            return None


def _conflate_updates(older: Any, newer: Any) -> Any:
    return merge_updates(older, newer) if isinstance(newer, TokenUpdated) else newer


def _merge_publications(most: int, older: Any, newer: Any) -> Any:
    """Both as one, of each mint the newer; beyond `most` mints those told of longest ago go."""
    match newer:
        case TokensPublished():
            return TokensPublished(tokens=_merge_by_mint(most, older.tokens, newer.tokens))
        case StatisticsPublished():
            merged = _merge_by_mint(most, older.statistics, newer.statistics)
            return StatisticsPublished(statistics=merged)
        case _:
            return newer


def _merge_by_mint(
    most: int, older: Mapping[Mint, Told], newer: Mapping[Mint, Told]
) -> Mapping[Mint, Told]:
    merged = {**older, **newer}
    for mint in list(islice(merged, max(len(merged) - most, 0))):
        del merged[mint]
    return merged


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
    quarantine: Mailbox[QuarantineMessage] = field(init=False)
    gateway: Mailbox[GatewayMessage] = field(init=False)
    alerts: Mailbox[AlertMessage] = field(init=False)
    publications: Mapping[str, Mailbox[Any]] = field(init=False)  # of tokens, by reader
    control: Mapping[str, Mailbox[ActivityChange]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        # Two tokens waiting for every one that is tracked: some are forgotten, and told of still.
        merged: Conflate[Any] = Conflate(
            key=_key_of,
            combine=partial(_merge_publications, 2 * self.tokens),
            when_full="drop-oldest",
        )
        self.events = Mailbox("ingest", capacity=EVENTS_WAITING, policy=BLOCK)
        self.updates = Mailbox(
            "sync",
            capacity=UPDATES_WAITING,
            policy=Conflate(key=_key_of, combine=_conflate_updates),
        )
        self.trades = Mailbox(TRADING, capacity=TRADES_WAITING, policy=DROP_OLDEST)
        self.weighed = Mailbox("hot-score trades", capacity=TRADES_WAITING, policy=DROP_OLDEST)
        self.windows = Mailbox(
            "trading windows",
            capacity=QUOTES_WAITING,
            policy=Conflate(key=lambda quoted: quoted.mint, when_full="drop-oldest"),
        )
        self.presences = Mailbox("activity", capacity=PRESENCES_WAITING, policy=DROP_OLDEST)
        self.quarantine = Mailbox("quarantine", capacity=ENTRIES_WAITING, policy=DROP_OLDEST)
        # One publication of each kind waits; the other places are for commands. So neither sync
        # nor trading waits for a reader.
        named = {job: job for job in JOBS} | {TRADING: "trading tokens"}
        self.gateway = Mailbox("gateway", capacity=COMMANDS_WAITING, policy=merged)
        self.alerts = Mailbox("alerts", capacity=COMMANDS_WAITING, policy=merged)
        self.publications = {
            reader: Mailbox(name, capacity=COMMANDS_WAITING, policy=merged)
            for reader, name in named.items()
        }
        latest = Conflate[ActivityChange](key=lambda _: "activity")
        self.control = {
            actor: Mailbox(f"{actor} control", capacity=1, policy=latest)
            for actor in (*JOBS, TRADING)
        }

    def by_name(self) -> dict[str, Mailbox[Any]]:
        """Every mailbox, by its name."""
        boxes: list[Mailbox[Any]] = [self.events, self.updates, self.trades, self.weighed]
        boxes += [self.windows, self.presences, self.quarantine, self.gateway, self.alerts]
        boxes += [*self.publications.values(), *self.control.values()]
        return {box.name: box for box in boxes}

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
