"""Webhooks of a running service: the endpoint refuses, dies and is back, and so is the service."""

import hashlib
import hmac
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from attrs import define, field

from commands.embedded import free_port
from tests.acceptance.service import Service, running_service, settings
from tests.acceptance.test_outages import creates, migration, until_on_feed
from tests.acceptance.world import running_peer
from tests.conftest import RedisFactory
from tests.patience import PATIENCE_SECONDS

CERTIFICATE = Path(__file__).parents[1] / "data" / "tls" / "localhost.pem"
OLD_KEY, NEW_KEY = bytes(range(32)), bytes(range(100, 132))
RULES = [
    {"id": "bonds", "kind": "bonded", "scope": {}},
    {"id": "news", "kind": "newIn", "scope": "new"},
]


@define
class Receiver:
    """An HTTPS server that checks what it gets as any receiver of Standard Webhooks does."""

    port: int = field(factory=free_port)
    status: str = "204 No Content"
    # Every attempt, taken or not: id, and what was said.
    attempts: list[tuple[str, dict[str, Any]]] = field(factory=list, init=False)
    taken: list[tuple[str, dict[str, Any]]] = field(factory=list, init=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(CERTIFICATE)
        serve = partial(trio.serve_ssl_over_tcp, host="127.0.0.1", https_compatible=True)
        async with trio.open_nursery() as nursery:
            await nursery.start(serve, self._answer, self.port, tls)
            yield
            nursery.cancel_scope.cancel()

    async def _answer(self, stream: trio.abc.Stream) -> None:
        async with stream:
            received = b""
            while b"\r\n\r\n" not in received:
                received += await stream.receive_some()
            head, _, body = received.partition(b"\r\n\r\n")
            lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
            headers = {name.lower(): value for name, _, value in lines}
            while len(body) < int(headers["content-length"]):
                body += await stream.receive_some()
            assert has_signature(OLD_KEY, headers, body)
            assert has_signature(NEW_KEY, headers, body)
            assert not has_signature(bytes(32), headers, body)
            said = headers["webhook-id"], orjson.loads(body)
            self.attempts.append(said)
            if self.status.startswith("2"):
                self.taken.append(said)
            answer = f"HTTP/1.1 {self.status}\r\ncontent-length: 0\r\n\r\n"
            await stream.send_all(answer.encode())

    async def until(self, condition: Callable[[], bool]) -> None:
        with trio.fail_after(PATIENCE_SECONDS):
            while not condition():
                await trio.sleep(0.05)

    def ids_of(self, rule: str, mint: object) -> set[str]:
        """The ids under which an alert was told, taken or not."""
        return {each for each, said in self.attempts if subject_of(said) == (rule, mint)}

    def has_heard(self, rule: str, mint: object) -> bool:
        return bool(self.ids_of(rule, mint))

    def has_taken(self, rule: str, mint: object) -> bool:
        return any(subject_of(said) == (rule, mint) for _, said in self.taken)


def subject_of(said: dict[str, Any]) -> tuple[str, object]:
    return said["data"]["rule"]["id"], said["data"]["token"]["mint"]


def has_signature(key: bytes, headers: dict[str, str], body: bytes) -> bool:
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    made = hmac.new(key, signed, hashlib.sha256).digest()
    shown = headers["webhook-signature"].split(" ")
    return any(hmac.compare_digest(made, b64decode(each.removeprefix("v1,"))) for each in shown)


def environment_of(
    postgres_url: str, redis_url: str, peer_url: str, receiver: Receiver
) -> dict[str, str]:
    secrets = " ".join(f"desk=whsec_{b64encode(key).decode()}" for key in (OLD_KEY, NEW_KEY))
    chosen = settings(
        postgres_url,
        redis_url,
        INGEST__URL=peer_url,
        INGEST__RECONNECT_LONGEST_SECONDS="1",
        ALERTS__ENDPOINTS=f"desk=https://localhost:{receiver.port}/hook?key=1",
        ALERTS__SECRETS=secrets,
        ALERTS__RULES=orjson.dumps(RULES).decode(),
        ALERTS__ALLOW_LOOPBACK="true",
        ALERTS__INTERVAL_SECONDS="0.1",
        ALERTS__RETRY_SECONDS="0.1",
        ALERTS__RETRY_LONGEST_SECONDS="0.5",
    )
    return {**chosen, "SSL_CERT_FILE": str(CERTIFICATE)}


async def alerts_of(service: Service) -> dict[str, Any]:
    told: dict[str, Any] = (await service.get("/api/alerts")).json()
    return told


async def until_alerts(service: Service, condition: Callable[[dict[str, Any]], bool]) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        while not condition(await alerts_of(service)):
            await trio.sleep(0.05)


async def test_every_alert_arrives_under_its_id_whatever_dies_meanwhile(
    tmp_path: Path, postgres_url: str, new_redis: RedisFactory
) -> None:
    receiver, cache = Receiver(), new_redis(appendonly=True)
    first, second, third = creates(3)
    async with running_peer() as peer:
        environment = environment_of(postgres_url, cache.url, peer.url, receiver)
        async with receiver.running(), running_service(tmp_path, environment) as service:
            await until_alerts(service, lambda told: bool(told["isJudging"]))
            mine = {"id": "mine", "kind": "graduating", "scope": [second["mint"]]}
            assert 202 == (await service.client.post("/api/alerts", json=mine)).status_code

            # The endpoint refuses at first.
            receiver.status = "500 No"
            peer.say(first, second)
            await until_on_feed(service, [first["mint"], second["mint"]])
            await receiver.until(partial(receiver.has_heard, "news", first["mint"]))
            receiver.status = "204 No Content"
            for frame in (first, second):
                await receiver.until(partial(receiver.has_taken, "news", frame["mint"]))
                assert 1 == len(receiver.ids_of("news", frame["mint"]))

            # It refuses the next one, and then it is gone, as the service is.
            receiver.status = "503 Busy"
            peer.say(migration(second))
            for rule in ("bonds", "mine"):
                await receiver.until(partial(receiver.has_heard, rule, second["mint"]))
            await until_alerts(service, lambda told: told["unsaved"] == 0)
            service.process.kill()
            await service.process.wait()
        async with running_service(tmp_path, environment) as service:
            await until_alerts(service, lambda told: told["endpoints"][0]["problem"] is not None)
            told = await alerts_of(service)
            assert ["settings", "settings", "api"] == [each["source"] for each in told["rules"]]
            assert 2 == told["endpoints"][0]["waiting"]
            receiver.status = "200 OK"
            async with receiver.running():
                for rule in ("bonds", "mine"):
                    await receiver.until(partial(receiver.has_taken, rule, second["mint"]))
                    assert 1 == len(receiver.ids_of(rule, second["mint"]))

                # What was true before fires nothing again; what begins now does.
                await until_alerts(service, lambda told: bool(told["isJudging"]))
                peer.say(third)
                await receiver.until(partial(receiver.has_taken, "news", third["mint"]))
                await until_alerts(service, lambda told: told["endpoints"][0]["waiting"] == 0)
                taken = [subject_of(said) for _, said in receiver.taken]
                assert len(set(taken)) == len(taken) == 5
                assert 0 == await service.stop()


async def test_redis_away_alerts_arrive_and_a_drain_ends(
    tmp_path: Path, postgres_url: str, new_redis: RedisFactory
) -> None:
    receiver, cache = Receiver(), new_redis()
    [first] = creates(1)
    async with running_peer() as peer, receiver.running():
        environment = environment_of(postgres_url, cache.url, peer.url, receiver)
        async with running_service(tmp_path, environment) as service:
            await until_alerts(service, lambda told: bool(told["isJudging"]))
            cache.kill()
            peer.say(first)
            await receiver.until(partial(receiver.has_taken, "news", first["mint"]))
            await trio.to_thread.run_sync(cache.start)
            await until_alerts(service, lambda told: told["unsaved"] == 0)
            assert 0 == await service.stop()


async def test_settings_with_a_rule_that_is_none_end_with_78(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    environment = environment_of(postgres_url, redis_url, "", Receiver())
    environment["TOKEN_DISCOVERY__ALERTS__RULES"] = '[{"kind": "boom", "scope": {}}]'
    reason = "alerts.rules: rule 1: kind is one of graduating"
    with pytest.raises(AssertionError, match=reason):  # the log of a service that does not run
        async with running_service(tmp_path, environment):
            """It does not get so far."""
