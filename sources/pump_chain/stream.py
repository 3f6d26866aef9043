"""The chain itself: births, trades, completed curves and migrations from the programs' own logs.

    wss: logsSubscribe (pump, PumpSwap, LaunchLab) -> Transaction -> SourceEvent -> ingest
    https: pools that trades name, births and migrations of a gap

One socket with a subscription a program. A transaction that mentions two of them comes twice, and
servers send exact duplicates, too: a signature counts once. Solana's slots tell of gaps: a
reconnect, or a pause of the notifications over more slots than pump is ever silent, makes one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import trio
from attrs import define, field
from trio_websocket import WebSocketConnection

from domain.backoff import Backoff
from domain.errors import InputRefused, SourceUnavailable
from domain.messages import SourceEvent
from domain.snapshots import counter, gauge, read_fields, snapshot_class
from domain.token import Token
from domain.values import WRAPPED_SOL, Mint
from sources import EventOutbox, SourceEnvironment
from sources.line import Line, LineSettings, LineSnapshot, count_refusal
from sources.pump_chain.gaps import Gap, fetch_missed
from sources.pump_chain.lookups import HeldTransaction, PoolLookups, fetch_pools, note_pools
from sources.pump_chain.market import read_transaction
from sources.pump_chain.notifications import parse_notification, render_subscription
from sources.pump_chain.pools import PUMP_DECIMALS, PoolFacts, PoolTable
from sources.pump_chain.programs import LAUNCHLAB, PUMP, PUMPSWAP
from sources.pump_chain.reading import SOURCE, Transaction
from sources.recent import RecentKeys
from sources.rpc import JsonRpc

NAME = SOURCE
PROGRAMS = (PUMP, PUMPSWAP, LAUNCHLAB)
RECENT_SIGNATURES = 100_000  # about two minutes of all transactions of the programs
REMEMBERED_POOLS = 100_000
PAUSE_SLOTS = 50  # 20 s at 400 ms: pump's program runs in nearly every slot
INDEX_SECONDS = 2.0  # until a server's index has what its socket has told
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 60.0
TRIES_OF_A_GAP = 8


@snapshot_class
class PumpChainSnapshot(LineSnapshot):
    received: Mapping[str, int] = counter("What came, or became of it, by kind.", by="kind")
    refused: Mapping[str, int] = counter("Messages and events that make no sense.", by="reason")
    slot: int | None = gauge("The newest slot that was told of.")
    lag_seconds: float | None = gauge("From the chain's time of the last event to its receipt.")
    pools: int = gauge("Pools whose token is known.")
    waiting: int = gauge("Transactions that wait until their pool is known.")
    gaps: int = counter("Gaps in the stream.")


@define(kw_only=True)
class PumpChainMemory:
    """What outlives a restart of the stream."""

    recent: RecentKeys = field(factory=lambda: RecentKeys(limit=RECENT_SIGNATURES), init=False)
    pools: PoolTable = field(factory=lambda: PoolTable(limit=REMEMBERED_POOLS), init=False)
    lookups: PoolLookups = field(factory=PoolLookups, init=False)
    slot: int | None = field(default=None, init=False)
    gap: Gap | None = field(default=None, init=False)  # to be fetched

    def follow_pools(self, tokens: Sequence[Token]) -> None:
        """Know the pools of tokens that the service has from an earlier life."""
        for token in tokens:
            if token.pool_address is not None and self.pools.find_pool(token.pool_address) is None:
                self.pools.put_pool(
                    token.pool_address,
                    PoolFacts(
                        mint=token.mint,
                        quote_mint=Mint(token.quote_mint or WRAPPED_SOL),
                        decimals=PUMP_DECIMALS if token.decimals is None else token.decimals,
                    ),
                )


@define(kw_only=True)
class PumpChain:
    """An `EventStream` of the programs' events."""

    # Messages out.
    events: EventOutbox
    # State.
    settings: LineSettings
    rpc: JsonRpc
    environment: SourceEnvironment
    memory: PumpChainMemory
    line: Line = field(init=False)
    is_first_message: bool = field(default=True, init=False)  # of this connection
    gap_found: trio.Event = field(factory=trio.Event, init=False)
    lag_seconds: float | None = field(default=None, init=False)
    received: Counter[str] = field(factory=Counter, init=False)
    refused: Counter[str] = field(factory=Counter, init=False)

    @line.default
    def _new_line(self) -> Line:
        return Line(name=NAME, settings=self.settings, environment=self.environment)

    async def run(self) -> None:
        """Send events for ever; returns only when cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_up_pools)
            nursery.start_soon(self._fill_gaps)
            await self.line.serve(self._listen)

    def snapshot(self) -> PumpChainSnapshot:
        return PumpChainSnapshot(
            **read_fields(self.line.snapshot()),
            received=dict(self.received),
            refused=dict(self.refused),
            slot=self.memory.slot,
            lag_seconds=self.lag_seconds,
            pools=len(self.memory.pools.pools),
            waiting=self.memory.lookups.transactions,
            gaps=self.received["gaps"],
        )

    # One connection.

    async def _listen(self, connection: WebSocketConnection) -> None:
        self.is_first_message = True
        for number, program in enumerate(PROGRAMS, start=1):
            await self.line.send(connection, render_subscription(number, program))
        while True:
            await self._take_message(await self.line.receive(connection))

    async def _take_message(self, text: str | bytes) -> None:
        self.received["messages"] += 1
        try:
            transaction = parse_notification(text, self.environment.clock())
        except InputRefused as refusal:
            count_refusal(self.refused, refusal, self.environment.log, source=NAME)
            return
        if transaction is None:
            return
        self._follow_slot(transaction.slot)
        if transaction.logs is None:
            self.received["failed"] += 1
        elif not self.memory.recent.add_key(transaction.signature):
            self.received["duplicates"] += 1
        else:
            await self._take_transaction(transaction)

    def _follow_slot(self, slot: int | None) -> None:
        """Notice a gap by the slots, and after each reconnect."""
        if slot is None:
            return
        last, is_first = self.memory.slot, self.is_first_message
        self.is_first_message = False
        self.memory.slot = slot if last is None else max(last, slot)
        if last is not None and slot > last and (is_first or slot - last > PAUSE_SLOTS):
            self._note_gap(last)

    def _note_gap(self, after_slot: int) -> None:
        self.received["gaps"] += 1
        waiting = self.memory.gap
        if waiting is None or after_slot < waiting.after_slot:
            self.memory.gap = Gap(after_slot=after_slot)
        self.gap_found.set()

    # One transaction.

    async def _take_transaction(
        self, transaction: Transaction, told: tuple[SourceEvent, ...] = ()
    ) -> None:
        """Send what it says and has not told; for pools that are not known it waits."""
        reading = read_transaction(transaction, self.memory.pools)
        news = [event for event in reading.events if event not in told]
        if reading.unknown_pools:
            held = HeldTransaction(transaction, (*told, *news))
            if self.memory.lookups.hold_transaction(held, reading.unknown_pools[0]):
                reading.refused.clear()  # it is read again
            else:
                self.received["not_waited_for"] += 1
        self.refused += reading.refused
        for event in news:
            self._count_event(event)
            await self.events.send(event)

    def _count_event(self, event: SourceEvent) -> None:
        self.received[type(event).__name__] += 1
        at = getattr(event, "at", None)
        if at is not None:
            self.lag_seconds = max(event.seen_at - at, 0.0)

    # Beside the stream.

    async def _look_up_pools(self) -> None:
        lookups = self.memory.lookups
        backoff = self._new_backoff()
        while True:
            pools = await lookups.wait_for_pools()
            try:
                found = await fetch_pools(self.rpc, pools)
            except SourceUnavailable as error:
                self.received["failed_lookups"] += 1
                self.environment.log.debug("pools not looked up", error=str(error))
                await trio.sleep(backoff.next_wait_seconds())
                continue
            backoff.reset()
            note_pools(self.memory.pools, found)
            settled = list(found)
            for pool in pools:
                if pool not in found and lookups.note_absent(pool):
                    self.memory.pools.note_stranger(pool)
                    settled.append(pool)
            await self._read_again(settled)
            if len(settled) < len(pools):
                await trio.sleep(INDEX_SECONDS)

    async def _read_again(self, pools: Sequence[str]) -> None:
        for pool in pools:
            for held in self.memory.lookups.release(pool):
                await self._take_transaction(held.transaction, held.told)

    async def _fill_gaps(self) -> None:
        while True:
            if self.memory.gap is None:
                self.gap_found = trio.Event()
                await self.gap_found.wait()
            await trio.sleep(INDEX_SECONDS)
            if (gap := self.memory.gap) is not None:
                await self._fill_gap(gap)
                if self.memory.gap is gap:  # else one that began earlier was found meanwhile
                    self.memory.gap = None

    async def _fill_gap(self, gap: Gap) -> None:
        backoff = self._new_backoff()
        for attempt in range(TRIES_OF_A_GAP):
            try:
                await self._fetch_gap(gap)
            except SourceUnavailable as error:
                problem = str(error)
            else:
                self.environment.log.info(
                    "gap filled", source=NAME, transactions=gap.fetched, pages_left_out=gap.left_out
                )
                return
            if attempt < TRIES_OF_A_GAP - 1:
                await trio.sleep(backoff.next_wait_seconds())
        self.received["gaps_given_up"] += 1
        self.environment.log.warning(
            "gap not filled", source=NAME, after_slot=gap.after_slot, problem=problem
        )

    async def _fetch_gap(self, gap: Gap) -> None:
        recent = self.memory.recent
        missed = fetch_missed(
            self.rpc,
            gap,
            is_known=lambda signature: signature in recent.keys,
            clock=self.environment.clock,
        )
        async for transaction in missed:
            if recent.add_key(transaction.signature):
                self.received["fetched"] += 1
                await self._take_transaction(transaction)

    def _new_backoff(self) -> Backoff:
        return Backoff(
            first_seconds=FIRST_RETRY_SECONDS,
            longest_seconds=LONGEST_RETRY_SECONDS,
            random=self.environment.random,
        )
