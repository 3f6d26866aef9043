"""New Raydium pools, from a Solana RPC server.

    wss: logsSubscribe (mentions Raydium) -> a log that opens a pool -> signature
    https: getTransaction(signature) -> PoolCreated -> ingest

The log tells that a pool was opened, only the transaction tells which; a server may not know a
transaction for some 7 s after it has sent the log. Look-ups wait in a bounded queue for a few
workers. A worker asks once: what is not known yet goes back into the queue, so that it holds up
no other look-up. When the queue is full, the newest pool is dropped and counted; market data finds
it later.
"""

from collections import Counter
from collections.abc import Mapping

import orjson
import trio
from attrs import define, field, frozen

from domain.backoff import Backoff
from domain.errors import FrameRefused, InputRefused, SourceUnavailable
from domain.snapshots import counter, gauge, read_fields, snapshot_class
from domain.values import UnixSeconds
from sources import EventOutbox, SourceEnvironment
from sources.connection import SourceConnection
from sources.delayed import DelayedQueue
from sources.fields import decode_json, read_object
from sources.frame_splitter import Frame
from sources.line import Line, LineSettings, LineSnapshot
from sources.names import SOLANA_POOLS
from sources.raydium_logs import RAYDIUM_AMM_V4, opens_pool, parse_pools
from sources.recent import RecentKeys
from sources.rpc import JsonRpc

NAME = SOLANA_POOLS
RECENT_SIGNATURES = 10_000
WAITING_LOOKUPS = 200
WORKERS = 4  # requests at a time
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 8.0
GIVE_UP_SECONDS = 30.0  # after the log was heard: some four times what a server needs

SUBSCRIPTION_ID = 1
SUBSCRIPTION = orjson.dumps(
    {
        "jsonrpc": "2.0",
        "id": SUBSCRIPTION_ID,
        "method": "logsSubscribe",
        "params": [{"mentions": [RAYDIUM_AMM_V4]}, {"commitment": "confirmed"}],
    }
)
TRANSACTION_OPTIONS = {
    "encoding": "jsonParsed",
    "commitment": "confirmed",
    "maxSupportedTransactionVersion": 0,
}


@frozen(kw_only=True)
class OpenedPool:
    """A transaction that opened a pool, to be looked up."""

    signature: str
    seen_at: UnixSeconds


def parse_notification(text: str | bytes, seen_at: UnixSeconds) -> OpenedPool | None:
    """The transaction of a frame that tells of a new pool, None for any other log.

    `FrameRefused` for what is neither a log nor an answer; `SourceUnavailable` for the server's
    refusal to subscribe.
    """
    if not _may_matter(text):
        return None
    try:
        frame = read_object(decode_json(text))
    except ValueError as error:
        raise FrameRefused(text, reason="not_json") from error
    if frame.get("id") == SUBSCRIPTION_ID and "error" in frame:
        raise SourceUnavailable(f"logsSubscribe refused: {str(frame['error'])[:200]}")
    if "result" in frame and "method" not in frame:
        return None
    if frame.get("method") != "logsNotification":
        raise FrameRefused(text, reason="unknown_method")
    value = read_object(read_object(read_object(frame.get("params")).get("result")).get("value"))
    signature = value.get("signature")
    if not isinstance(signature, str) or not 1 <= len(signature) <= 128:
        raise FrameRefused(text, reason="no_signature")
    if "err" not in value:
        raise FrameRefused(text, reason="no_err")
    if not opens_pool(value.get("logs"), value["err"]):
        return None
    return OpenedPool(signature=signature, seen_at=seen_at)


def _may_matter(text: str | bytes) -> bool:
    """False for the hundreds of swaps a second: their logs need no decoding."""
    if isinstance(text, bytes):
        return b"initialize2" in text or b'"logsNotification"' not in text
    return "initialize2" in text or '"logsNotification"' not in text


@snapshot_class
class SolanaPoolsSnapshot(LineSnapshot):
    received: Mapping[str, int] = counter("What came, or became of it, by kind.", by="kind")
    refused: Mapping[str, int] = counter("Messages that make no sense.", by="reason")
    lookups_waiting: int = gauge("Transactions that wait to be looked up, first or again.")


