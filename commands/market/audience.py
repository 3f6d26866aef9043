"""Who listens to which stream, and what of every event each of them is sent.

    events of one transaction -> frames of PumpPortal, PumpAPI and the chain -> Client.queue

The chain remembers every transaction, for whoever asks over HTTP later; frames are made only for
streams that somebody listens to.
"""

from collections.abc import Sequence
from typing import Any

import orjson
import trio
from attrs import define, field
from trio_websocket import WebSocketConnection

from commands.market.events import Event, Traded
from commands.market.programs import LAUNCHLAB, PUMP, PUMP_AMM
from commands.market.pumpapi import pumpapi_frame
from commands.market.pumpportal import Subscriptions, frame_of
from commands.market.solana import SolanaNode, notification, rpc_error
from commands.market.traps import Traps
from commands.market.troubles import StreamName, Troubles
from domain.values import Mint

LARGEST_SUBSCRIPTION = 2**53
FOLLOWED_PROGRAMS = frozenset({PUMP, PUMP_AMM, LAUNCHLAB})


@define(eq=False)
class Client:
    """One WebSocket; `queue` decouples a slow reader from the market."""

    socket: WebSocketConnection
    queue: "trio.MemorySendChannel[bytes]"
    scope: trio.CancelScope  # of its session; cancelled, the connection breaks off
    closed: bool = False

    def send(self, payload: bytes) -> None:
        """Queue a frame. A client that leaves too many unread is dropped, as in the real world."""
        if self.closed:
            return
        try:
            self.queue.send_nowait(payload)
        except trio.WouldBlock:
            self.closed = True
            self.queue.close()


@define(kw_only=True, eq=False)
class Audience:
    """All clients of the three streams."""

    node: SolanaNode
    traps: Traps
    troubles: Troubles
    portal_clients: dict[Client, Subscriptions] = field(factory=dict)
    api_clients: dict[Client, None] = field(factory=dict)
    log_clients: dict[Client, dict[int, str]] = field(factory=dict)  # address by subscription
    frames_sent: int = 0

    def clients(self, stream: StreamName) -> list[Client]:
        every: dict[StreamName, list[Client]] = {
            "pumpportal": list(self.portal_clients),
            "pumpapi": list(self.api_clients),
            "chain": list(self.log_clients),
        }
        return every[stream]

    def cut(self, stream: StreamName) -> int:
        """Break all connections of a stream off, without a word; how many there were."""
        clients = self.clients(stream)
        for client in clients:
            client.scope.cancel()
            self.leave(client)
        return len(clients)

    def leave(self, client: Client) -> None:
        self.portal_clients.pop(client, None)
        self.api_clients.pop(client, None)
        self.log_clients.pop(client, None)

    def publish(self, events: Sequence[Event]) -> None:
        """Tell every stream of one transaction."""
        for event in events:
            self._tell_portal(event)
            self._tell_api(event)
        self._tell_chain(events)

    def _tell_portal(self, event: Event) -> None:
        if "pumpportal" in self.troubles.silent or not self.portal_clients:
            return
        if isinstance(event, Traded) and not self._is_followed(event.token.mint):
            return  # most trades: nobody would read the frame
        frame = frame_of(event)
        for spoilt in self.traps.spoil(frame) if frame else ():
            payload = orjson.dumps(spoilt)
            for client, subscriptions in list(self.portal_clients.items()):
                if subscriptions.wants(spoilt["txType"], spoilt["mint"]):
                    self._send(client, payload)

    def _is_followed(self, mint: Mint) -> bool:
        return any(mint in subscriptions.keys for subscriptions in self.portal_clients.values())

    def _tell_api(self, event: Event) -> None:
        if "pumpapi" in self.troubles.silent or not self.api_clients:
            return
        frame = pumpapi_frame(event, self.node.clock.wall_time(event.at))
        if frame is None:
            return
        payload = orjson.dumps(frame)
        for client in list(self.api_clients):
            self._send(client, payload)

    def _tell_chain(self, events: Sequence[Event]) -> None:
        listening = {} if "chain" in self.troubles.silent else dict(self.log_clients)
        wanted = {address for own in listening.values() for address in own.values()}
        for notice in self.node.notices(events, wanted):
            result = notice.result()
            for client, subscriptions in listening.items():
                for subscription, address in subscriptions.items():
                    if address in notice.mentions:
                        self._send(client, notification(subscription, result))

    def _send(self, client: Client, payload: bytes) -> None:
        client.send(payload)
        self.frames_sent += 1

    # What clients ask over a socket.

    def answer_portal(self, client: Client, text: str | bytes) -> dict[str, Any]:
        return dict(self.portal_clients[client].answer(text))

    def answer_chain(self, client: Client, text: str | bytes) -> dict[str, Any]:
        """logsSubscribe and logsUnsubscribe; everything else as over HTTP."""
        try:
            request = orjson.loads(text)
            method, identity = request["method"], request.get("id")
            params = request.get("params") or []
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            return self.node.answer(None)
        if method == "logsSubscribe":
            address = _mentioned(params)
            if address is None:
                return rpc_error(identity, -32602, "Invalid params")
            subscription = self.node.random.randrange(1, LARGEST_SUBSCRIPTION)
            self.log_clients[client][subscription] = address
            if address in FOLLOWED_PROGRAMS:
                self.node.clock.start()  # the market begins when somebody listens
            return {"jsonrpc": "2.0", "result": subscription, "id": identity}
        if method == "logsUnsubscribe":
            known = [each for each in params if self.log_clients[client].pop(each, None)]
            return {"jsonrpc": "2.0", "result": bool(known), "id": identity}
        return self.node.answer(request)


def _mentioned(params: object) -> str | None:
    """The one address of `{"mentions": [address]}`; a node takes no more than one."""
    try:
        [address] = params[0]["mentions"]  # type: ignore[index]
    except (LookupError, TypeError, ValueError):
        return None
    return address if isinstance(address, str) else None
