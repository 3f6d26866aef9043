"""What operators are told of alerts, and which of their orders are passed on."""

from collections.abc import Mapping

import h11
import orjson
import pytest

from domain.alerts import AlertDropped, AlertResent, RuleDropped, RuleSet
from tests.integration.feed.clients import Answer, everything, raw_client, serving
from tests.unit.feed.tokens import mint_of
from tests.unit.feed.worlds import World

RULE = {"kind": "capAbove", "value": 69_000, "scope": [mint_of(1)], "id": "cap"}


async def ask(
    world: World,
    method: str,
    path: str,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    chosen = {"Host": "localhost", "Connection": "close", **(headers or {})}
    chosen["Content-Length"] = str(len(body))
    client = h11.Connection(h11.CLIENT)
    head = h11.Request(method=method, target=path, headers=list(chosen.items()))
    async with raw_client(world) as stream:
        await stream.send_all((client.send(head) or b"") + body)
        raw = await everything(stream)
    top, _, answer = raw.partition(b"\r\n\r\n")
    return Answer(int(top[9:12]), {}, answer)


def code_of(answer: Answer) -> str:
    return str(answer.json["error"]["code"])


async def test_rules_endpoints_and_failed_alerts_are_told() -> None:
    async with serving() as world:
        answer = await ask(world, "GET", "/api/alerts")
    told = answer.json
    assert [("fixed", "settings"), ("mine", "api")] == [
        (each["rule"]["id"], each["source"]) for each in told["rules"]
    ]
    assert [("msg_1", "HTTP 500")] == [(each["id"], each["failure"]) for each in told["failed"]]
    assert ["desk"] == [each["name"] for each in told["endpoints"]]


async def test_a_rule_is_passed_on_in_its_one_form() -> None:
    async with serving() as world:
        answer = await ask(world, "POST", "/api/alerts", body=orjson.dumps(RULE))
        order = await anext(world.alerts)
    assert 202 == answer.status
    assert isinstance(order, RuleSet)
    assert {**RULE, "value": 69_000.0, "name": "", "endpoints": [], "coolDownSeconds": 300.0} == (
        order.rule
    )
    assert order.rule == answer.json["accepted"]["rule"]


@pytest.mark.parametrize(
    ("method", "path", "order"),
    [
        ("DELETE", "/api/alerts/mine", RuleDropped(rule_id="mine")),
        ("POST", "/api/alerts/failed/msg_1", AlertResent(alert_id="msg_1")),
        ("DELETE", "/api/alerts/failed/msg_1", AlertDropped(alert_id="msg_1")),
    ],
)
async def test_an_order_is_passed_on(method: str, path: str, order: object) -> None:
    async with serving() as world:
        answer = await ask(world, method, path)
        assert 202 == answer.status
        assert order == await anext(world.alerts)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/api/alerts", b"{", 400, "bad_request"),
        ("POST", "/api/alerts", b"[]", 400, "bad_rule"),
        ("POST", "/api/alerts", b'{"kind":"capAbove","scope":"watched"}', 400, "bad_rule"),
        (
            "POST",
            "/api/alerts",
            b'{"id":"fixed","kind":"bonded","scope":"watched"}',
            409,
            "rule_of_settings",
        ),
        ("DELETE", "/api/alerts/fixed", b"", 409, "rule_of_settings"),
        ("DELETE", "/api/alerts/nobody", b"", 404, "unknown_rule"),
        ("POST", "/api/alerts/failed/nobody", b"", 404, "unknown_alert"),
        ("DELETE", "/api/alerts/failed/nobody", b"", 404, "unknown_alert"),
        ("GET", "/api/alerts/mine", b"", 405, "method_not_allowed"),
        ("POST", "/api/alerts/a/b", b"", 404, "not_found"),
        ("DELETE", "/api/alerts", b"", 405, "method_not_allowed"),
    ],
)
async def test_what_cannot_be_done_is_refused(
    method: str, path: str, body: bytes, status: int, code: str
) -> None:
    async with serving() as world:
        answer = await ask(world, method, path, body=body)
        assert (status, code) == (answer.status, code_of(answer))
        assert 0 == world.alerts.statistics().depth


async def test_while_there_is_no_endpoint_alerts_are_off() -> None:
    async with serving() as world:
        world.alert_book.lines.clear()
        answer = await ask(world, "POST", "/api/alerts", body=orjson.dumps(RULE))
        assert (409, "alerts_off") == (answer.status, code_of(answer))


async def test_all_of_it_wants_the_control_token() -> None:
    async with serving(control_token="s3cret") as world:
        headers = {"Host": "feed.example"}
        for method in ("GET", "POST"):
            answer = await ask(world, method, "/api/alerts", headers=headers)
            assert 401 == answer.status
        answer = await ask(world, "DELETE", "/api/alerts/mine", headers=headers)
        assert 401 == answer.status
        headers["Authorization"] = "Bearer s3cret"
        answer = await ask(world, "DELETE", "/api/alerts/mine", headers=headers)
        assert 202 == answer.status
