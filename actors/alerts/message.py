"""An alert as its endpoint gets it: JSON, made once. Pure.

Firing  ->  write_body  ->  {"type", "timestamp", "data": {"rule", "text", "token"}}

The frame is that of Standard Webhooks ("Payload structure"); a token is an item as the feed has it.
"""

import orjson

from actors.alerts.judge import Firing
from domain.values import UnixSeconds
from feed.wire import encode_json, make_item, to_iso_time

TOLD_OF_A_RULE = ("id", "name", "kind", "scope", "value")


def write_body(firing: Firing, at: UnixSeconds) -> str:
    """The JSON of an alert."""
    rule = firing.rule
    data = {
        "rule": {name: rule.document[name] for name in TOLD_OF_A_RULE},
        "text": rule.describe_event(),
        "token": orjson.Fragment(encode_json(make_item(firing.token))),
    }
    body = {"type": f"alert.{rule.document['kind']}", "timestamp": to_iso_time(at), "data": data}
    return orjson.dumps(body).decode()
