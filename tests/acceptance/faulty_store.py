"""A service whose Postgres is about to fail, and what must hold before, during and after that.

Two coins are stored, the first of them bonded. `tell_more` bonds the second and bears others;
`until_all_is_well` is the verdict: all of it in Postgres and on the feed, once, nothing gone back
meanwhile, and no more in the log than the changes of state.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import psycopg
import trio
from attrs import Factory, define, field

from tests.acceptance.service import Service, rows, running_service, settings, until_rows
from tests.acceptance.test_outages import (
    Frame,
    creates,
    migration,
    until_bonded_on_feed,
    until_on_feed,
)
from tests.acceptance.test_two_faults import logged, until_degraded
from tests.acceptance.world import PumpPortalPeer, running_peer
from tests.patience import PATIENCE_SECONDS

MORE = 4  # coins born by one `tell_more`
STATUSES = 'SELECT mint, status FROM "TokenDiscovery" ORDER BY mint'
REPEATED = "SELECT mint FROM token GROUP BY mint HAVING count(*) > 1"
WATCH_SECONDS = 0.1
# Short, so that what takes long is told soon; their proportions are those of the defaults.
IMPATIENT = {
    "POSTGRES__CONNECT_TIMEOUT_SECONDS": "1",
    "POSTGRES__STATEMENT_TIMEOUT_SECONDS": "2",
    "INGEST__COMMIT_TIMEOUT_SECONDS": "1",
    "SYNC__PROFILE_ROWS_PER_HOUR": "100000",
}


@define(kw_only=True)
class FaultyStore:
    """The service, who tells it of coins, and who watches that nothing goes back."""

    service: Service
    peer: PumpPortalPeer
    url: str  # of Postgres itself, whatever lies between it and the service
    unborn: list[Frame] = field(factory=lambda: creates(30))
    statuses: dict[str, str] = Factory(dict)  # as they must be in the end
    young: list[Frame] = Factory(list)  # born, and not bonded
    went_back: list[str] = Factory(list)

    def bear(self, number: int) -> list[str]:
        """Tell of so many new coins; their mints."""
        born, self.unborn = self.unborn[:number], self.unborn[number:]
        self.peer.say(*born)
        self.young += born
        mints = [str(frame["mint"]) for frame in born]
        self.statuses |= dict.fromkeys(mints, "NEW")
        return mints

    def bond(self) -> str:
        """Tell of the migration of the oldest coin that has not; its mint."""
        frame = self.young.pop(0)
        self.peer.say(migration(frame))
        mint = str(frame["mint"])
        self.statuses[mint] = "BONDED"
        return mint

    async def tell_more(self) -> None:
        """Bond one and bear others, and wait until the feed shows all of it."""
        bonded, born = self.bond(), self.bear(MORE)
        await until_on_feed(self.service, [*born])
        await until_bonded_on_feed(self.service, bonded)

    async def until_stored(self) -> None:
        await until_rows(self.url, STATUSES, sorted(self.statuses.items()))

    async def until_all_is_well(self, most_outages: int = 2) -> None:
        """The verdict; Postgres may have been told away so many times."""
        await self.until_stored()
        await until_degraded(self.service, set())
        for mint, status in self.statuses.items():
            assert status == (await self.service.get(f"/api/tokens/{mint}")).json()["status"]
        assert [] == self.went_back
        assert [] == await trio.to_thread.run_sync(rows, self.url, REPEATED)
        self._check_log(most_outages)

    def _check_log(self, most_outages: int) -> None:
        for event in ("dependency away", "dependency back"):
            assert len(logged(self.service, event)) <= most_outages
        for event in ("actor failed", "update quarantined", "new token quarantined"):
            assert [] == logged(self.service, event)
        troubles = [
            line for line in self.service.log().splitlines() if '"level": "info"' not in line
        ]
        # Of each outage: that it began, that it ended, and what ingest and sync do about it.
        assert len(troubles) <= 6 * most_outages, "\n".join(troubles)

    async def watch_for_ever(self) -> None:
        """Look at every coin all the while: on the feed, and in Postgres where it answers."""
        seen: set[tuple[str, str]] = set()
        while True:
            for mint in list(self.statuses):
                with suppress(httpx.HTTPError):
                    item = (await self.service.get(f"/api/tokens/{mint}")).json()
                    self._note(seen, "feed", mint, item.get("status"))
            with suppress(psycopg.Error):
                for stored, status in await trio.to_thread.run_sync(self._read_statuses):
                    self._note(seen, "Postgres", str(stored), status)
            await trio.sleep(WATCH_SECONDS)

    def _read_statuses(self) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, connect_timeout=1) as connection:
            connection.execute("SET statement_timeout = '250ms'")
            return connection.execute(STATUSES).fetchall()

    def _note(self, seen: set[tuple[str, str]], reader: str, mint: str, status: object) -> None:
        if status == "BONDED":
            seen.add((reader, mint))
        elif (reader, mint) in seen:
            self.went_back.append(f"{reader}: {mint} is {status}")


@asynccontextmanager
async def faulty_store(
    directory: Path, url: str, redis_url: str, through: str | None = None, **more: str
) -> AsyncIterator[FaultyStore]:
    """Two stored coins, one of them bonded; `through` is the address that the service is given."""
    async with running_peer() as peer:
        environment = settings(
            through or url, redis_url, INGEST__URL=peer.url, **(IMPATIENT | more)
        )
        async with running_service(directory, environment) as service:
            store = FaultyStore(service=service, peer=peer, url=url)
            store.bear(2)
            await store.until_stored()
            await until_bonded_on_feed(service, store.bond())
            await store.until_stored()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(store.watch_for_ever)
                yield store
                nursery.cancel_scope.cancel()
            assert await service.stop() == 0


async def until_reason(service: Service, words: str) -> None:
    """Wait until /readyz says that Postgres is away, for this reason, and goes on serving."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            answer = await service.get("/readyz")
            assert 200 == answer.status_code
            away = {each["name"]: each["reason"] for each in answer.json().get("degraded", [])}
            if words in away.get("postgres", ""):
                assert {"postgres"} == away.keys()
                return
            await trio.sleep(0.05)
