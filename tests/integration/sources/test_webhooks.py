"""Webhooks on a real server: what arrives and how it is signed, and what is not connected to."""

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from attrs import evolve

from domain.values import UnixSeconds
from sources import SendAnswer
from sources.guarded_addresses import is_public_address
from sources.webhooks import Webhook, WebhookSender, read_webhooks, sign_message
from tests.integration.sources.strangers import (
    PUBLIC,
    Strangers,
    answers_with,
    redirects_to,
)
from tests.patience import PATIENCE_SECONDS
from tests.unit.actors.world import SETTINGS

KEYS = (bytes(range(32)), bytes(range(1, 33)))
AT = 1_780_000_000
BODY = '{"type":"alert.bonded","text":"münze"}'


def sender(world: Strangers, url: str, **changes: Any) -> WebhookSender:
    webhook = Webhook(url=url, user="", keys=KEYS, may_connect=is_public_address)
    return WebhookSender(
        webhooks={"desk": evolve(webhook, **changes)},
        http=world.client(timeout_seconds=1.0),
        clock=lambda: UnixSeconds(AT + 0.9),
    )


async def send(world: Strangers, url: str = "https://coins.example/a", **more: Any) -> SendAnswer:
    with trio.fail_after(PATIENCE_SECONDS):
        return await sender(world, url, **more).send_alert("desk", "msg_1", BODY)


def headers_of(head: bytes) -> dict[str, str]:
    lines = head.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def verify_signature(keys: Sequence[bytes], headers: dict[str, str], body: bytes) -> list[bool]:
    """As a receiver does by the specification, for each of its secrets."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    shown = [each.split(",") for each in headers["webhook-signature"].split(" ")]
    assert {"v1"} == {version for version, _ in shown}
    made = [hmac.new(key, signed, hashlib.sha256).digest() for key in keys]
    return [any(hmac.compare_digest(b64decode(s), one) for _, s in shown) for one in made]


async def test_a_post_is_signed_by_each_secret_and_taken_by_a_2xx() -> None:
    world = Strangers(answers={"/a?b=c": answers_with(b"ignored", status="204 No Content")})
    async with world.running():
        answer = await send(world, "https://coins.example/a?b=c")
    assert SendAnswer(status=204) == answer
    assert answer.is_taken
    assert [(PUBLIC, 443)] == world.connected
    [head] = world.heads
    headers = headers_of(head)
    assert head.startswith(b"POST /a?b=c HTTP/1.1\r\n")
    assert ("msg_1", str(AT)) == (headers["webhook-id"], headers["webhook-timestamp"])
    assert ("application/json", "coins.example") == (headers["content-type"], headers["host"])
    assert str(len(BODY.encode())) == headers["content-length"]
    assert [True, True] == verify_signature(KEYS, headers, BODY.encode())
    assert [False] == verify_signature([bytes(32)], headers, BODY.encode())
    assert [False, False] == verify_signature(KEYS, headers, BODY.encode() + b" ")


async def test_the_signature_is_that_of_the_specifications_example() -> None:
    """The example of the reference libraries (standard-webhooks, libraries/*/tests)."""

    key = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = sign_message([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == made


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        ("500 No", [], SendAnswer(status=500, problem="HTTP 500")),
        ("410 Gone", [], SendAnswer(status=410, problem="HTTP 410")),
        (
            "503 Busy",
            ["retry-after: 7"],
            SendAnswer(status=503, problem="HTTP 503", pause_seconds=7.0),
        ),
        (
            "429 Slow",
            ["retry-after: 7"],
            SendAnswer(status=429, problem="HTTP 429", pause_seconds=7.0),
        ),
        ("500 No", ["retry-after: 7"], SendAnswer(status=500, problem="HTTP 500")),
    ],
)
async def test_what_is_no_2xx_is_not_taken(
    status: str, headers: list[str], expected: SendAnswer
) -> None:
    world = Strangers(answers={"/a": answers_with(b"", status=status, headers=headers)})
    async with world.running():
        assert expected == await send(world)


async def test_a_redirect_is_not_followed() -> None:
    world = Strangers(answers={"/a": redirects_to("https://127.0.0.1/")})
    async with world.running():
        assert SendAnswer(status=302, problem="HTTP 302") == await send(world)
    assert [(PUBLIC, 443)] == world.connected


async def test_an_endpoint_that_says_nothing_is_given_up_in_time() -> None:
    async def say_nothing(_stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    world = Strangers(answers={"/a": say_nothing})
    async with world.running():
        assert SendAnswer(problem="timeout: not complete within 1 s") == await send(world)


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fd00::1"])
async def test_a_name_that_leads_to_a_private_address_is_not_connected_to(address: str) -> None:
    world = Strangers(names={"coins.example": [[PUBLIC, address]]})
    async with world.running():
        answer = await send(world)
    assert answer.problem.startswith("private_address: coins.example")
    assert [] == world.connected


async def test_user_and_password_are_sent_as_basic_and_shown_nowhere() -> None:
    world = Strangers(answers={"/a": answers_with(b"")})
    settings = evolve(
        SETTINGS.alerts,
        endpoints="desk=https://us%40er:pa%3Ass@coins.example/a",
        secrets="desk=whsec_" + b64encode(KEYS[0]).decode(),
    )
    [webhook] = read_webhooks(settings).values()
    async with world.running():
        assert (await send(world, webhook.url, user=webhook.user)).is_taken
    headers = headers_of(world.heads[0])
    assert "Basic " + b64encode(b"us@er:pa:ss").decode() == headers["authorization"]
    assert "pa" not in repr(webhook).replace("may_connect", "")


@pytest.mark.parametrize("is_allowed", [True, False])
async def test_this_machine_is_told_where_the_settings_allow_it(is_allowed: bool) -> None:
    world = Strangers(answers={"/a": answers_with(b"")}, names={"localhost": [["127.0.0.1"]]})
    async with world.running():
        settings = evolve(
            SETTINGS.alerts,
            endpoints=f"desk=http://localhost:{world.plain_port}/a",
            secrets="desk=whsec_" + b64encode(KEYS[0]).decode(),
            allow_loopback=is_allowed,
        )
        webhook = read_webhooks(settings)["desk"]
        answer = await send(world, webhook.url, may_connect=webhook.may_connect)
        assert is_allowed == answer.is_taken
        # Not more than that: a name of this machine's that leads elsewhere is refused.
        world.names["localhost"] = [["192.168.0.1"]]
        answer = await send(world, webhook.url, may_connect=webhook.may_connect)
        assert answer.problem.startswith("private_address")
