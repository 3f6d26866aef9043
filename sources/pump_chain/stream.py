"""The chain itself: births, trades, completed curves and migrations from the programs' own logs.

    wss: logsSubscribe (pump, PumpSwap, LaunchLab) -> Transaction -> SourceEvent -> ingest
    https: pools that trades name, births and migrations of a gap

One socket with a subscription a program. A transaction that mentions two of them comes twice, and
servers send exact duplicates, too: a signature counts once. A reconnect, a subscription that has
fallen silent, or a pause over more slots than pump is ever silent (`slots`) may hide something:
births and migrations since then are fetched (`gaps`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import trio
from attrs import define, evolve, field

from domain.backoff import Backoff
from domain.errors import SourceUnavailable
from domain.messages import SourceEvent
from domain.outline import TokenOutline
from domain.snapshots import counter, gauge, read_fields, snapshot_class
from domain.values import WRAPPED_SOL, Mint
from sources import EventOutbox, SourceEnvironment
from sources.connection import SourceConnection
from sources.frame_splitter import Frame
from sources.line import Line, LineSettings, LineSnapshot, parse_each
from sources.pump_chain.gaps import Gap, GapList, fetch_missed
from sources.pump_chain.lookups import HeldTransaction, PoolLookups, fetch_pools, note_pools
from sources.pump_chain.market import read_transaction
from sources.pump_chain.notifications import SubscriptionMade, parse_notification
from sources.pump_chain.pools import PUMP_DECIMALS, PoolFacts, PoolTable
from sources.pump_chain.programs import LAUNCHLAB, PUMP, PUMPSWAP
from sources.pump_chain.reading import SOURCE, Transaction
from sources.pump_chain.slots import SlotFollower
from sources.pump_chain.subscriptions import ProgramSubscriptions
from sources.pump_chain.watched_rpc import RpcCalls, WatchedRpc
from sources.recent import RecentKeys

NAME = SOURCE
PROGRAMS = (PUMP, PUMPSWAP, LAUNCHLAB)
RECENT_SIGNATURES = 100_000  # about two minutes of all transactions of the programs
REMEMBERED_POOLS = 100_000
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 60.0


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
    slots: SlotFollower = field(factory=SlotFollower, init=False)
    gaps: GapList = field(factory=GapList, init=False)

    def follow_pools(self, tokens: Sequence[TokenOutline]) -> None:
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
    rpc: RpcCalls
    environment: SourceEnvironment
    memory: PumpChainMemory
    line: Line = field(init=False)
    watched_rpc: WatchedRpc = field(init=False)
    subscriptions: ProgramSubscriptions = field(init=False)  # of this connection
    pump_slot: int | None = field(default=None, init=False)  # of pump's last message
    lag_seconds: float | None = field(default=None, init=False)
    received: Counter[str] = field(factory=Counter, init=False)
    refused: Counter[str] = field(factory=Counter, init=False)

    @line.default
    def _new_line(self) -> Line:
        return Line(name=NAME, settings=self.settings, environment=self.environment)

    @watched_rpc.default
    def _new_watched_rpc(self) -> WatchedRpc:
        return WatchedRpc(rpc=self.rpc, environment=self.environment)

    @subscriptions.default
    def _new_subscriptions(self) -> ProgramSubscriptions:
        return ProgramSubscriptions(silence_seconds=self.settings.silence_seconds)

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
            slot=self.memory.slots.slot,
            lag_seconds=self.lag_seconds,
            pools=len(self.memory.pools.pools),
            waiting=self.memory.lookups.transactions,
            gaps=self.received["gaps"],
        )

    # One connection.

    async def _listen(self, connection: SourceConnection) -> None:
        self.memory.slots.begin_connection()
        self.subscriptions = self._new_subscriptions()
        for program in PROGRAMS:
            await self._subscribe(connection, program)
        while True:
            await self.line.relay(connection, self.events, self._read_messages)
            for program in self.subscriptions.list_silent(trio.current_time()):
                self._note_silence(program)
                await self._subscribe(connection, program)

    async def _subscribe(self, connection: SourceConnection, program: str) -> None:
        request = self.subscriptions.make_request(program, trio.current_time())
        await self.line.send(connection, request)

    def _note_silence(self, program: str) -> None:
        """A program's subscription may have been dropped, and with it what pump has told of."""
        self.received["silent_subscriptions"] += 1
        self.environment.log.debug("subscription silent", source=NAME, program=program)
        if program == PUMP and self.pump_slot is not None:
            self._note_gap(self.pump_slot)

    def _read_messages(self, texts: Iterable[Frame]) -> Iterator[SourceEvent]:
        """The events that the messages tell."""
        seen_at, now = self.environment.clock(), trio.current_time()

        def parse(text: Frame) -> SubscriptionMade | Transaction | None:
            self.received["messages"] += 1
            return parse_notification(text, seen_at)

        for said in parse_each(texts, parse, self.refused, self.environment.log, source=NAME):
            if isinstance(said, SubscriptionMade):
                self.subscriptions.note_made(said)
            elif said is not None and self._is_news(said, now):
                yield from self._read_transaction(HeldTransaction(said))

    def _is_news(self, transaction: Transaction, now: float) -> bool:
        """Note what a notification tells of its program and slot; True for new events."""
        program = self.subscriptions.note_heard(transaction.subscription, now)
        if transaction.slot is not None:
            self._follow_slot(transaction.slot, now)
            if program == PUMP:
                self.pump_slot = self.memory.slots.slot
        if transaction.logs is None:
            self.received["failed"] += 1
            return False
        is_new = self.memory.recent.add_key(transaction.signature)
        self.received["duplicates"] += not is_new
        return is_new

    def _follow_slot(self, slot: int, now: float) -> None:
        from_slot = self.memory.slots.follow_slot(slot, now)
        if from_slot is not None:
            self._note_gap(from_slot)

    def _note_gap(self, from_slot: int) -> None:
        self.received["gaps"] += 1
        self.memory.gaps.note_gap(from_slot, self._new_backoff())

    # One transaction.

    def _read_transaction(self, held: HeldTransaction) -> list[SourceEvent]:
        """What it says and has not told; for pools that are not known it waits."""
        reading = read_transaction(held.transaction, self.memory.pools)
        news = [event for event in reading.events if event not in held.told]
        unknown = [pool for pool in reading.unknown_pools if pool not in held.given_up]
        if unknown:
            waiting = evolve(held, told=(*held.told, *news))
            if self.memory.lookups.hold_transaction(waiting, unknown[0]):
                reading.refused.clear()  # it is read again
            else:
                self.received["not_waited_for"] += 1
        self.refused += reading.refused
        for event in news:
            self._count_event(event)
        return news

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
                found = await fetch_pools(self.watched_rpc, pools)
            except SourceUnavailable as error:
                self.received["failed_lookups"] += 1
                self.environment.log.debug("pools not looked up", error=str(error))
                await trio.sleep(backoff.next_wait_seconds())
                continue
            backoff.reset()
            note_pools(self.memory.pools, found)
            for pool in pools:
                is_given_up = pool not in found and lookups.note_absent(pool)
                if pool in found or is_given_up:
                    await self._read_again(pool, is_given_up=is_given_up)

    async def _read_again(self, pool: str, *, is_given_up: bool) -> None:
        for held in self.memory.lookups.release(pool):
            given_up = held.given_up | {pool} if is_given_up else held.given_up
            await self.events.send_all(self._read_transaction(evolve(held, given_up=given_up)))

    async def _fill_gaps(self) -> None:
        gaps = self.memory.gaps
        while True:
            gap = await gaps.wait_for_gap()
            try:
                await self._fetch_gap(gap)
            except SourceUnavailable as error:
                self._note_unfilled(gap, str(error))
            else:
                if gap.unknown:
                    self._note_unfilled(gap, f"{gap.unknown} transactions are not known yet")
                elif not gaps.note_look(gap):
                    self._tell_filled(gap)

    def _note_unfilled(self, gap: Gap, problem: str) -> None:
        if not self.memory.gaps.note_failure(gap):
            self.received["gaps_given_up"] += 1
            self.environment.log.warning(
                "gap not filled", source=NAME, from_slot=gap.from_slot, problem=problem
            )

    def _tell_filled(self, gap: Gap) -> None:
        self.environment.log.info(
            "gap filled", source=NAME, transactions=gap.fetched, pages_left_out=gap.left_out
        )

    async def _fetch_gap(self, gap: Gap) -> None:
        recent = self.memory.recent
        missed = fetch_missed(
            self.watched_rpc,
            gap,
            is_known=lambda signature: signature in recent.keys,
            clock=self.environment.clock,
        )
        async for transaction in missed:
            if recent.add_key(transaction.signature):
                self.received["fetched"] += 1
                await self.events.send_all(self._read_transaction(HeldTransaction(transaction)))

    def _new_backoff(self) -> Backoff:
        return Backoff(
            first_seconds=FIRST_RETRY_SECONDS,
            longest_seconds=LONGEST_RETRY_SECONDS,
            random=self.environment.random,
        )
