"""A gateway without the rest of the service, for the tests of the feed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import attrs
import structlog
import trio
from attrs import Factory, define, frozen
from structlog.testing import LogCapture

from actors.alerts.book import AlertBook
from actors.alerts.report import report_alerts
from actors.gateway import Gateway, GatewayOutboxes, GatewayPlan
from config.settings import GatewaySettings, HotScoreSettings, TrackingSettings
from domain.alerts import AlertOrder
from domain.messages import GatewayMessage, GovernorSet, RosterWanted, TokensPublished
from domain.quarantine import QuarantineOrder
from domain.token import Token
from domain.values import UnixSeconds
from feed import Library, Operations, Overview
from feed.alert_rules import parse_rule
from feed.catalogue import Catalogue
from feed.operations import render_snapshot
from feed.statistics import StatisticsMemory
from feed.views import Views
from supervision.environment import Environment
from supervision.mailbox import Mailbox
from supervision.policies import DROP_OLDEST
from tests.patience import PATIENCE_SECONDS
from tests.unit.feed.alert_books import make_book
from tests.unit.feed.tokens import NOW

SETTINGS = GatewaySettings(
    host="127.0.0.1",
    port=0,
    clients=10,
    clients_per_address=200,
    requests_per_second_per_address=100.0,
    trusted_proxies="",
    unlimited_addresses="127.0.0.0/8 ::1 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16",
    board_tokens=5,
    views=4,
    delta_interval_seconds=0.25,  # exact in binary, so that times add up
    delta_history=100,
    client_queue_bytes=100_000,
    send_timeout_seconds=PATIENCE_SECONDS,
    request_timeout_seconds=PATIENCE_SECONDS,
    links="Elsewhere=https://elsewhere.example/coin/{mint}",
    allowed_origins="",
    api_keys="",
    control_token="",
    ops_port=0,
)
ENTRIES = {
    "aa": {"id": "aa", "state": "waiting", "isReplayable": True, "content": {"of": "aa"}},
    "bb": {"id": "bb", "state": "replaying", "isReplayable": True},
    "cc": {"id": "cc", "state": "waiting", "isReplayable": False},
}
OVERVIEW = Overview(
    problems=lambda: {"of": "problems"},
    graph=lambda: {"of": "graph"},
    events=lambda: {"of": "events"},
    history=lambda now, hours: {"of": "history", "hours": hours},
)
HOT_SCORE = HotScoreSettings(interval_seconds=900.0, tokens=500, half_life_seconds=1800.0)


@frozen
class Away:
    """A store or a source that is away."""

    name: str
    reason: str
    since: UnixSeconds


@define
class Conditions:
    """What the gateway says of its readiness, with the time."""

    said: list[tuple[float, str | None]] = Factory(list)
    is_ready: bool = True
    away: list[Away] = Factory(list)
    reported: list[tuple[str, str | None]] = Factory(list)

    def set(self, name: str, reason: str | None) -> None:
        assert name == "gateway"
        self.said.append((trio.current_time(), reason))

    def report_outage(self, name: str, reporter: str, problem: str | None) -> None:
        assert reporter == "gateway"
        self.reported.append((name, problem))
        self.away = [each for each in self.away if each.name != name]
        if problem is not None:
            self.away.append(Away(name, problem, NOW))

    def list_away(self) -> frozenset[str]:
        return frozenset()

    def reasons(self) -> list[str]:
        return [] if self.is_ready else ["not just now"]

    def outages(self) -> list[Away]:
        return self.away


@define(kw_only=True)
class World:
    """A gateway, and what surrounds it."""

    inbox: Mailbox[GatewayMessage]
    roster: Mailbox[RosterWanted]
    presences: Mailbox[Any]
    governor: Mailbox[GovernorSet]
    quarantine: Mailbox[QuarantineOrder]
    alerts: Mailbox[AlertOrder]
    alert_book: AlertBook
    conditions: Conditions
    log: LogCapture
    gateway: Gateway

    async def publish(self, *tokens: Token) -> None:
        for token in tokens:
            await self.inbox.send(TokensPublished(tokens={token.mint: token}))

    async def show(self, *tokens: Token) -> None:
        """Publish, and wait until clients can see it. For tests on the real clock."""
        await self.publish(*tokens)
        boards = self.gateway.boards
        known = boards.catalogue.tokens
        await until(lambda: all(known.get(token.mint) is token for token in tokens))
        # Silent tokens are taken up between rounds: without this one the next may be a minute away.
        await self.inbox.send(TokensPublished(tokens={}))
        await until(lambda: boards.is_up_to_date)


def make_views(
    catalogue: Catalogue, most: int = 4, clock: Callable[[], UnixSeconds] = lambda: NOW
) -> Views:
    """None yet."""
    return Views(catalogue=catalogue, clock=clock, most=most)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what must soon be true. For tests on the real clock."""
    with trio.fail_after(PATIENCE_SECONDS):
        while not condition():  # nobody can say when a socket has done its part
            await trio.sleep(0.002)


