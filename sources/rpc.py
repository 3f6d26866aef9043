"""Solana's JSON-RPC over HTTP: one call, and what its error bodies mean.

Errors come with HTTP 200: `{"error": {"code": -32603, ...}}`. Source of the codes: the JSON-RPC
2.0 specification, section 5.1, and recordings (-32603 internal, -32600 too many accounts,
-32602 bad parameter).
"""

from attrs import define

from domain.errors import RateLimited, SourceRefused, SourceUnavailable
from sources.fields import label, mapping
from sources.http import JsonHttp

INVALID_REQUEST = -32600
INVALID_PARAMETERS = -32602
TOO_MANY_REQUESTS = frozenset({429, -32429})
LONGEST_MESSAGE = 200


@define(kw_only=True)
class JsonRpc:
    """One JSON-RPC server."""

    url: str
    http: JsonHttp

    async def call(self, method: str, parameters: list[object]) -> object:
        """The result of one call; `SourceRefused` has the code of an error body."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        answer = mapping(await self.http.post(self.url, request))
        if answer.get("error") is not None:
            raise _refusal(method, mapping(answer["error"]))
        if "result" not in answer:
            raise SourceUnavailable(f"{method}: neither a result nor an error")
        return answer["result"]


def _refusal(method: str, error: object) -> SourceUnavailable:
    facts = mapping(error)
    said = facts.get("code")
    code = said if isinstance(said, int) else 0
    message = f"{method}: {code} {label(facts.get('message'), LONGEST_MESSAGE) or ''}".rstrip()
    if code in TOO_MANY_REQUESTS:
        return RateLimited(message, retry_after_seconds=None)
    return SourceRefused(message, code=code)
