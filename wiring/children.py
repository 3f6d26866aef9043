"""The child specs, in flow order, and what each actor is given.

    streams -> ingest -> market-data, hot-score, holder-count, activity -> sync -> gateway

Among the children only ingest and sync are given a store.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import asdict, define, field

from actors.activity import ActivityMemory, ActivityMonitor, ActivityOutboxes
from actors.gateway import Gateway, GatewayOutboxes
from actors.ingest.actor import Ingest, IngestDoors, IngestOutboxes
from actors.jobs.job import JobContext
from actors.jobs.mail import JobMail
from actors.jobs.switch import JobMemory
from actors.sync.actor import Sync, SyncInboxes
from actors.sync.allowance import Budget, GovernorPlan
from actors.sync.backlog import WAITING_GROUPS
from actors.sync.flusher import SyncDoors, SyncPace
from actors.sync.governor import Governor
from actors.sync.table import TokenTable
from config.settings import Settings
from feed import FeedSettings, Operations
from store.checkpoints import CheckpointWatch
from supervision import Actor
from supervision.children import ChildSpec, SupervisionSettings
from supervision.environment import Environment
from supervision.mailbox import Mailbox
from wiring.doors import Doors, Stream
from wiring.jobs import JOBS, JobWiring
from wiring.mailboxes import Mailboxes


@define
class Composition:
    """The actors and how they hang together."""

    settings: Settings
    doors: Doors
    environment: Environment
    mailboxes: Mailboxes
    sync_inboxes: SyncInboxes = field(init=False)
    pace: SyncPace = field(init=False)

    def __attrs_post_init__(self) -> None:
        boxes = self.mailboxes
        self.sync_inboxes = SyncInboxes(messages=boxes.updates, control=boxes.control["sync"])
        self.pace = SyncPace(
            governor=Governor(governor_plan(self.settings)),
            watch=CheckpointWatch(self.environment.clock),
        )

    def child_specs(self, operations: Operations) -> list[ChildSpec]:
        """Every child, upstream first: the order of a drain."""
        boxes = self.mailboxes
        return [
            *(
                self._spec(name, partial(_build_stream, stream), memory=stream.memory)
                for name, stream in self.doors.streams.items()
            ),
            self._spec("ingest", self._ingest, boxes.events),
            *(self._job_spec(name, job) for name, job in JOBS.items()),
            self._spec("activity", self._activity, boxes.presences, memory=ActivityMemory()),
            self._spec("sync", self._sync, boxes.updates, boxes.control["sync"]),
            self._spec("gateway", partial(self._gateway, operations), boxes.gateway),
        ]

    def _spec(
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

    def _job_spec(self, name: str, job: JobWiring) -> ChildSpec:
        boxes = self.mailboxes
        trades = (boxes.trades,) if job.hears_trades else ()
        return self._spec(
            name,
            partial(self._build_job, name, job),
            boxes.publications[name],
            boxes.control[name],
            *trades,
            memory=JobMemory(),
        )

    # Those that hold a store.

    def _ingest(self, environment: Environment, _memory: None) -> Ingest:
        return Ingest(
            events=self.mailboxes.events,
            outboxes=IngestOutboxes(sync=self.mailboxes.updates, trades=self.mailboxes.trades),
            doors=IngestDoors(
                store=self.doors.ingest_store,
                buffer=self.doors.ingest_buffer,
                follow_trades=self.doors.follow_trades,
            ),
            settings=self.settings.ingest,
            environment=environment,
        )

    def _sync(self, environment: Environment, _memory: None) -> Sync:
        boxes = self.mailboxes
        return Sync(
            inboxes=self.sync_inboxes,
            doors=SyncDoors(store=self.doors.sync_store, buffer=self.doors.sync_buffer),
            table=TokenTable(self.settings.tracking.tokens),
            pace=self.pace,
            settings=self.settings.sync,
            environment=environment,
            publications={**boxes.publications, "gateway": boxes.gateway},
        )

    # Those that do not.

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
            memory=memory,
            trades=boxes.trades,
            settings=self.settings,
            environment=environment,
        )
        return job.build(context, self.doors.providers.get(name))

    def _activity(self, environment: Environment, memory: ActivityMemory) -> ActivityMonitor:
        boxes = self.mailboxes
        return ActivityMonitor(
            presences=boxes.presences,
            settings=self.settings.activity,
            environment=environment,
            memory=memory,
            outboxes=ActivityOutboxes(
                control=tuple(boxes.control.values()), updates=boxes.updates, census=boxes.gateway
            ),
        )

    def _gateway(self, operations: Operations, environment: Environment, _memory: None) -> Gateway:
        boxes = self.mailboxes
        chosen = asdict(self.settings.gateway) | {
            "tokens": self.settings.tracking.tokens,
            "half_life_seconds": self.settings.hot_score.half_life_seconds,
        }
        return Gateway(
            inbox=boxes.gateway,
            settings=FeedSettings(**chosen),
            operations=operations,
            environment=environment,
            outboxes=GatewayOutboxes(
                roster=boxes.updates, presences=boxes.presences, governor=boxes.updates
            ),
        )


def _build_stream(stream: Stream, _environment: Environment, memory: Any) -> Actor:
    """A stream has its environment from the doors."""
    return stream.build(memory)


def supervision_settings(settings: Settings) -> SupervisionSettings:
    """What the settings want of the supervisor."""
    return SupervisionSettings(
        **asdict(settings.supervision),
        shutdown_deadline_seconds=settings.shutdown.deadline_seconds,
    )


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
