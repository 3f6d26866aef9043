"""The connection that comes back, and the iterator over what it brings."""

import json
import logging
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import uniform
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import anyio
import httpx
import wsproto.events
import wsproto.utilities
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from httpx_ws import AsyncWebSocketSession, HTTPXWSException, WebSocketUpgradeError, aconnect_ws

from .fold import Item, fold

SHORTEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 20.0  # between two attempts
PING_SECONDS, PONG_SECONDS = 10.0, 10.0  # a network may die without a word
CONNECT_SECONDS = 10.0
QUEUED_MESSAGES = 16  # read ahead of who iterates; then the connection is not read any further
MESSAGE_BYTES = 64 * 1024  # read at once; larger messages come in several pieces

# What ends a connection, and is mended by another one; also a message that cannot be read.
CONNECTION_ERRORS = (
    HTTPXWSException,
    httpx.TransportError,
    anyio.BrokenResourceError,
    OSError,
    wsproto.utilities.ProtocolError,  # something was sent behind the service's close
    zlib.error,
    json.JSONDecodeError,
)

View = Mapping[str, Any]  # boards, filters, sort, limit: docs/API.md, "Views"

_log = logging.getLogger("token_discovery_client")


class FeedRefused(Exception):
    """The service does not take what was asked for; `code` is of docs/API.md."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Update:
    """A board as it is after one message."""

    board: str  # the name of the board, or what the view is called by the caller
    items: Mapping[str, Item]  # by mint; see `sort_items`
    changed: frozenset[str] | None  # mints that came, changed or went; None: everything is new
    epoch: str
    offset: int


@dataclass
class _Board:
    request: dict[str, Any]  # what a subscription says
    items: dict[str, Item] = field(default_factory=dict)
    cursor: dict[str, Any] | None = None


class Feed:
    """An iterator over updates; made by `follow`."""

    def __init__(self, updates: MemoryObjectReceiveStream[Update]) -> None:
        self._updates = updates

    def __aiter__(self) -> AsyncIterator[Update]:
        return self

    async def __anext__(self) -> Update:
        try:
            return await self._updates.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


@asynccontextmanager
async def follow(
    url: str,
    *,
    boards: Iterable[str] = ("new", "graduating", "bonded", "hot"),
    views: Mapping[str, View] | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[Feed]:
    """Follow boards, and views under names of the caller's, of the service at `url`.

    `headers` go with every handshake, an integrator's key for instance. Leaving the block closes
    the connection. What the service refuses for good is raised there as `FeedRefused`, in an
    `ExceptionGroup` as AnyIO's task groups have it.
    """
    followed = {board: _Board({"board": board}) for board in boards}
    followed |= {name: _Board({"view": view, "id": name}) for name, view in (views or {}).items()}
    sending, receiving = anyio.create_memory_object_stream[Update](0)
    line = _Line(_socket_url(url), dict(headers or {}), followed, sending)
    async with anyio.create_task_group() as tasks, receiving:
        tasks.start_soon(line.keep_open)
        yield Feed(receiving)
        tasks.cancel_scope.cancel()


def _socket_url(url: str) -> str:
    scheme, host, path, _, _ = urlsplit(url)
    if scheme not in ("http", "https") or not host:
        raise ValueError(f"{url!r} is no address of a service, such as http://localhost:8080")
    return urlunsplit((scheme, host, f"{path.rstrip('/')}/ws", "", ""))


@dataclass
class _Line:
    """The connection, opened again whenever it breaks."""

    url: str
    headers: dict[str, str]
    followed: dict[str, _Board]
    updates: MemoryObjectSendStream[Update]
    attempts: int = 0  # since a board was last heard of
    named: dict[str, str] = field(default_factory=dict)  # boards as the service calls them

    async def keep_open(self) -> None:
        timeout = httpx.Timeout(CONNECT_SECONDS, read=None)  # silence is what pings are for
        async with self.updates, httpx.AsyncClient(timeout=timeout) as client:
            while True:
                wait_seconds = 0.0
                try:
                    await self._converse(client)
                except* WebSocketUpgradeError as refusals:
                    wait_seconds = _read_retry_after(refusals)
                except* CONNECTION_ERRORS as errors:
                    _log.debug("connection ended: %r", errors)
                await anyio.sleep(max(wait_seconds, self._next_wait()))

    def _next_wait(self) -> float:
        """Twice as long each time, and not at the moment at which all others come back."""
        longest = min(SHORTEST_WAIT_SECONDS * 2**self.attempts, LONGEST_WAIT_SECONDS)
        self.attempts = min(self.attempts + 1, 16)
        return uniform(longest / 2, longest)

    async def _converse(self, client: httpx.AsyncClient) -> None:
        session: AsyncWebSocketSession
        async with aconnect_ws(
            self.url,
            client,
            headers=self.headers,
            queue_size=QUEUED_MESSAGES,
            max_message_size_bytes=MESSAGE_BYTES,
            keepalive_ping_interval_seconds=PING_SECONDS,
            keepalive_ping_timeout_seconds=PONG_SECONDS,
        ) as session:
            self.named = {name: name for name in self.followed}
            for board in self.followed.values():
                since = {} if board.cursor is None else {"since": board.cursor}
                await session.send_json(
                    {"type": "subscribe", "encoding": "deflate", **board.request, **since}
                )
            while True:
                await self._take(await _receive_message(session))

    async def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "error":
            raise FeedRefused(message["code"], message["message"])
        if message["type"] == "view":
            self.named[message["board"]] = message["id"]
        name = self.named.get(message.get("board", ""))
        if name is None or "offset" not in message:
            return
        self.attempts = 0
        board = self.followed[name]
        board.cursor = {"epoch": message["epoch"], "offset": message["offset"]}
        changed: frozenset[str] | None = None
        if message["type"] == "snapshot":
            board.items = {item["mint"]: item for item in message["items"]}
        elif message["type"] == "delta":
            changed = fold(board.items, message["changes"])
        else:
            return  # resumed: deltas follow, if anything was missed
        await self.updates.send(
            Update(name, dict(board.items), changed, message["epoch"], message["offset"])
        )


async def _receive_message(session: AsyncWebSocketSession) -> dict[str, Any]:
    """A text is JSON, and bytes are the same JSON deflated."""
    event = await session.receive()
    text: str | bytes = ""
    if isinstance(event, wsproto.events.TextMessage):
        text = event.data
    elif isinstance(event, wsproto.events.BytesMessage):
        text = zlib.decompress(event.data)
    message: dict[str, Any] = json.loads(text)
    return message


def _read_retry_after(refusals: BaseExceptionGroup[WebSocketUpgradeError]) -> float:
    """What the service asks for, in seconds; `FeedRefused` where trying again is of no use."""
    longest = 0.0
    for refusal in _leaves(refusals):
        response = refusal.response
        if response.status_code in (401, 403, 404):
            raise FeedRefused(str(response.status_code), "the handshake was refused")
        told = response.headers.get("Retry-After", "")
        longest = max(longest, float(told) if told.isdecimal() else 0.0)
    return longest


def _leaves(group: BaseExceptionGroup[WebSocketUpgradeError]) -> Iterable[WebSocketUpgradeError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
