"""Every error that a client may meet: over HTTP by status, and the close codes of a WebSocket.

A test holds this to the refusals in the code; feed/openapi.py, feed/asyncapi.py and docs/API.md
tell it.
"""

from collections.abc import Mapping

ERROR_CODES: Mapping[int, tuple[str, ...]] = {
    400: (
        "bad_query",
        "bad_mint",
        "bad_address",
        "bad_request",
        "bad_rule",
        "bad_handshake",
        "websocket_expected",
    ),
    401: ("unauthorized", "unknown_key"),
    403: ("forbidden",),
    404: (
        "unknown_mint",
        "unknown_entry",
        "unknown_rule",
        "unknown_alert",
        "no_image",
        "not_found",
    ),
    405: ("method_not_allowed",),
    406: ("not_acceptable",),
    408: ("request_timeout",),
    409: ("entry_busy", "not_replayable", "alerts_off", "too_many_rules", "rule_of_settings"),
    412: ("precondition_failed",),
    413: ("body_too_large",),
    414: ("target_too_long",),
    417: ("expectation_failed",),
    429: ("rate_limited", "too_many_connections", "too_many_requests"),
    431: ("headers_too_large",),
    500: ("internal_error",),
    501: ("not_served_here", "not_implemented"),
    503: (
        "draining",
        "too_many_clients",
        "too_many_views",
        "no_descriptors",
        "busy",
        "history_away",
    ),
    505: ("version_not_supported",),
}
# Any request may meet these, whatever it asks for.
COMMON_STATUSES = (400, 401, 403, 406, 408, 412, 413, 414, 417, 429, 431, 500, 503)
CLOSE_CODES: Mapping[int, str] = {
    1001: "the service goes: connect again, after a moment of your own choice",
    1002: "a frame against the protocol",
    1007: "a text that is not UTF-8",
    1008: "a message in more than 256 pieces",
    1009: "a message of more than 16 KiB",
}
