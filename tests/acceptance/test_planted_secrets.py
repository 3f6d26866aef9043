"""Secrets are planted wherever the service is given any; whatever fails, none of them is shown.

The upstreams repeat all that they were sent, as careless ones do; both stores are killed, started
again with other passwords, and emptied.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import orjson
import psycopg
import redis
import trio

from commands.embedded import EmbeddedPostgres, EmbeddedRedis
from tests.acceptance.service import ROOT, Service, running_service, settings
from tests.acceptance.test_outages import creates, until_on_feed
from tests.acceptance.world import running_peer
from tests.conftest import PostgresFactory, RedisFactory
from tests.contract.switchboard import served_on_loopback
from tests.patience import PATIENCE_SECONDS

PLANTED = "sekret"  # the beginning of each
WEBHOOK_SECRET = "sekret16webhookAAAAAAAAAAAAAAAAA"  # base64, too
REPORTS = ("actors", "writes", "checkpoints", "governor")
COMMANDS = (("doctor",), ("dump",), ("govern",))


async def repeat_what_was_sent(stream: trio.SocketStream) -> None:
    """An HTTP server that refuses every request, in the request's own words."""
    async with stream:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := await stream.receive_some()):
                return
            head += data
        said = head.decode("latin-1")
        body = orjson.dumps({"error": {"code": 401, "message": said}, "id": 1, "jsonrpc": "2.0"})
        is_served = head.startswith(b"POST") and b"webhook-id" not in head
        status = b"200 OK" if is_served else b"401 " + head.split(b" ")[1]
        lines = (b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), b"Connection: close")
        await stream.send_all(b"\r\n".join(lines) + b"\r\n\r\n" + body)


def set_postgres_password(server: EmbeddedPostgres, password: str) -> None:
    """From now on the role wants this password; its sessions end."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        known = connection.execute("SELECT FROM pg_roles WHERE rolname = 'keeper'").fetchall()
        verb = "ALTER" if known else "CREATE"
        connection.execute(f"{verb} ROLE keeper LOGIN SUPERUSER PASSWORD '{password}'")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'keeper'"
        )


def want_passwords(server: EmbeddedPostgres) -> None:
    """Let the server ask the role for its password; others are trusted, as before."""
    path = server.data / "pg_hba.conf"
    path.write_text("host all keeper all scram-sha-256\n" + path.read_text())
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("SELECT pg_reload_conf()")


def set_redis_password(server: EmbeddedRedis, before: str | None, password: str) -> None:
    with redis.Redis(port=server.port, password=before) as client:
        client.config_set("requirepass", password)
        client.client_kill_filter(_type="normal", skipme=True)


async def collect_everything(service: Service, environment: Mapping[str, str], where: Path) -> str:
    """All that the service, its commands and the machine show of it to anybody."""
    shown = [service.log(), read_command_line(service)]
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        service.process.send_signal(number)
    token = {"Authorization": f"Bearer {environment['TOKEN_DISCOVERY__GATEWAY__CONTROL_TOKEN']}"}
    paths = ["/", "/ops", "/metrics", "/livez", "/readyz", "/nowhere", "/api/health"]
    paths.append("/api/alerts")
    for path in [*paths, *(f"/api/ops/{report}" for report in REPORTS)]:
        for headers in ({}, token, {"Authorization": "Bearer wrong"}):
            answer = await service.client.get(path, headers=headers)
            shown += [answer.text, str(answer.headers)]
    refused = await service.client.post("/api/ops/governor", headers=token, content=b"{")
    shown.append(refused.text)
    for command in COMMANDS:
        shown.append(await trio.to_thread.run_sync(run_command, command, environment, service.port))
    with trio.fail_after(PATIENCE_SECONDS):
        while len(dumps := read_dumps(where)) < 2:
            await trio.sleep(0.05)
    return "\n".join([*shown, *dumps, service.log()])


def read_command_line(service: Service) -> str:
    """What `ps` shows to everybody."""
    return Path(f"/proc/{service.process.pid}/cmdline").read_text()


def read_dumps(directory: Path) -> list[str]:
    return [file.read_text() for file in directory.glob("token-discovery-*")]


def run_command(command: tuple[str, ...], environment: Mapping[str, str], port: int) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "token_discovery", *command],
        cwd=ROOT,
        env={**os.environ, "PORT": str(port), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    return ended.stdout + ended.stderr


def lines_with_a_secret(shown: str) -> list[str]:
    return [line[:500] for line in shown.splitlines() if PLANTED in line]


async def until_reasons_say(service: Service, *words: str) -> None:
    """Wait until all these stand in the answer of /readyz."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            reasons = (await service.get("/readyz")).text
            if all(word in reasons for word in words):
                return
            await trio.sleep(0.05)


