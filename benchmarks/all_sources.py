"""WAL of an hour at the real rates: as the sources of before told of it, and with all of them.

    births -> the real store;  updates -> the real sync, its buffer in a real Redis -> flush

A simulated hour each, after five minutes that are not measured: a flush and a checkpoint every
five minutes. Beside the whole stand the parts, each of them added alone.
"""

from typing import Any

import psycopg
import trio
from attrs import define, field, frozen

from benchmarks.all_sources_traffic import INTERVAL_SECONDS, PART_NAMES, Traffic
from benchmarks.results import Result
from benchmarks.world import Addresses, SyncWorld, servers, settings_for
from commands.storm.trace import HOUR_SECONDS, STARTED_AT
from domain.messages import TokensAdmitted, TokenUpdated
from domain.values import UnixSeconds

WARM_UP_SECONDS = INTERVAL_SECONDS
QUICK_SECONDS = HOUR_SECONDS // 2
MOST_GROWTH = 1.10
POSITION = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"


@define
class SteppedClock:
    """Simulated time; the benchmark moves it."""

    now: UnixSeconds = field(default=STARTED_AT)

    def __call__(self) -> UnixSeconds:
        return self.now


@frozen(kw_only=True)
class Hour:
    """What one measured span wrote."""

    parts: frozenset[str]
    births: int
    wal_bytes: int
    birth_bytes: int
    flush_bytes: int
    profile_rows: int


def run(is_quick: bool) -> Result:
    seconds = QUICK_SECONDS if is_quick else HOUR_SECONDS
    chosen = [frozenset[str](), *(frozenset({name}) for name in PART_NAMES), frozenset(PART_NAMES)]
    hours = []
    for parts in chosen:
        with servers() as addresses:
            hours.append(trio.run(_measure, addresses, parts, seconds))
    before, growth = hours[0], hours[-1].wal_bytes / hours[0].wal_bytes
    return Result(
        name="all-sources",
        title=f"WAL of {seconds / 60:.0f} minutes at the real rates, by what is told",
        headings=(
            "told", "WAL kB", "of births", "of flushes", "B a birth", "profile rows", "ratio",
        ),
        lines=[_shown(hour, before) for hour in hours],
        conclusion=f"All sources write {growth:.2f} times the WAL (the bar: {MOST_GROWTH:.2f}).",
    )  # fmt: skip


def _shown(hour: Hour, before: Hour) -> tuple[str | float, ...]:
    name = "all" if len(hour.parts) > 1 else " ".join(f"+ {each}" for each in hour.parts)
    return (
        name or "as before",
        hour.wal_bytes / 1000,
        hour.birth_bytes / 1000,
        hour.flush_bytes / 1000,
        hour.birth_bytes / hour.births,
        hour.profile_rows,
        hour.wal_bytes / before.wal_bytes,
    )


async def _measure(addresses: Addresses, parts: frozenset[str], seconds: int) -> Hour:
    clock = SteppedClock()
    world = SyncWorld(settings_for(addresses), clock)
    observer = psycopg.connect(addresses.postgres, autocommit=True)
    run = _Run(world, Traffic(7, parts), clock, observer)
    try:
        async with world.serving():
            await run.prepare()
            await run.pass_interval(0)
            before = run.start_measuring()
            for start in range(WARM_UP_SECONDS, WARM_UP_SECONDS + seconds, INTERVAL_SECONDS):
                await run.pass_interval(start)
            return run.result(before)
    finally:
        observer.close()
        await world.close()


@define
class _Run:
    """One span of simulated time on one pair of servers."""

    world: SyncWorld
    traffic: Traffic
    clock: SteppedClock
    observer: psycopg.Connection[Any]
    births: int = field(default=0, init=False)
    birth_bytes: int = field(default=0, init=False)
    flush_bytes: int = field(default=0, init=False)

    async def prepare(self) -> None:
        for tokens in (self.traffic.graduates(), self.traffic.active):
            stored, _ = await self.world.store.insert_tokens(tokens)
            await self.world.append([TokensAdmitted(tokens=tuple(stored))])

    async def pass_interval(self, start: int) -> None:
        """Five minutes: births one by one, as group commit leaves them, then what is told."""
        for birth in self.traffic.births_within(start):
            self.clock.now = UnixSeconds(STARTED_AT + birth.at_seconds)
            before = self._position()
            stored, _ = await self.world.store.insert_tokens([birth.token])
            self.birth_bytes += self._position() - before
            self.births += 1
            await self.world.append([TokensAdmitted(tokens=tuple(stored))])
        now = self.clock.now = UnixSeconds(STARTED_AT + start + INTERVAL_SECONDS)
        updates = self.traffic.updates_within(start)
        await self.world.append(
            [
                TokenUpdated(mint=mint, observed_at=now, origin="benchmark", values=values)
                for mint, values in updates.items()
            ]
        )
        before = self._position()
        await self.world.flush()
        self.flush_bytes += self._position() - before
        self.observer.execute("CHECKPOINT")

    def start_measuring(self) -> int:
        self.births = self.birth_bytes = self.flush_bytes = 0
        return self._position()

    def result(self, before: int) -> Hour:
        position = self._position()  # before the count, which logs hint bits
        ((rows,),) = self.observer.execute("SELECT count(*) FROM token_profile").fetchall()
        return Hour(
            parts=self.traffic.parts,
            births=self.births,
            wal_bytes=position - before,
            birth_bytes=self.birth_bytes,
            flush_bytes=self.flush_bytes,
            profile_rows=rows,
        )

    def _position(self) -> int:
        ((position,),) = self.observer.execute(POSITION).fetchall()
        return int(position)
