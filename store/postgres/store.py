"""`TokenStore` on PostgreSQL 14 to 18.

    ingest  ->  insert_tokens, outline_tokens
    sync    ->  write_changes, load_tokens, find_tokens, drop_unretained; read_overlay ...

Each of the two has a store, and so a connection, of its own; `application_name` tells which. So it
does of a command that brings the past along (`store.postgres.past`).
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Literal

from attrs import define, evolve, field

from config.settings import PostgresSettings
from domain.errors import RowsRefused, StoreConnectionLost, StoreUnavailable, UpkeepFailed
from domain.messages import TokenChange
from domain.outline import TokenOutline
from domain.token import Token
from domain.values import Mint, UnixSeconds
from store import (
    LossReport,
    OverlayPage,
    OverlayPosition,
    RefusedChanges,
    RefusedTokens,
    ServerPulse,
    StoredChange,
    WatchCounts,
    WriteReceipt,
)
from store.bisection import write_around_refusals
from store.ledger import Ledger
from store.postgres import overlay, statements, upkeep
from store.postgres.checkpoints import read_pulse
from store.postgres.connection import StoreConnection, StoreOffload
from store.postgres.migrating import migrate
from store.postgres.session import Session

OTHERS = "others"  # who write through the view, in the ledger
# The service has the first two; the others are commands beside it.
Component = Literal["ingest", "sync", "import", "export", "compare"]


@define(eq=False)
class PostgresStore:
    """Tokens in Postgres; every commit is booked in the ledger."""

    settings: PostgresSettings
    component: Component
    offload: StoreOffload
    ledger: Ledger
    half_life_seconds: float  # of the hot score, as readers get it by `postgres.hot_score_form`
    _connection: StoreConnection = field(init=False)
    _is_open: bool = field(default=False, init=False)  # our tables are there
    _others: overlay.OverlayBook = field(factory=overlay.OverlayBook, init=False)

    def __attrs_post_init__(self) -> None:
        self._connection = StoreConnection(
            settings=self.settings,
            application_name=f"token-discovery:{self.component}",
            offload=self.offload,
        )

    async def open(self) -> str:
        """Connect and bring the schema up to date; see `TokenStore.open`."""
        epoch = await self._connection.run(self._prepare_schema)
        self._is_open = True
        return epoch

    def _prepare_schema(self, session: Session) -> str:
        migrate(session)
        epoch = upkeep.prepare_tables(session, stats_logged=self.settings.stats_logged)
        wanted = self.settings.status_words, self.settings.hot_score_form, self.half_life_seconds
        statements.set_reader_settings(session, *wanted)
        return epoch

    async def insert_tokens(self, tokens: Sequence[Token]) -> tuple[Sequence[Token], RefusedTokens]:
        """Write the tokens that are not there yet; see `TokenStore.insert_tokens`."""
        parts, refused = await write_around_refusals(self._insert_tokens, tokens)
        return list(chain.from_iterable(parts)), refused

    async def _insert_tokens(self, tokens: Sequence[Token]) -> Sequence[Token]:
        stored, receipt = await self._connection.run(
            partial(statements.insert_tokens, tokens=tokens)
        )
        self.ledger.book(self.component, receipt)
        return stored

    async def find_tokens(self, mints: Sequence[Mint]) -> Mapping[Mint, Token]:
        """The stored tokens among `mints`."""
        if not mints:
            return {}
        return await self._connection.run(partial(statements.find_tokens, mints=mints))

    async def write_changes(
        self, changes: Sequence[StoredChange]
    ) -> tuple[Sequence[WriteReceipt], RefusedChanges]:
        """Write the changes; see `TokenStore.write_changes`."""
        if not any(change.values for _, change in changes):
            return [], []
        return await write_around_refusals(self._write_changes, changes)

    async def _write_changes(self, changes: Sequence[StoredChange]) -> WriteReceipt:
        receipt = await self._connection.run(partial(statements.write_changes, changes=changes))
        self.ledger.book(self.component, receipt)
        return receipt

    async def select_newer(self, changes: Sequence[StoredChange]) -> Sequence[TokenChange]:
        """The changes without what is stored with their version, or a later one."""
        if not changes:
            return []
        return await self._connection.run(partial(statements.select_newer, changes=changes))

    async def find_losses(self, tokens: Sequence[Token]) -> LossReport:
        """What is not stored of these tokens; see `TokenStore.find_losses`."""
        dead_band = self.settings.dead_band_percent / 100
        return await self._connection.run(
            partial(statements.find_losses, tokens=tokens, dead_band=dead_band)
        )

    async def load_tokens(self, now: UnixSeconds, limit: int) -> Sequence[Token]:
        """The newest `limit` tokens that are retained at `now`, newest first."""
        return await self._connection.run(partial(statements.load_tokens, now=now, limit=limit))

    async def outline_tokens(self, now: UnixSeconds, limit: int) -> Sequence[TokenOutline]:
        """As `load_tokens`, of each token its outline."""
        return await self._connection.run(partial(statements.outline_tokens, now=now, limit=limit))

    async def read_pulse(self) -> ServerPulse:
        """How the server's checkpoints and WAL stand; booked where the server tells whose it is."""
        pulse = await self._connection.run(_read_pulse_and_epoch if self._is_open else read_pulse)
        self.ledger.note_pulse(pulse)
        return pulse

    async def drop_unretained(self, now: UnixSeconds) -> WriteReceipt:
        """Give up what is kept no longer; see `TokenStore.drop_unretained`."""
        receipts: list[WriteReceipt] = []
        failures: list[str] = []
        for name, step in upkeep.list_steps(now, self.settings.cold_days).items():
            try:
                receipts.append(await self._connection.run(partial(upkeep.run_step, step=step)))
            except StoreConnectionLost:
                raise
            except (StoreUnavailable, RowsRefused) as error:  # of this step alone
                failures.append(f"{name}: {error}")
        receipt = upkeep.sum_receipts(receipts)
        self.ledger.book(self.component, receipt)
        if failures:
            raise UpkeepFailed("; ".join(failures))
        return receipt

    async def read_overlay(self, after: OverlayPosition, limit: int) -> OverlayPage:
        """What others have written since; see `TokenStore.read_overlay`."""
        page, written = await self._connection.run(
            partial(overlay.read_overlay, after=after, limit=limit)
        )
        for receipt in self._others.note_page(written, is_last=len(written) < limit):
            self.ledger.book(OTHERS, receipt)
        return page

    async def settle_overlay(self, taken: Sequence[tuple[Mint, int]]) -> Collection[Mint]:
        """Remove what our rows have by now; booked as caused by others."""
        if not taken:
            return ()
        settled, receipt = await self._connection.run(partial(overlay.settle_overlay, taken=taken))
        self._others.forget_rows(mint for mint, is_gone in settled.items() if is_gone)
        self.ledger.book(OTHERS, receipt)
        return settled.keys()

    async def count_watches(self, table: str, limit: int) -> WatchCounts:
        """How often each mint stands in others' table; see `TokenStore.count_watches`."""
        secrets = self._connection.address.secrets
        return await self._connection.run(
            partial(overlay.count_watches, table=table, limit=limit, secrets=secrets)
        )

    async def set_watchers(self, counts: Mapping[Mint, int]) -> None:
        """Set others' watchers; booked as caused by others."""
        if counts:
            receipt = await self._connection.run(partial(overlay.set_watchers, counts=counts))
            self.ledger.book(OTHERS, receipt)

    async def close(self) -> None:
        """Disconnect; harmless when already closed."""
        await self._connection.close()


def _read_pulse_and_epoch(session: Session) -> ServerPulse:
    ((epoch,),) = session.read("stats_epoch") or [("",)]
    return evolve(read_pulse(session), epoch=epoch)