def make_world(
    *,
    tokens: int = 1000,
    library: Library | None = None,
    statistics: StatisticsMemory | None = None,
    seed: int = 1,  # of what is random in it; also of the epoch
    clock: Callable[[], UnixSeconds] | None = None,  # default: it starts at NOW
    overview: Overview | None = None,
    **changes: Any,
) -> World:
    inbox = Mailbox[GatewayMessage]("gateway", capacity=100)
    roster = Mailbox[RosterWanted]("sync", capacity=100)
    presences = Mailbox[Any]("activity", capacity=1000, policy=DROP_OLDEST)
    governor = Mailbox[GovernorSet]("sync control", capacity=10)
    quarantine = Mailbox[QuarantineOrder]("quarantine", capacity=10, policy=DROP_OLDEST)
    alerts = Mailbox[AlertOrder]("alerts", capacity=10, policy=DROP_OLDEST)
    book = make_book()
    conditions = Conditions()
    log = LogCapture()
    started_at = trio.current_time()  # the real clock starts anywhere
    operations = Operations(
        health=conditions,
        actors=lambda: {"of": "actors"},
        writes=lambda: {"of": "writes"},
        checkpoints=lambda: {"of": "checkpoints"},
        governor=lambda: {"of": "governor"},
        quarantine=lambda: {"of": "quarantine"},
        quarantined=ENTRIES.get,
        alerts=lambda: render_snapshot(report_alerts(book)),
        read_rule=lambda described: parse_rule(described, ("desk",), 300.0).document,
        metrics=lambda: b"up 1\n",
        overview=overview or OVERVIEW,
    )
    environment = Environment(
        clock=clock or (lambda: UnixSeconds(NOW + trio.current_time() - started_at)),
        random=Random(seed),
        log=structlog.wrap_logger(None, processors=[log]),
        readiness=conditions,
    )
    gateway = Gateway(
        inbox=inbox,
        plan=GatewayPlan(
            gateway=attrs.evolve(SETTINGS, **changes),
            tracking=TrackingSettings(tokens=tokens),
            hot_score=HOT_SCORE,
            library=library or Library(),
        ),
        operations=operations,
        environment=environment,
        statistics=statistics or StatisticsMemory(tokens),
        outboxes=GatewayOutboxes(
            roster=roster,
            presences=presences,
            governor=governor,
            quarantine=quarantine,
            alerts=alerts,
        ),
    )
    return World(
        inbox=inbox,
        roster=roster,
        presences=presences,
        governor=governor,
        quarantine=quarantine,
        alerts=alerts,
        alert_book=book,
        conditions=conditions,
        log=log,
        gateway=gateway,
    )


@asynccontextmanager
async def running(**changes: Any) -> AsyncIterator[World]:
    """A running gateway at time 0; its mailbox is closed at the end, and it must then return."""
    world = make_world(**changes)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.gateway.run)
        with trio.fail_after(PATIENCE_SECONDS):
            await anext(world.roster)
        yield world
        world.inbox.close()
