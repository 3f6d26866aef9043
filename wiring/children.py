"""The child specs, in flow order, and what each actor is given.

    streams -> ingest -> market-data, hot-score, holder-count, activity -> sync -> gateway

Among the children only ingest and sync are given a store.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import asdict, define, field

from actors.activity import ActivityMonitor, ActivityOutboxes
from actors.gateway import Gateway, GatewayOutboxes, GatewayPlan
from actors.ingest.actor import Ingest, IngestOutboxes
from actors.ingest.life import IngestStores
from actors.ingest.memory import IngestMemory
from actors.jobs.holder_count import HolderCount
from actors.jobs.hot_score import HotScore
from actors.jobs.mail import JobMail
from actors.jobs.market_data import MarketData, MarketDataPlan, MarketDataSources
from actors.jobs.roster import Roster
from actors.sync.actor import Sync
from actors.sync.allowance import Budget, GovernorPlan
from actors.sync.backlog import WAITING_GROUPS
from actors.sync.governor import Governor
from actors.sync.life import SyncStores
from actors.sync.memory import SyncMemory
from config.settings import Settings
from domain.values import Mint
from feed import Operations
from store.checkpoints import CheckpointWatch
from supervision import Actor
from supervision.children import ChildSpec
from supervision.environment import Environment
from supervision.mailbox import Mailbox
from wiring.doors import Doors
from wiring.mailboxes import Mailboxes


@define
class Composition:
    """The actors and how they hang together."""

    settings: Settings
    doors: Doors
    environment: Environment
    mailboxes: Mailboxes
    # What an actor was told, and has told others, outlives a restart of it.
    mails: dict[str, JobMail] = field(init=False)
    ingest_memory: IngestMemory = field(init=False, factory=IngestMemory)
    sync_memory: SyncMemory = field(init=False)

    def __attrs_post_init__(self) -> None:
        boxes = self.mailboxes
        self.mails = {
            job: JobMail(
                name=job,
                publications=publications,
                control=boxes.control[job],
                updates=boxes.updates,
                clock=self.environment.clock,
            )
            for job, publications in boxes.publications.items()
        }
        self.sync_memory = SyncMemory(
            governor=Governor(governor_plan(self.settings)),
            watch=CheckpointWatch(self.environment.clock),
        )

    def count_unsaved(self) -> dict[str, int]:
        """What would be lost if the process ended now, by what it is; empty: nothing."""
        return {
            **self.mailboxes.count_unsaved(),
            **self.ingest_memory.count_unsaved(),
            **self.sync_memory.count_unsaved(),
        }

    def child_specs(self, operations: Operations) -> list[ChildSpec]:
        """Every child, upstream first: the order of a drain."""
        boxes = self.mailboxes
        jobs: dict[str, tuple[Callable[[Environment, Any], Actor], tuple[Mailbox[Any], ...]]] = {
            "market-data": (self._market_data, ()),
            "hot-score": (self._hot_score, (boxes.trades,)),
            "holder-count": (self._holder_count, ()),
        }
        return [
            *(
                self._spec(name, partial(_build_stream, build))
                for name, build in self.doors.streams.items()
            ),
            self._spec("ingest", self._ingest, boxes.events, memory=self.ingest_memory),
            *(
                self._spec(
                    job,
                    build,
                    boxes.publications[job],
                    boxes.control[job],
                    *more,
                    memory=self.mails[job],
                )
                for job, (build, more) in jobs.items()
            ),
            self._spec("activity", self._activity, boxes.presences, memory=Counter[Mint]()),
            self._spec("sync", self._sync, boxes.updates, memory=self.sync_memory),
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

    # Those that hold a store.

    def _ingest(self, environment: Environment, memory: IngestMemory) -> Ingest:
        return Ingest(
            events=self.mailboxes.events,
            outboxes=IngestOutboxes(sync=self.mailboxes.updates, trades=self.mailboxes.trades),
            stores=IngestStores(store=self.doors.ingest_store, buffer=self.doors.ingest_buffer),
            memory=memory,
            settings=self.settings.ingest,
            environment=environment,
            follow_trades=self.doors.follow_trades,
        )

    def _sync(self, environment: Environment, memory: SyncMemory) -> Sync:
        boxes = self.mailboxes
        return Sync(
            inbox=boxes.updates,
            publications={**boxes.publications, "gateway": boxes.gateway},
            stores=SyncStores(store=self.doors.sync_store, buffer=self.doors.sync_buffer),
            memory=memory,
            tracked_tokens=self.settings.tracking.tokens,
            settings=self.settings.sync,
            environment=environment,
        )

    # Those that do not.

    def _roster(self) -> Roster:
        return Roster(self.settings.tracking.tokens, self.settings.hot_score.half_life_seconds)

    def _market_data(self, environment: Environment, mail: JobMail) -> MarketData:
        return MarketData(
            mail=mail,
            roster=self._roster(),
            sources=MarketDataSources(quotes=self.doors.quotes, sol_price=self.doors.sol_price),
            plan=MarketDataPlan(
                market_data=self.settings.market_data, sol_price=self.settings.sol_price
            ),
            environment=environment,
        )

    def _holder_count(self, environment: Environment, mail: JobMail) -> HolderCount:
        return HolderCount(
            mail=mail,
            roster=self._roster(),
            source=self.doors.holders,
            settings=self.settings.holder_count,
            environment=environment,
        )

    def _hot_score(self, environment: Environment, mail: JobMail) -> HotScore:
        return HotScore(
            trades=self.mailboxes.trades,
            mail=mail,
            tokens_tracked=self.settings.tracking.tokens,
            settings=self.settings.hot_score,
            environment=environment,
        )

    def _activity(self, environment: Environment, counts_sent: Counter[Mint]) -> ActivityMonitor:
        boxes = self.mailboxes
        return ActivityMonitor(
            presences=boxes.presences,
            settings=self.settings.activity,
            environment=environment,
            counts_sent=counts_sent,
            outboxes=ActivityOutboxes(
                control=(*boxes.control.values(), boxes.updates),
                updates=boxes.updates,
                census=boxes.gateway,
            ),
        )

    def _gateway(self, operations: Operations, environment: Environment, _memory: None) -> Gateway:
        boxes = self.mailboxes
        return Gateway(
            inbox=boxes.gateway,
            plan=GatewayPlan(
                gateway=self.settings.gateway,
                tracking=self.settings.tracking,
                hot_score=self.settings.hot_score,
            ),
            operations=operations,
            environment=environment,
            outboxes=GatewayOutboxes(
                roster=boxes.updates, presences=boxes.presences, governor=boxes.updates
            ),
        )


def _build_stream(build: Callable[[], Actor], _environment: Environment, _memory: None) -> Actor:
    """A stream remembers nothing, and has its environment from the doors."""
    return build()


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
