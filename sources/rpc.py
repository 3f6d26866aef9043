"""Solana's JSON-RPC over HTTP: one call, and what its error bodies mean.

Errors come with HTTP 200: `{"error": {"code": -32603, ...}}`. Source of the codes: the JSON-RPC
2.0 specification, sections 5 and 5.1, Solana's list of its own (-32005 node unhealthy, -32010
key excluded from the index, -32012 scan aborted), and recordings (-32603 internal, -32600 too
many accounts, -32602 bad parameter).
"""

from collections.abc import Mapping

from attrs import define

from domain.errors import RateLimited, SourceInTrouble, SourceRefused, SourceUnavailable
from sources.fields import read_label, read_object
from sources.http import JsonHttp

REQUEST_ID = 1  # of every call: each is alone in its HTTP request
NODE_UNHEALTHY = -32005  # the node lags behind the chain
TOO_MANY_REQUESTS = frozenset({429, -32429})
LONGEST_MESSAGE = 200


@define(kw_only=True)
class JsonRpc:
    """One JSON-RPC server."""

    url: str
    http: JsonHttp

    async def call_method(self, method: str, parameters: list[object]) -> object:
        """The result of one call; `SourceRefused` has the code of an error body."""
        request = {"jsonrpc": "2.0", "id": REQUEST_ID, "method": method, "params": parameters}
        answer = read_object(await self.http.post(self.url, request))
        _check_identity(method, answer)
        if answer.get("error") is not None:
            raise _make_refusal(method, read_object(answer["error"]))
        if "result" not in answer:
            raise SourceUnavailable(f"{method}: neither a result nor an error")
        return answer["result"]


def _check_identity(method: str, answer: Mapping[str, object]) -> None:
    """Refuse the answer to another call, as a confused proxy gives it.

    A server that could not read the call's id answers with an error and no id.
    """
    identity = answer.get("id")
    is_unread = identity is None and answer.get("error") is not None
    if not is_unread and (isinstance(identity, bool) or identity != REQUEST_ID):
        said = read_label(repr(identity), LONGEST_MESSAGE)
        raise SourceUnavailable(f"{method}: the answer to another call, {said}")


def _make_refusal(method: str, error: object) -> SourceUnavailable:
    facts = read_object(error)
    said = facts.get("code")
    code = said if isinstance(said, int) else 0
    message = f"{method}: {code} {read_label(facts.get('message'), LONGEST_MESSAGE) or ''}".rstrip()
    if code in TOO_MANY_REQUESTS:
        return RateLimited(message, retry_after_seconds=None)
    if code == NODE_UNHEALTHY:
        return SourceInTrouble(message, reason=f"rpc_{code}")
    return SourceRefused(message, code=code)
