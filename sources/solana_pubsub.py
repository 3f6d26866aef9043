"""New Raydium pools, from a Solana RPC server.

    wss: logsSubscribe (mentions Raydium) -> a log that opens a pool -> signature
    https: getTransaction(signature) -> PoolCreated -> ingest

The log tells that a pool was opened, only the transaction tells which; a server may not know a
transaction for some 7 s after it has sent the log. Signatures wait in a bounded queue for a few
workers; when it is full the newest is dropped and counted, and DexScreener tells of its pool later.
"""

from collections import Counter
from collections.abc import Mapping

import orjson
import trio
from attrs import define, field, frozen
from trio_websocket import WebSocketConnection

from domain.errors import FrameRefused, InputRefused, SourceUnavailable
from domain.snapshots import counter, read_fields, snapshot_class
from domain.values import UnixSeconds
from sources import EventOutbox, SourceEnvironment
from sources.fields import decode_json, mapping
from sources.line import Line, LineSettings, LineSnapshot
from sources.raydium_logs import RAYDIUM_AMM_V4, opens_pool, parse_pools
from sources.recent import RecentKeys
from sources.rpc import JsonRpc

RECENT_SIGNATURES = 10_000
QUEUED_SIGNATURES = 200
WORKERS = 4
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 8.0
GIVE_UP_SECONDS = 30.0

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
        frame = mapping(decode_json(text))
    except ValueError as error:
        raise FrameRefused(text, reason="not_json") from error
    if frame.get("id") == SUBSCRIPTION_ID and "error" in frame:
        raise SourceUnavailable(f"logsSubscribe refused: {str(frame['error'])[:200]}")
    if "result" in frame and "method" not in frame:
        return None
    if frame.get("method") != "logsNotification":
        raise FrameRefused(text, reason="unknown_method")
    value = mapping(mapping(mapping(frame.get("params")).get("result")).get("value"))
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


@define(kw_only=True)
class SolanaPools:
    """An `EventStream` of `PoolCreated`."""

    # Messages out.
    events: EventOutbox
    # State.
    settings: LineSettings
    rpc: JsonRpc
    environment: SourceEnvironment
    line: Line = field(init=False)
    recent: RecentKeys = field(factory=lambda: RecentKeys(limit=RECENT_SIGNATURES), init=False)
    received: Counter[str] = field(factory=Counter, init=False)
    refused: Counter[str] = field(factory=Counter, init=False)

    @line.default
    def _new_line(self) -> Line:
        return Line(settings=self.settings, environment=self.environment)

    async def run(self) -> None:
        """Send events for ever; returns only when cancelled."""
        queue, work = trio.open_memory_channel[OpenedPool](QUEUED_SIGNATURES)
        async with trio.open_nursery() as nursery, queue, work:
            for _ in range(WORKERS):
                nursery.start_soon(self._look_up_forever, work)

            async def talk(connection: WebSocketConnection) -> None:
                await self._listen(connection, queue)

            await self.line.serve(talk)

    def snapshot(self) -> SolanaPoolsSnapshot:
        return SolanaPoolsSnapshot(
            **read_fields(self.line.snapshot()),
            received=dict(self.received),
            refused=dict(self.refused),
        )

    # The log.

    async def _listen(
        self, connection: WebSocketConnection, queue: trio.MemorySendChannel[OpenedPool]
    ) -> None:
        await self.line.send(connection, SUBSCRIPTION)
        while True:
            text = await self.line.receive(connection)
            self.received["frames"] += 1
            try:
                opened = parse_notification(text, self.environment.clock())
            except InputRefused as refusal:
                self._count_refusal(refusal)
                continue
            if opened is not None:
                self._enqueue(opened, queue)

    def _enqueue(self, opened: OpenedPool, queue: trio.MemorySendChannel[OpenedPool]) -> None:
        if not self.recent.add(opened.signature):
            self.received["duplicates"] += 1
            return
        try:
            queue.send_nowait(opened)
        except trio.WouldBlock:
            self.received["dropped"] += 1
            self.environment.log.warning("pool dropped", signature=opened.signature)

    # The transaction.

    async def _look_up_forever(self, work: trio.MemoryReceiveChannel[OpenedPool]) -> None:
        while True:
            opened = await work.receive()
            try:
                await self._look_up(opened)
            except InputRefused as refusal:
                self._count_refusal(refusal)
            except SourceUnavailable as error:
                self.received["not_found"] += 1
                self.environment.log.warning(
                    "pool's transaction not found", signature=opened.signature, error=str(error)
                )

    async def _look_up(self, opened: OpenedPool) -> None:
        transaction = await self._transaction(opened.signature)
        for event in parse_pools(transaction, opened.signature, opened.seen_at):
            self.received["PoolCreated"] += 1
            await self.events.send(event)

    async def _transaction(self, signature: str) -> object:
        """The transaction, asked for until `GIVE_UP_SECONDS` have passed."""
        give_up_at = trio.current_time() + GIVE_UP_SECONDS
        wait = FIRST_RETRY_SECONDS
        problem = SourceUnavailable(f"not known after {GIVE_UP_SECONDS:g} s")
        while True:
            try:
                result = await self.rpc.call("getTransaction", [signature, TRANSACTION_OPTIONS])
                if result is not None:
                    return result
            except SourceUnavailable as error:
                problem = error
            if trio.current_time() + wait > give_up_at:
                raise problem
            await trio.sleep(wait)
            wait = min(2 * wait, LONGEST_RETRY_SECONDS)

    def _count_refusal(self, refusal: InputRefused) -> None:
        self.refused[refusal.reason] += 1
        self.environment.log.info("pool refused", reason=refusal.reason, sample=refusal.sample)
