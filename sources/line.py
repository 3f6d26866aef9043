"""A WebSocket that is always there: connect, talk, and when it ends for any reason, again.

    Line.serve(talk) -> talk(connection), afresh on every connection

There is no last attempt. The waits grow exponentially with jitter up to a longest one, and are
short again after a connection that lived at least as long as that. A socket that stays open and
says nothing counts as lost.

An outage begins with the first problem, and ends when the server has sent a message that was
handled without one: a server that accepts connections and closes them at once is still away.

Defects of trio-websocket 0.12 that this module works around: a ping that arrives while the client
is closing leaks a foreign `Cancelled`, which ends the enclosing nursery without an error, so each
connection has a nursery of its own and its end is always a reason to reconnect; `aclose` does
not close the stream when the peer was first, so the stream is opened and closed here; a full
message queue stops the reader and its pongs, so the queue is long.
"""

import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn, TypeVar
from urllib.parse import SplitResult, urlsplit

import trio
from attrs import define, field, frozen
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)
from wsproto.utilities import ProtocolError

from domain.backoff import Backoff
from domain.errors import InputRefused, SourceUnavailable
from domain.messages import SourceEvent
from domain.snapshots import counter, detail, gauge, snapshot_class
from sources import EventOutbox, SourceEnvironment, StreamSnapshot
from sources.connection import PacedStream, SourceConnection
from sources.frame_splitter import (
    FRAMES_A_BATCH,
    LARGEST_MESSAGE_BYTES,
    Frame,
    FrameSplitter,
)
from sources.outages import SourceOutage

RECEIVE_BUFFER_BYTES = 256 * 2**10
CONNECT_SECONDS = 10.0  # to connect with TLS; and as long again for the upgrade
SEND_SECONDS = 10.0
CLOSE_SECONDS = 1.0
STATUS_STAY_AWAY = frozenset({403, 429})  # asked too often: take the longest wait at once

LOST = (
    OSError,  # with ssl.SSLError
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
    ConnectionClosed,
    HandshakeError,  # with ConnectionRejected: HTTP 502, 503, 504, 429 ...
    ProtocolError,
    SourceUnavailable,
)

Talk = Callable[[SourceConnection], Awaitable[None]]
Reader = Callable[[Sequence[Frame]], Iterable[SourceEvent]]
Said = TypeVar("Said")


@frozen(kw_only=True)
class LineSettings:
    """Where to connect, and how patiently."""

    url: str = field(repr=False)  # ws:// or wss://; its query may hold a key
    silence_seconds: float
    reconnect_seconds: float
    reconnect_longest_seconds: float


@snapshot_class
class LineSnapshot(StreamSnapshot):
    """The connection of a stream; each stream adds what it makes of the messages."""

    connected: bool = gauge("1 while the stream has a connection.")
    connections: int = counter("Connections that got through the handshake.")
    last_message_age_seconds: float | None = gauge("Seconds since the last message, if any came.")
    last_problem: str | None = detail("What ended the last connection.")


