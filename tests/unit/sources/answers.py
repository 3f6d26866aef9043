"""An upstream in memory: answers requests from a list, and keeps what it was asked."""

import json
from collections.abc import Callable
from math import inf
from typing import Any

import httpx
import orjson
from attrs import define, field

from sources.http import JsonHttp
from sources.rates import RateLimiter

Answer = httpx.Response | Exception


def ok(body: object) -> httpx.Response:
    return httpx.Response(200, content=orjson.dumps(body))


def rpc_result(result: object) -> httpx.Response:
    return ok({"jsonrpc": "2.0", "id": 1, "result": result})


def rpc_error(code: object, message: str) -> httpx.Response:
    return ok({"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}})


@define
class Upstream:
    """Gives its answers in order; the last one again and again."""

    answers: list[Answer]
    requests: list[httpx.Request] = field(factory=list, init=False)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def json_http(self, **more: Any) -> JsonHttp:
        """A `JsonHttp` that reaches this upstream and nothing else."""
        limiter = more.pop("limiter", RateLimiter(per_minute=inf))
        return http_over(self.handle, limiter=limiter, **more)

    def payload(self, number: int) -> Any:
        """The JSON that a POST sent."""
        return json.loads(self.requests[number].content)


def http_over(handle: Callable[[httpx.Request], Any], **more: Any) -> JsonHttp:
    client = httpx.AsyncClient(transport=httpx.MockTransport(handle), timeout=None)
    settings: dict[str, Any] = {
        "timeout_seconds": 10.0,
        "limiter": RateLimiter(per_minute=inf),
    }
    return JsonHttp(client=client, **(settings | more))
