"""The HTTP interface as an OpenAPI 3.1 document, at /openapi.json.

OPERATIONS, SCHEMAS, ERROR_CODES  ->  make_openapi
"""

from typing import Any

from config.version import read_version
from feed.api_errors import COMMON_STATUSES, ERROR_CODES
from feed.api_operations import OPERATIONS, Operation
from feed.api_schemas import SCHEMAS, refer_to
from feed.http import JSON_TYPE
from feed.limits import KEY_FIELD

DESCRIPTION = (
    "New Solana tokens on four live boards. An unknown value is null, a zero is a zero. To follow"
    " the boards, see /asyncapi.json for the WebSocket, or /api/stream for server-sent events. How"
    " the deltas are folded, what limits there are and what pages promise: docs/API.md."
)


def make_openapi() -> dict[str, Any]:
    """The document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _render_operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "token-discovery",
            "version": read_version(),
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "feed", "description": "for everybody"},
            {"name": "operators", "description": "for this machine, or with the control token"},
        ],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "headers": {
                "ETag": {"schema": {"type": "string"}, "description": "of the content"},
                "RateLimit": {
                    "schema": {"type": "string"},
                    "description": "what is left, where there is a limit"
                    " (draft-ietf-httpapi-ratelimit-headers-10)",
                },
                "RetryAfter": {
                    "schema": {"type": "integer"},
                    "description": "seconds after which to try again",
                },
            },
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": KEY_FIELD},
                "controlToken": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _render_operation(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if operation.schema is not None:
        media: dict[str, Any] = {"schema": operation.schema}
        if operation.example is not None:
            media["example"] = operation.example
        content = {"content": {operation.media_type: media}}
    headers = {"RateLimit": {"$ref": "#/components/headers/RateLimit"}}
    if operation.is_tagged:
        headers["ETag"] = {"$ref": "#/components/headers/ETag"}
    responses: dict[str, Any] = {
        str(operation.status): {"description": operation.summary, "headers": headers, **content}
    }
    if operation.is_tagged:
        responses["304"] = {"description": "the same as what If-None-Match names"}
    for status in sorted({*COMMON_STATUSES, *operation.statuses}):
        responses.setdefault(str(status), _render_error(status))
    rendered: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": ["operators" if operation.is_for_operators else "feed"],
        "security": [{}, {"controlToken": []}] if operation.is_for_operators else [{}, {"key": []}],
        "responses": responses,
    }
    if operation.parameters:
        rendered["parameters"] = list(operation.parameters)
    if operation.body is not None:
        rendered["requestBody"] = {"required": True, "content": {JSON_TYPE: operation.body}}
    return rendered


def _render_error(status: int) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": ", ".join(ERROR_CODES[status]),
        "content": {JSON_TYPE: {"schema": refer_to(f"Error{status}")}},
    }
    if status in (429, 503):
        response["headers"] = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
    return response