@define(kw_only=True)
class PoolLookup:
    """A pool whose transaction is still asked for."""

    opened: OpenedPool
    give_up_at: float  # trio time
    backoff: Backoff


@define(kw_only=True)
class SolanaPoolsMemory:
    """What outlives a restart of the stream."""

    recent: RecentKeys = field(factory=lambda: RecentKeys(limit=RECENT_SIGNATURES), init=False)
    lookups: DelayedQueue[PoolLookup] = field(
        factory=lambda: DelayedQueue(limit=WAITING_LOOKUPS), init=False
    )


@define(kw_only=True)
class SolanaPools:
    """An `EventStream` of `PoolCreated`."""

    # Messages out.
    events: EventOutbox
    # State.
    settings: LineSettings
    rpc: JsonRpc
    environment: SourceEnvironment
    memory: SolanaPoolsMemory
    line: Line = field(init=False)
    received: Counter[str] = field(factory=Counter, init=False)
    refused: Counter[str] = field(factory=Counter, init=False)

    @line.default
    def _new_line(self) -> Line:
        return Line(name=NAME, settings=self.settings, environment=self.environment)

    async def run(self) -> None:
        """Send events for ever; returns only when cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(WORKERS):
                nursery.start_soon(self._look_up_forever)
            await self.line.serve(self._listen)

    def snapshot(self) -> SolanaPoolsSnapshot:
        return SolanaPoolsSnapshot(
            **read_fields(self.line.snapshot()),
            received=dict(self.received),
            refused=dict(self.refused),
            lookups_waiting=len(self.memory.lookups.heap),
        )

    # The log.

    async def _listen(self, connection: SourceConnection) -> None:
        await self.line.send(connection, SUBSCRIPTION)
        while True:
            for text in await self.line.receive_frames(connection):
                self._take_frame(text)

    def _take_frame(self, text: Frame) -> None:
        self.received["frames"] += 1
        try:
            opened = parse_notification(text, self.environment.clock())
        except InputRefused as refusal:
            self._count_refusal(refusal)
            return
        if opened is not None:
            self._enqueue(opened)

    def _enqueue(self, opened: OpenedPool) -> None:
        if not self.memory.recent.add_key(opened.signature):
            self.received["duplicates"] += 1
            return
        backoff = Backoff(
            first_seconds=FIRST_RETRY_SECONDS,
            longest_seconds=LONGEST_RETRY_SECONDS,
            random=self.environment.random,
        )
        give_up_at = trio.current_time() + GIVE_UP_SECONDS
        lookup = PoolLookup(opened=opened, give_up_at=give_up_at, backoff=backoff)
        if not self.memory.lookups.add_item(lookup):
            self.received["dropped"] += 1
            self.environment.log.warning("pool dropped", signature=opened.signature)

    # The transaction.

    async def _look_up_forever(self) -> None:
        while True:
            await self._look_up(await self.memory.lookups.take_item())

    async def _look_up(self, lookup: PoolLookup) -> None:
        """Ask once for a transaction and send its pools, or leave it for another attempt."""
        signature = lookup.opened.signature
        try:
            transaction = await self.rpc.call_method(
                "getTransaction", [signature, TRANSACTION_OPTIONS]
            )
        except SourceUnavailable as error:
            self._try_later(lookup, str(error))
            return
        if transaction is None:
            self._try_later(lookup, "the server does not know it")
            return
        try:
            events = parse_pools(transaction, signature, lookup.opened.seen_at)
        except InputRefused as refusal:
            self._count_refusal(refusal)
            return
        for event in events:
            self.received["PoolCreated"] += 1
            await self.events.send(event)

    def _try_later(self, lookup: PoolLookup, problem: str) -> None:
        due_at = trio.current_time() + lookup.backoff.next_wait_seconds()
        if due_at <= lookup.give_up_at:
            self.memory.lookups.put_back(lookup, due_at)
            return
        self.received["not_found"] += 1
        self.environment.log.warning(
            "pool's transaction not found", signature=lookup.opened.signature, problem=problem
        )

    def _count_refusal(self, refusal: InputRefused) -> None:
        self.refused[refusal.reason] += 1
        self.environment.log.info("pool refused", reason=refusal.reason, sample=refusal.sample)
