"""Asking one upstream one question, as the service would: what it answers, or what is wrong.

    probe_* -> a remark for people ("" for a plain answer); `SourceUnavailable` says what is wrong

The sources' own adapters read the answers, so that an upstream is well here if it is well there.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx
import orjson
import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from domain.errors import SourceClosed, SourceUnavailable
from sources.fields import decode_json, read_label, read_object
from sources.http import STATUSES_FOR_GOOD
from sources.line import LOST, describe_error, list_errors, open_stream
from sources.rpc import JsonRpc

FIRST_MESSAGE_SECONDS = 5.0  # a stream that is silent for longer may still be well
CLOSE_SECONDS = 0.5
# A file that public gateways are checked with (ipfs/public-gateway-checker).
GATEWAY_FILE = "bafybeifx7yeb55armcsxwwitkymga5xf53dxiarykms3ygqic223w5sk3m"
GATEWAY_TEXT = b"Hello from IPFS Gateway Checker"
LARGEST_FILE_BYTES = 4096
SUBSCRIPTION_ID = 1
LONGEST_EXCERPT = 80


async def probe_stream(url: str, subscription: Mapping[str, object] | None = None) -> str:
    """Connect, subscribe if that is the protocol, and wait for the first message.

    A Solana RPC server has to take the subscription. Any other stream may have nothing to say.
    """
    told: list[str] = []
    lost: list[Exception] = []
    try:
        async with trio.open_nursery() as nursery:
            told.append(await _hold_conversation(nursery, url, subscription))
            nursery.cancel_scope.cancel()
    except* (*LOST, OSError) as group:
        lost = list_errors(group)
    if told:
        return told[0]
    raise _find_refusal(lost) or SourceUnavailable("; ".join(map(describe_error, lost)))


async def _hold_conversation(
    nursery: trio.Nursery, url: str, subscription: Mapping[str, object] | None
) -> str:
    address = urlsplit(url)
    _, stream = await open_stream(address)
    try:
        query = f"?{address.query}" if address.query else ""
        connection = await wrap_client_stream(
            nursery,
            stream,  # type: ignore[arg-type]  # any stream will do
            host=address.netloc.rpartition("@")[2],
            resource=(address.path or "/") + query,
        )
        try:
            return await _hear_first_message(connection, subscription)
        finally:
            with trio.move_on_after(CLOSE_SECONDS):
                await connection.aclose()
    finally:
        await trio.aclose_forcefully(stream)


async def _hear_first_message(
    connection: WebSocketConnection, subscription: Mapping[str, object] | None
) -> str:
    if subscription is not None:
        await connection.send_message(orjson.dumps(subscription).decode())
    is_rpc = subscription is not None and "jsonrpc" in subscription
    with trio.move_on_after(FIRST_MESSAGE_SECONDS):
        message = await connection.get_message()
        try:
            frame = read_object(decode_json(message))
        except ValueError as error:
            said = read_label(str(message), LONGEST_EXCERPT)
            raise SourceUnavailable(f"speaks another language: {said}") from error
        if is_rpc and (frame.get("id") != SUBSCRIPTION_ID or "result" not in frame):
            said = read_label(str(frame.get("error") or frame), LONGEST_EXCERPT)
            raise SourceUnavailable(f"does not take the subscription: {said}")
        return ""
    if is_rpc:
        raise SourceUnavailable(f"no word on the subscription in {FIRST_MESSAGE_SECONDS:g} s")
    return f"the connection stands, no message came in {FIRST_MESSAGE_SECONDS:g} s"


def _find_refusal(lost: list[Exception]) -> SourceUnavailable | None:
    """The error of ours among them; a status at the upgrade that is for good becomes one."""
    for error in lost:
        if isinstance(error, SourceUnavailable):
            return error
        status = getattr(error, "status_code", None)
        if status in STATUSES_FOR_GOOD:
            return SourceClosed(describe_error(error), status=status)
    return None


async def probe_rpc(rpc: JsonRpc) -> str:
    """A Solana RPC server over HTTP: is it healthy, and at which slot?"""
    await rpc.call_method("getHealth", [])
    slot = await rpc.call_method("getSlot", [])
    if isinstance(slot, bool) or not isinstance(slot, int):
        raise SourceUnavailable(f"getSlot: {read_label(str(slot), LONGEST_EXCERPT)} is no slot")
    return f"at slot {slot}"


async def probe_gateway(client: httpx.AsyncClient, prefix: str) -> str:
    """An IPFS gateway: does it bring a small file that all of them should know?"""
    body = bytearray()
    url = f"{prefix.rstrip('/')}/{GATEWAY_FILE}"
    try:
        with trio.CancelScope() as reading:
            async with client.stream("GET", url, follow_redirects=True) as response:
                async for chunk in response.aiter_bytes():
                    if len(body) + len(chunk) > LARGEST_FILE_BYTES:
                        reading.cancel()  # ends the next read, and the connection with it
                    else:
                        body += chunk
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceUnavailable(f"{type(error).__name__}: {error}") from error
    if response.status_code in STATUSES_FOR_GOOD:
        raise SourceClosed(f"HTTP {response.status_code}", status=response.status_code)
    if not response.is_success:
        raise SourceUnavailable(f"HTTP {response.status_code}")
    if GATEWAY_TEXT not in body:
        raise SourceUnavailable("brings another file than it was asked for")
    return ""