@define(kw_only=True)
class Line:
    """One WebSocket to one server, renewed for ever."""

    name: str  # of the source, as people know it; also of the stream that reports its outages
    settings: LineSettings
    environment: SourceEnvironment
    backoff: Backoff = field(init=False)
    outage: SourceOutage = field(init=False)
    is_connected: bool = field(default=False, init=False)
    has_received: bool = field(default=False, init=False)  # on this connection
    connections: int = field(default=0, init=False)  # that got through the handshake
    last_message_at: float | None = field(default=None, init=False)  # trio time
    last_problem: str | None = field(default=None, init=False)

    @backoff.default
    def _new_backoff(self) -> Backoff:
        return Backoff(
            first_seconds=self.settings.reconnect_seconds,
            longest_seconds=self.settings.reconnect_longest_seconds,
            random=self.environment.random,
        )

    @outage.default
    def _new_outage(self) -> SourceOutage:
        return SourceOutage(source=self.name, reporter=self.name, environment=self.environment)

    async def serve(self, talk: Talk) -> NoReturn:
        """Hold a conversation on one connection after another; ends only when cancelled."""
        while True:
            started_at = trio.current_time()
            is_asked_to_stay_away = await self._hold_one_connection(talk)
            if trio.current_time() - started_at >= self.settings.reconnect_longest_seconds:
                self.backoff.reset()
            wait = self.backoff.next_wait_seconds()
            if is_asked_to_stay_away:
                wait = max(wait, self.settings.reconnect_longest_seconds)
            self.environment.log.debug("reconnecting", source=self.name, wait_seconds=wait)
            await trio.sleep(wait)

    async def receive_frames(self, connection: SourceConnection) -> list[Frame]:
        """The next messages, at least one; `SourceUnavailable` after a silence too long."""
        if self.has_received:  # and what was received has been handled
            self.outage.note_success()
        with trio.move_on_after(self.settings.silence_seconds):
            frames = await connection.receive_frames()
            self.last_message_at = trio.current_time()
            self.has_received = True
            return frames
        raise SourceUnavailable(f"silent for {self.settings.silence_seconds:g} s")

    async def relay(self, connection: SourceConnection, events: EventOutbox, read: Reader) -> None:
        """Put the events that the next messages tell.

        Each is read when it is put, so that a failure costs none of those before it.
        """
        await events.send_all(read(await self.receive_frames(connection)))

    async def send(self, connection: SourceConnection, message: str | bytes) -> None:
        """Send a text frame; a send that hangs ends the connection."""
        text = message if isinstance(message, str) else message.decode()
        with trio.fail_after(SEND_SECONDS):
            await connection.send_message(text)

    def snapshot(self) -> LineSnapshot:
        heard_at = self.last_message_at
        return LineSnapshot(
            connected=self.is_connected,
            connections=self.connections,
            last_message_age_seconds=None if heard_at is None else trio.current_time() - heard_at,
            last_problem=self.last_problem,
        )

    async def _hold_one_connection(self, talk: Talk) -> bool:
        """One connection from dialling to its end; True if the server told us to stay away."""
        lost: list[Exception] = []
        try:
            async with trio.open_nursery() as nursery:
                await self._connect_and_talk(nursery, talk)
                nursery.cancel_scope.cancel()
        except* LOST as group:
            lost = list_errors(group)
        finally:
            self.is_connected = self.has_received = False
        self.last_problem = "; ".join(map(describe_error, lost)) or "the connection ended"
        self.outage.note_problem(self.last_problem)
        return any(
            isinstance(error, ConnectionRejected) and error.status_code in STATUS_STAY_AWAY
            for error in lost
        )

    async def _connect_and_talk(self, nursery: trio.Nursery, talk: Talk) -> None:
        address = urlsplit(self.settings.url)
        with trio.fail_after(CONNECT_SECONDS):
            tcp, stream = await open_stream(address)
        try:
            with trio.fail_after(CONNECT_SECONDS):
                splitter = FrameSplitter(stream)
                websocket = await self._shake_hands(nursery, splitter, address)
            self.is_connected = True
            self.connections += 1
            log = self.environment.log.info if self.connections == 1 else self.environment.log.debug
            log("connected", source=self.name, host=address.hostname)
            try:
                await talk(SourceConnection(websocket, tcp, splitter))
            finally:
                with trio.move_on_after(CLOSE_SECONDS):
                    await websocket.aclose()
        finally:
            await trio.aclose_forcefully(stream)

    async def _shake_hands(
        self,
        nursery: trio.Nursery,
        stream: trio.abc.Stream,
        address: SplitResult,
    ) -> WebSocketConnection:
        query = f"?{address.query}" if address.query else ""
        return await wrap_client_stream(
            nursery,
            stream,  # type: ignore[arg-type]  # any stream will do
            host=address.netloc.rpartition("@")[2],
            resource=(address.path or "/") + query,
            message_queue_size=FRAMES_A_BATCH,  # of what the splitter leaves to it
            max_message_size=LARGEST_MESSAGE_BYTES,
            receive_buffer_size=RECEIVE_BUFFER_BYTES,
        )


def parse_each(
    frames: Iterable[Frame],
    parse: Callable[[Frame], Said],
    refused: Counter[str],
    log: Any,
    **more: object,
) -> Iterator[Said]:
    """What each frame says; one that is refused is counted, and costs only itself."""
    for frame in frames:
        try:
            said = parse(frame)
        except InputRefused as refusal:
            count_refusal(refused, refusal, log, **more)
            continue
        yield said


def count_refusal(refused: Counter[str], refusal: InputRefused, log: Any, **more: object) -> None:
    """Count junk by its reason; only the first of its kind is worth a line for people."""
    refused[refusal.reason] += 1
    tell = log.info if refused[refusal.reason] == 1 else log.debug
    tell("frame refused", **more, reason=refusal.reason, sample=refusal.sample)


async def open_stream(address: SplitResult) -> tuple[PacedStream, trio.abc.Stream]:
    """A connected stream, and the one to talk on: for wss:// TLS, with a verified certificate."""
    is_secure = address.scheme == "wss"
    host = address.hostname or ""
    tcp = PacedStream(await trio.open_tcp_stream(host, address.port or (443 if is_secure else 80)))
    if not is_secure:
        return tcp, tcp
    context = ssl.create_default_context()
    stream = trio.SSLStream(tcp, context, server_hostname=host, https_compatible=True)
    try:
        # Left to the first byte, a refused certificate would look like a slow upgrade.
        await stream.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(tcp)
        raise
    return tcp, stream


def list_errors(group: BaseExceptionGroup[Exception]) -> list[Exception]:
    """Every error of a group, however nested."""
    found: list[Exception] = []
    for error in group.exceptions:
        found += list_errors(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def describe_error(error: Exception) -> str:
    """An error for a log line; addresses with keys in them never occur in these."""
    if isinstance(error, trio.BrokenResourceError) and isinstance(error.__cause__, Exception):
        return describe_error(error.__cause__)  # what TLS or the socket said
    if isinstance(error, ConnectionRejected):
        return f"HTTP {error.status_code} at the upgrade"
    if isinstance(error, ConnectionClosed) and error.reason is not None:
        return f"closed by the server: {error.reason.code} {error.reason.reason or ''}".rstrip()
    if isinstance(error, trio.TooSlowError):
        return "timed out"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
