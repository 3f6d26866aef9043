"""Rules of alerts, and what is told of alerts, as JSON Schema.

KINDS, MEMBERS of feed/alert_rules.py  ->  SCHEMAS (feed/api_schemas.py)
"""

from collections.abc import Mapping
from typing import Any

from feed.alert_rules import (
    KINDS,
    LONGEST_COOL_DOWN_SECONDS,
    LONGEST_NAME,
    MOST_SCOPE_MINTS,
)

TEXT = {"type": "string"}
WHOLE = {"type": "integer", "minimum": 0}
TIME = {"type": ["number", "null"], "description": "Unix seconds"}


def describe_rule() -> Mapping[str, Any]:
    """A rule as a client describes it."""
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,40}$"},
            "name": {"type": "string", "maxLength": LONGEST_NAME},
            "kind": {"type": "string", "enum": list(KINDS)},
            "scope": {
                "description": "watched, a board, a mint, mints, or a view: docs/API.md",
                "anyOf": [
                    TEXT,
                    {"type": "array", "items": TEXT, "minItems": 1, "maxItems": MOST_SCOPE_MINTS},
                    {"type": "object"},
                ],
            },
            "value": {"type": ["number", "null"], "exclusiveMinimum": 0},
            "endpoints": {"type": "array", "items": TEXT},
            "coolDownSeconds": {
                "type": "number",
                "minimum": 0,
                "maximum": LONGEST_COOL_DOWN_SECONDS,
            },
        },
        "required": ["kind", "scope"],
        "additionalProperties": False,
    }


def describe_alerts() -> Mapping[str, Any]:
    """What operators are told of alerts."""
    rule = {
        "rule": {"$ref": "#/components/schemas/AlertRule"},
        "source": {"type": "string", "enum": ["settings", "api"]},
        "isSaved": {"type": "boolean"},
        "fired": WHOLE,
    }
    endpoint = {
        "name": TEXT,
        **dict.fromkeys(("waiting", "taken", "dropped", "failedAttempts"), WHOLE),
        "failingSince": TIME,
        "problem": {"type": ["string", "null"]},
        "isGone": {"type": "boolean"},
    }
    texts = ("id", "endpoint", "rule", "mint", "failure")
    failed = {**dict.fromkeys(texts, TEXT), "raisedAt": TIME}
    return _make_object(
        {
            "rules": _list_of(rule),
            "notUnderstood": {"type": "object", "additionalProperties": TEXT},
            "endpoints": _list_of(endpoint),
            "failed": _list_of(failed),
            "unsaved": WHOLE,
            "isComplete": {"type": "boolean"},
            "isJudging": {"type": "boolean"},
        }
    )


def _list_of(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "array", "items": _make_object(properties)}


def _make_object(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