async def until_degraded_is(service: Service, *expected: str) -> None:
    """Wait until /readyz names these, among what is away, or none of the stores."""
    stores = {"postgres", "redis"}
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            answer: dict[str, object] = orjson.loads((await service.get("/readyz")).content)
            away = answer.get("degraded") or answer.get("reasons") or []
            if {one for one in stores if one in str(away)} == set(expected):
                return
            await trio.sleep(0.05)


def plant_secrets(
    postgres: EmbeddedPostgres, cache: EmbeddedRedis, peer_url: str, echo: str, dumps: Path
) -> dict[str, str]:
    """An environment with a secret wherever there may be one; `echo` is the upstreams' address."""
    return settings(
        f"postgresql://keeper:sekret1postgres@127.0.0.1:{postgres.port}/postgres",
        f"redis://:sekret2redis@127.0.0.1:{cache.port}/0",
        INGEST__URL=peer_url,
        INGEST__API_KEY="sekret3portal",
        INGEST__PUMPAPI_URL=f"ws://{echo}/sekret4pumpapi-0123456789",
        INGEST__CHAIN_URL=f"ws://{echo}/?api-key=sekret5chain-0123456789",
        INGEST__CHAIN_RPC_URL=f"http://{echo}/v2/sekret6rpc-0123456789",
        INGEST__POOLS_URL=f"ws://{echo}/v2/sekret7pools-0123456789",
        INGEST__RECONNECT_LONGEST_SECONDS="1",
        MARKET_DATA__URL=f"http://user:sekret8market@{echo}",
        MARKET_DATA__INTERVAL_SECONDS="1",
        JUPITER__URL=f"http://{echo}",
        JUPITER__API_KEY="sekret9jupiter",
        JUPITER__REQUESTS_PER_MINUTE="600",
        HOLDER_COUNT__PROVIDER="jupiter",
        HOLDER_COUNT__INTERVAL_SECONDS="1",
        SOL_PRICE__URL=f"http://{echo}/price?key=sekret10sol",
        SOL_PRICE__PYTH_URL=f"http://{echo}",
        SOL_PRICE__PYTH_API_KEY="sekret11pyth",
        GATEWAY__CONTROL_TOKEN="sekret12control",
        ALERTS__ENDPOINTS=f"desk=http://user:sekret13hook@{echo}/sekret14path-0123456789?key=sekret15",
        ALERTS__SECRETS=f"desk=whsec_{WEBHOOK_SECRET}",
        ALERTS__RULES='[{"kind": "newIn", "scope": "new"}]',
        ALERTS__ALLOW_LOOPBACK="true",
        ALERTS__RETRY_SECONDS="0.1",
        ALERTS__DEGRADED_AFTER_SECONDS="0.5",
        LOGGING__DUMP_DIRECTORY=str(dumps),
        LOGGING__LEVEL="debug",
    )


async def test_no_planted_secret_is_shown_whatever_fails(
    tmp_path: Path, new_postgres: PostgresFactory, new_redis: RedisFactory
) -> None:
    postgres, cache = new_postgres(), new_redis()
    want_passwords(postgres)
    set_postgres_password(postgres, "sekret1postgres")
    set_redis_password(cache, None, "sekret2redis")
    async with served_on_loopback(repeat_what_was_sent) as echo, running_peer() as peer:
        environment = plant_secrets(postgres, cache, peer.url, f"127.0.0.1:{echo}", tmp_path)
        async with running_service(tmp_path, environment) as service:
            frames = creates(9)
            peer.say(*frames[:4])
            await until_on_feed(service, [frame["mint"] for frame in frames[:4]])
            assert [] == lines_with_a_secret(
                await collect_everything(service, environment, tmp_path)
            )

            postgres.kill()
            await until_degraded_is(service, "postgres")
            peer.say(*frames[4:8])
            await until_on_feed(service, [frame["mint"] for frame in frames[4:8]])
            cache.kill()
            await until_degraded_is(service, "postgres", "redis")
            shown = await collect_everything(service, environment, tmp_path)

            await trio.to_thread.run_sync(postgres.start)
            set_postgres_password(postgres, "another")
            await trio.to_thread.run_sync(cache.start)  # without any password
            # It may have drained all before the password was another; this it has to write.
            peer.say(frames[8])
            refusal = "refuses the user or the password"
            await until_reasons_say(service, refusal, "AUTH")
            set_redis_password(cache, None, "another")
            await until_reasons_say(service, refusal, "invalid username-password pair")
            shown += await collect_everything(service, environment, tmp_path)

            set_postgres_password(postgres, "sekret1postgres")
            set_redis_password(cache, "another", "sekret2redis")
            await until_degraded_is(service)
            with redis.Redis(port=cache.port, password="sekret2redis") as client:
                client.flushall()
            shown += await collect_everything(service, environment, tmp_path)
            assert 0 == await service.stop()
            shown += service.log()
        assert [] == lines_with_a_secret(shown)
        assert "401" in shown
        assert '"name":"desk"' in shown
        assert '"problem":"' in shown  # of the webhook
