"""One message of a `logsSubscribe` socket. No I/O.

    text -> parse_notification -> Transaction, SubscriptionMade, or None for another answer

Source: Solana's RPC documentation, `logsSubscribe`: notifications are `{"method":
"logsNotification", "params": {"result": {"context": {"slot"}, "value": {"signature", "err",
"logs"}}, "subscription"}}`.
"""

from collections.abc import Mapping

import orjson
from attrs import frozen

from domain.errors import FrameRefused, SourceUnavailable
from domain.values import UnixSeconds
from sources.fields import decode_json, read_number, read_object
from sources.pump_chain.reading import Transaction

LONGEST_FRAME = 256 * 2**10  # characters or bytes; real ones have some thousands
LONGEST_SIGNATURE = 128


@frozen(kw_only=True)
class SubscriptionMade:
    """The server's answer to a request: the id that its notifications will have."""

    number: int  # of the request
    subscription: int


def render_subscription(number: int, program: str) -> bytes:
    """The request for the logs of all transactions that mention a program."""
    return orjson.dumps(
        {
            "jsonrpc": "2.0",
            "id": number,
            "method": "logsSubscribe",
            "params": [{"mentions": [program]}, {"commitment": "confirmed"}],
        }
    )


def parse_notification(
    text: str | bytes, seen_at: UnixSeconds
) -> Transaction | SubscriptionMade | None:
    """The transaction that a message tells of, or the answer that it is; None for any other answer.

    A transaction that has failed has no logs.

    `FrameRefused` for what is no message of this protocol; `SourceUnavailable` for the server's
    refusal of a subscription.
    """
    if len(text) > LONGEST_FRAME:
        raise FrameRefused(text[:200], reason="too_large")
    try:
        frame = read_object(decode_json(text))
    except ValueError as error:
        raise FrameRefused(text, reason="not_json") from error
    if frame.get("method") == "logsNotification":
        return _read_transaction(read_object(frame.get("params")), seen_at, text)
    if frame.get("error") is not None:
        raise SourceUnavailable(f"logsSubscribe refused: {str(frame['error'])[:200]}")
    if "result" in frame and "method" not in frame:
        return _read_answer(frame)
    raise FrameRefused(text, reason="unknown_method")


def _read_answer(frame: Mapping[str, object]) -> SubscriptionMade | None:
    number, subscription = frame.get("id"), frame["result"]
    if type(number) is int and type(subscription) is int:
        return SubscriptionMade(number=number, subscription=subscription)
    return None


def _read_transaction(
    params: Mapping[str, object], seen_at: UnixSeconds, text: str | bytes
) -> Transaction | None:
    result = read_object(params.get("result"))
    value = read_object(result.get("value"))
    if "err" not in value:
        raise FrameRefused(text, reason="no_err")
    signature = value.get("signature")
    if not isinstance(signature, str) or not 1 <= len(signature) <= LONGEST_SIGNATURE:
        raise FrameRefused(text, reason="no_signature")
    slot = read_number(read_object(result.get("context")).get("slot"))
    subscription = params.get("subscription")
    return Transaction(
        signature=signature,
        slot=None if slot is None else int(slot),
        seen_at=seen_at,
        subscription=subscription if type(subscription) is int else None,
        logs=value.get("logs") if value["err"] is None else None,
    )
