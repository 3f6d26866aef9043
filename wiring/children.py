"""The child specs, in flow order, and what each actor is given.

    streams -> ingest -> trading -> market-data, hot-score, holder-count, metadata
        -> activity-keys -> activity -> sync -> quarantine -> alerts -> gateway -> history

Among the children only ingest and sync are given a store.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from attrs import asdict, define, field

from actors import activity_keys
from actors.activity import ActivityMemory, ActivityMonitor, ActivityOutboxes
from actors.activity_keys import ActivityKeysReader
from actors.alerts.actor import NAME as ALERTS
from actors.alerts.actor import Alerts
from actors.alerts.book import AlertBook
from actors.gateway import Gateway, GatewayOutboxes, GatewayPlan
from actors.history import actor as history
from actors.history.actor import HistoryKeeper
from actors.history.memory import HistoryMemory
from actors.ingest.actor import Ingest
from actors.ingest.life import IngestStores
from actors.ingest.memory import IngestMemory
from actors.ingest.news import IngestOutboxes
from actors.jobs.job import JobContext, JobOutboxes
from actors.jobs.mail import JobMail
from actors.jobs.switch import JobMemory
from actors.quarantine.actor import NAME as QUARANTINE
from actors.quarantine.actor import QuarantineKeeper, QuarantineOutboxes
from actors.quarantine.book import QuarantineBook
from actors.sync.actor import Sync
from actors.sync.allowance import Budget, GovernorPlan
from actors.sync.backlog import WAITING_GROUPS
from actors.sync.governor import Governor
from actors.sync.life import SyncStores
from actors.sync.memory import SyncMemory
from actors.sync.others import WatchPlan
from actors.trading.actor import Trading, TradingInboxes, TradingOutboxes, TradingPlan
from actors.trading.coverage import StreamCoverage
from actors.trading.memory import TradingMemory
from buffer.activity_keys import ActivityKeys
from buffer.entries import make_message_entry
from buffer.history import HistoryShelf
from config.settings import Settings
from domain.operations import Look
from domain.quarantine import EntriesQuarantined
from feed import Operations
from feed.statistics import StatisticsMemory
from store.checkpoints import CheckpointWatch
from supervision import Actor
from supervision.children import ChildSpec
from supervision.environment import Environment
from supervision.failures import Failure
from supervision.mailbox import Mailbox
from wiring.alerts import AlertDoors, AlertsView, new_alert_book, plan_alerts
from wiring.doors import Doors, Stream
from wiring.graph import describe_graph
from wiring.jobs import JOBS, JobWiring
from wiring.mailboxes import TRADING, Mailboxes
from wiring.quarantine import QuarantineView


@define
class Composition:
    """The actors and how they hang together."""

    settings: Settings
    doors: Doors
    environment: Environment
    mailboxes: Mailboxes
    ingest_memory: IngestMemory = field(init=False, factory=IngestMemory)
    sync_memory: SyncMemory = field(init=False)
    quarantine: QuarantineBook = field(init=False, factory=QuarantineBook)
    history: HistoryMemory = field(init=False, factory=HistoryMemory)
    alerts: AlertBook = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.sync_memory = SyncMemory(
            governor=Governor(governor_plan(self.settings)),
            watch=CheckpointWatch(self.environment.clock),
        )
        self.alerts = new_alert_book(self.settings)

    def count_unsaved(self) -> dict[str, int]:
        """What would be lost if the process ended now, by what it is; empty: nothing."""
        return {
            **self.mailboxes.count_unsaved(),
            **self.ingest_memory.count_unsaved(),
            **self.sync_memory.count_unsaved(),
            **self.quarantine.count_unsaved(),
            **self.alerts.count_unsaved(),
        }

    def quarantine_message(self, mailbox: str, message: Any, failure: Failure | None) -> None:
        """Hand a message to the quarantine that has crashed its reader too often.

        One of the quarantine's own stays in its mailbox's list alone.
        """
        if mailbox == QUARANTINE:
            return
        entry = make_message_entry(
            mailbox, message, reason=str(failure), refused_at=self.environment.clock()
        )
        self.mailboxes.quarantine.send_nowait(EntriesQuarantined(entries=(entry,)))

    def child_specs(
        self, operations: Operations, take_look: Callable[[], Look] | None = None
    ) -> list[ChildSpec]:
        """Every child, upstream first: the order of a drain. Without looks there is no history."""
        boxes = self.mailboxes
        return [
            *(
                self._make_spec(name, partial(_build_stream, stream), memory=stream.memory)
                for name, stream in self.doors.streams.items()
            ),
            self._make_spec("ingest", self._build_ingest, boxes.events, memory=self.ingest_memory),
            self._make_spec(
                TRADING,
                self._build_trading,
                boxes.trades,
                boxes.windows,
                boxes.publications[TRADING],
                boxes.control[TRADING],
                memory=TradingMemory(limit=self.settings.tracking.tokens),
            ),
            *(self._make_job_spec(name, job) for name, job in JOBS.items()),
            *self._make_activity_keys_specs(),
            self._make_spec(
                "activity", self._build_activity, boxes.presences, memory=ActivityMemory()
            ),
            self._make_spec("sync", self._build_sync, boxes.updates, memory=self.sync_memory),
            self._make_spec(
                QUARANTINE, self._build_quarantine, boxes.quarantine, memory=self.quarantine
            ),
            *self._make_alerts_specs(),
            self._make_spec(
                "gateway",
                partial(self._build_gateway, operations),
                boxes.gateway,
                memory=StatisticsMemory(self.settings.tracking.tokens),
            ),
            *self._make_history_specs(take_look),
        ]

    def _make_spec(
        self,
        name: str,
        build: Callable[[Environment, Any], Actor],
        *inboxes: Mailbox[Any],
        memory: Any = None,
    ) -> ChildSpec:
        """A child whose `build` is called with its environment and its memory at every start."""
        environment = self.environment.for_actor(name)
        return ChildSpec(
            name=name, build=partial(build, environment), inboxes=inboxes, memory=memory
        )

    def _make_job_spec(self, name: str, job: JobWiring) -> ChildSpec:
        boxes = self.mailboxes
        trades = (boxes.weighed,) if job.hears_trades else ()
        return self._make_spec(
            name,
            partial(self._build_job, name, job),
            boxes.publications[name],
            boxes.control[name],
            *trades,
            memory=JobMemory(),
        )

    def _make_activity_keys_specs(self) -> list[ChildSpec]:
        """One child, or none where the keys are not heeded."""
        if self.doors.activity_keys is None:
            return []
        build = partial(self._build_activity_keys, self.doors.activity_keys)
        return [self._make_spec(activity_keys.NAME, build)]

    def _make_history_specs(self, take_look: Callable[[], Look] | None) -> list[ChildSpec]:
        """The last child, which sees all others drain; none where no history is kept."""
        if self.doors.history is None or take_look is None:
            return []
        build = partial(self._build_history, self.doors.history, take_look)
        return [self._make_spec(history.NAME, build, memory=self.history)]

    def describe_graph(self, specs: Sequence[ChildSpec]) -> dict[str, object]:
        """Who sends to whom among these children, for operators."""
        inboxes = {spec.name: [box.name for box in spec.inboxes] for spec in specs}
        return describe_graph(inboxes, self.doors.streams)

    def _make_alerts_specs(self) -> list[ChildSpec]:
        """One child, or none where there are no endpoints."""
        if self.doors.alerts is None:
            return []
        build = partial(self._build_alerts, self.doors.alerts)
        return [self._make_spec(ALERTS, build, self.mailboxes.alerts, memory=self.alerts)]

    def view_alerts(self) -> AlertsView:
        """What operators are shown of them."""
        return AlertsView(book=self.alerts, settings=self.settings.alerts)

    def view_quarantine(self) -> QuarantineView:
        """What operators are shown of it."""
        return QuarantineView(book=self.quarantine, parked=self.sync_memory.parked)

    # Those that hold a store.

    def _build_ingest(self, environment: Environment, memory: IngestMemory) -> Ingest:
        return Ingest(
            events=self.mailboxes.events,
            outboxes=IngestOutboxes(
                sync=self.mailboxes.updates,
                trades=self.mailboxes.trades,
                quarantine=self.mailboxes.quarantine,
            ),
            stores=IngestStores(store=self.doors.ingest_store, buffer=self.doors.ingest_buffer),
            memory=memory,
            settings=self.settings.ingest,
            environment=environment,
            follow_tokens=self.doors.follow_tokens,
        )

    def _build_sync(self, environment: Environment, memory: SyncMemory) -> Sync:
        boxes = self.mailboxes
        return Sync(
            inbox=boxes.updates,
            publications={**boxes.publications, "gateway": boxes.gateway, **self._alerts_box()},
            quarantine=boxes.quarantine,
            stores=SyncStores(store=self.doors.sync_store, buffer=self.doors.sync_buffer),
            memory=memory,
            tracked_tokens=self.settings.tracking.tokens,
            settings=self.settings.sync,
            watches=WatchPlan(
                table=self.settings.activity.watch_table,
                interval_seconds=self.settings.activity.watchers_interval_seconds,
            ),
            environment=environment,
        )

    def _build_trading(self, environment: Environment, memory: TradingMemory) -> Trading:
        boxes = self.mailboxes
        return Trading(
            inboxes=TradingInboxes(
                trades=boxes.trades,
                windows=boxes.windows,
                publications=boxes.publications[TRADING],
                control=boxes.control[TRADING],
            ),
            outboxes=TradingOutboxes(
                sync=boxes.updates,
                statistics=(
                    boxes.gateway,
                    boxes.publications["market-data"],
                    *self._alerts_box().values(),
                ),
                weighed=boxes.weighed,
            ),
            tape=self.doors.tape,
            coverage=StreamCoverage(self.doors.trade_reaches),
            memory=memory,
            plan=TradingPlan(trading=self.settings.trading, market_data=self.settings.market_data),
            environment=environment,
        )

    def _alerts_box(self) -> dict[str, Mailbox[Any]]:
        """Where alerts are told of what is published; nowhere while they are off."""
        return {} if self.doors.alerts is None else {ALERTS: self.mailboxes.alerts}

    # Those that do not.

    def _build_alerts(self, doors: AlertDoors, environment: Environment, book: AlertBook) -> Alerts:
        return Alerts(
            inbox=self.mailboxes.alerts,
            roster=self.mailboxes.updates,
            presences=self.mailboxes.presences,
            plan=plan_alerts(self.settings, doors, environment.clock),
            book=book,
            environment=environment,
        )

    def _build_quarantine(self, environment: Environment, book: QuarantineBook) -> QuarantineKeeper:
        boxes = self.mailboxes
        return QuarantineKeeper(
            inbox=boxes.quarantine,
            outboxes=QuarantineOutboxes(
                ingest=boxes.events,
                sync=boxes.updates,
                mailboxes=boxes.by_name(),
                own=boxes.quarantine,
            ),
            shelf=self.doors.quarantine,
            book=book,
            crashes_before_quarantine=self.settings.supervision.crashes_before_quarantine,
            environment=environment,
        )

    def _build_job(
        self, name: str, job: JobWiring, environment: Environment, memory: JobMemory
    ) -> Actor:
        boxes = self.mailboxes
        mail = JobMail(
            name=name,
            publications=boxes.publications[name],
            control=boxes.control[name],
            updates=boxes.updates,
            clock=environment.clock,
        )
        context = JobContext(
            mail=mail,
            outboxes=JobOutboxes(sol_prices=boxes.events, windows=boxes.windows),
            memory=memory,
            trades=boxes.weighed,
            settings=self.settings,
            environment=environment,
        )
        return job.build(context, self.doors.providers.get(name))

    def _build_activity_keys(
        self, keys: ActivityKeys, environment: Environment, _memory: None
    ) -> ActivityKeysReader:
        return ActivityKeysReader(
            keys=keys, environment=environment, presences=self.mailboxes.presences
        )

    def _build_activity(self, environment: Environment, memory: ActivityMemory) -> ActivityMonitor:
        boxes = self.mailboxes
        return ActivityMonitor(
            presences=boxes.presences,
            settings=self.settings.activity,
            environment=environment,
            memory=memory,
            outboxes=ActivityOutboxes(
                control=(*boxes.control.values(), boxes.updates),
                updates=boxes.updates,
                census=boxes.gateway,
            ),
        )

    def _build_history(
        self,
        shelf: HistoryShelf,
        take_look: Callable[[], Look],
        environment: Environment,
        memory: HistoryMemory,
    ) -> HistoryKeeper:
        return HistoryKeeper(
            shelf=shelf, take_look=take_look, memory=memory, environment=environment
        )

    def _build_gateway(
        self, operations: Operations, environment: Environment, memory: StatisticsMemory
    ) -> Gateway:
        boxes = self.mailboxes
        return Gateway(
            inbox=boxes.gateway,
            plan=GatewayPlan(
                gateway=self.settings.gateway,
                tracking=self.settings.tracking,
                hot_score=self.settings.hot_score,
                library=self.doors.library,
                listen=self.doors.listen,
            ),
            operations=operations,
            environment=environment,
            statistics=memory,
            outboxes=GatewayOutboxes(
                roster=boxes.updates,
                presences=boxes.presences,
                governor=boxes.updates,
                quarantine=boxes.quarantine,
                alerts=boxes.alerts,
            ),
        )


def _build_stream(stream: Stream, _environment: Environment, memory: Any) -> Actor:
    """A stream has its environment from the doors."""
    return stream.build(memory)


def governor_plan(settings: Settings) -> GovernorPlan:
    """What the settings want of the governor."""
    sync, staleness = settings.sync, asdict(settings.staleness)
    return GovernorPlan(
        interval_seconds=sync.interval_seconds,
        budget=Budget(
            wal_bytes_per_second=sync.wal_budget_bytes_per_second,
            rows_per_hour=sync.rows_budget_per_hour,
        ),
        staleness_seconds={group: staleness[f"{group.value}_seconds"] for group in WAITING_GROUPS},
    )
