"""Which connections the buffer keeps, where they lead, and what it tells of their errors."""

import ssl
import traceback
from pathlib import Path
from threading import Event

import pytest
import redis
import trio

from buffer.redis import RedisBuffer
from buffer.redis.connection import RedisConnections
from commands.embedded import EmbeddedRedis, free_port
from domain.errors import BadConfiguration, BufferUnavailable, TokenDiscoveryError
from domain.values import UnixSeconds
from supervision.failures import describe_failure
from tests.conftest import RedisFactory
from tests.contract.buffer_rigs import (
    MINT,
    OTHER_MINT,
    ManualClock,
    bounds,
    dirty_values,
    observed,
    observed_of_each,
)
from tests.contract.switchboard import Switchboard, running_switchboard
from tests.patience import PATIENCE_SECONDS

TLS_FILE = Path(__file__).parents[1] / "data" / "tls" / "localhost.pem"
TIMEOUT_SECONDS = 0.5
SECRET = "s3cr#t/p%ss w@rd"
SECRET_IN_URL = "s3cr%23t%2Fp%25ss%20w%40rd"
PIECES = ("s3cr", "3cr#", "t/p%", "p%ss", "w@rd", "%23t", "%2Fp", "%25s", "20w%", "40rd")


def buffer_at(address: str, timeout_seconds: float = PATIENCE_SECONDS) -> RedisBuffer:
    return RedisBuffer(address, timeout_seconds, trio.to_thread.run_sync, ManualClock())


def address_of(board: Switchboard, scheme: str = "redis") -> str:
    return f"{scheme}://127.0.0.1:{board.port}/0"


# A master that is demoted.


async def test_after_a_failover_the_next_call_reaches_the_new_master(
    new_redis: RedisFactory,
) -> None:
    old, new = new_redis(), new_redis()
    async with running_switchboard(old.port) as board:
        buffer = buffer_at(address_of(board))
        async with trio.open_nursery() as nursery:  # several connections
            for number in range(4):
                batch = observed({"holder_count": number}, at=1000.0 + number)
                nursery.start_soon(buffer.append_observations, batch)
        board.target = new.port
        with redis.Redis.from_url(old.url) as demoted:
            demoted.replicaof("127.0.0.1", str(new.port))
        with pytest.raises(BufferUnavailable, match="ReadOnlyError"):
            await buffer.append_observations(observed({"price_usd": 2.0}))
        await buffer.append_observations(observed({"price_usd": 2.0}))
        assert {MINT: {"price_usd": 2.0}} == await dirty_values(buffer_at(new.url))
        for _ in range(5):  # and no idle connection leads back
            await buffer.append_observations(observed({"price_usd": 2.0}), forced=True)
        await buffer.close()


SERVER_ERRORS = [
    b"-READONLY You can't write against a read only replica.",
    b"-LOADING Redis is loading the dataset in memory",
    b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    b"-NOAUTH Authentication required.",
    b"-WRONGPASS invalid username-password pair or user is disabled.",
    b"-NOPERM User default has no permissions to run the 'evalsha' command",
    b"-CLUSTERDOWN The cluster is down",
    b"-MOVED 3999 127.0.0.1:6381",
    b"-ASK 3999 127.0.0.1:6381",
    b"-TRYAGAIN Multiple keys request during rehashing of slot",
    b"-CROSSSLOT Keys in request don't hash to the same slot",
    b"-MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk.",
    b"-NOREPLICAS Not enough good replicas to write.",
    b"-OOM command not allowed when used memory > 'maxmemory'.",
    b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    b"-UNKILLABLE Sorry the script already executed write commands against the dataset.",
    b"-EXECABORT Transaction discarded because of previous errors.",
    b"-ERR max number of clients reached",
    b"-ERR unknown command 'evalsha'",
    b"-",
    b"HTTP/1.1 400 Bad Request",
    b"+OK",
    b":7.5",
    b"$seven",
    b"*two",
    b"$2\r\nab",
    b"\xff\xfe",
    b"$-1",
]


@pytest.mark.parametrize("answer", SERVER_ERRORS, ids=lambda answer: answer[:12].decode("latin1"))
async def test_after_any_error_the_next_call_connects_anew(
    redis_server: EmbeddedRedis, redis_url: str, answer: bytes
) -> None:
    async with running_switchboard(redis_server.port) as board:
        buffer = buffer_at(address_of(board), TIMEOUT_SECONDS)
        await buffer.append_observations(observed({"price_usd": 1.0}))
        made = board.connections
        board.break_all(answer + b"\r\n")
        with pytest.raises(BufferUnavailable):
            await buffer.append_observations(observed({"price_usd": 2.0}))
        await buffer.append_observations(observed({"price_usd": 2.0}))
        assert made < board.connections
        assert {MINT: {"price_usd": 2.0}} == await dirty_values(buffer)
        await buffer.close()


async def test_after_a_hang_up_the_next_call_connects_anew(
    redis_server: EmbeddedRedis, redis_url: str
) -> None:
    async with running_switchboard(redis_server.port) as board:
        buffer = buffer_at(address_of(board))
        async with trio.open_nursery() as nursery:
            for mint in (MINT, OTHER_MINT):
                batch = observed({"price_usd": 1.0}, mint=mint)
                nursery.start_soon(buffer.append_observations, batch)
        board.break_all(b"")
        with pytest.raises(BufferUnavailable):
            await buffer.append_observations(observed({"price_usd": 2.0}))
        await buffer.append_observations(observed({"price_usd": 2.0}))
        await buffer.close()


async def test_after_silence_no_other_connection_is_trusted(new_redis: RedisFactory) -> None:
    """A server that hangs is replaced: the idle connections lead to it, too."""
    hanging, healthy = new_redis(), new_redis()
    async with running_switchboard(hanging.port) as board:
        buffer = buffer_at(address_of(board), TIMEOUT_SECONDS)
        async with trio.open_nursery() as nursery:
            for number in range(4):
                batch = observed({"holder_count": number}, at=1000.0 + number)
                nursery.start_soon(buffer.append_observations, batch)
        board.target = healthy.port
        with redis.Redis.from_url(hanging.url) as server:
            server.client_pause(60_000)
        with pytest.raises(BufferUnavailable, match="TimeoutError"):
            await buffer.append_observations(observed({"price_usd": 1.0}))
        await buffer.append_observations(observed({"price_usd": 1.0}))
        await buffer.close()


async def test_a_full_buffer_keeps_its_connections(
    redis_server: EmbeddedRedis, redis_url: str
) -> None:
    async with running_switchboard(redis_server.port) as board:
        buffer = buffer_at(address_of(board))
        buffer.bounds = bounds(dirty_tokens=1)
        await buffer.append_observations(observed({"price_usd": 1.0}))
        made = board.connections
        for _ in range(3):
            with pytest.raises(BufferUnavailable, match=r"^FULL 1 tokens wait to be flushed$"):
                await buffer.append_observations(
                    observed_of_each({"price_usd": 1.0}, (MINT, OTHER_MINT))
                )
        assert made == board.connections
        await buffer.close()


async def test_an_error_ends_no_call_that_is_under_way(redis_url: str) -> None:
    connections = RedisConnections(redis_url, PATIENCE_SECONDS)
    began, goes_on = Event(), Event()
    answers: list[object] = []

    def ask_slowly(client: redis.Redis) -> object:
        pool = client.connection_pool
        with redis.Redis(connection_pool=pool, single_connection_client=True) as alone:
            began.set()
            goes_on.wait(PATIENCE_SECONDS)
            return alone.ping()

    async def call_slowly() -> None:
        answers.append(await trio.to_thread.run_sync(connections.call, ask_slowly))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call_slowly)
        await trio.to_thread.run_sync(began.wait, PATIENCE_SECONDS)
        with pytest.raises(BufferUnavailable):
            connections.call(lambda client: client.eval("no such language", 0))
        goes_on.set()
    assert [True] == answers
    connections.close()


async def test_a_password_that_changed_is_told_and_does_no_harm(new_redis: RedisFactory) -> None:
    server = new_redis()
    with redis.Redis.from_url(server.url) as client:
        client.acl_setuser(
            "sync", enabled=True, passwords=["+first"], keys=["*"], categories=["+@all"]
        )
        buffer = buffer_at(f"redis://sync:first@127.0.0.1:{server.port}/0")
        await buffer.append_observations(observed({"price_usd": 1.0}))
        client.acl_setuser("sync", enabled=True, categories=["-@all"])
        with pytest.raises(BufferUnavailable, match="NoPermissionError"):
            await buffer.append_observations(observed({"price_usd": 2.0}))
        client.acl_setuser("sync", enabled=True, categories=["+@all"])
        await buffer.append_observations(observed({"price_usd": 2.0}))
        client.acl_setuser("sync", enabled=True, passwords=["-first", "+second"])
        client.client_kill_filter(user="sync")
        for _ in range(2):
            with pytest.raises(BufferUnavailable, match="AuthenticationError"):
                await buffer.append_observations(observed({"price_usd": 3.0}))
        client.acl_setuser("sync", enabled=True, passwords=["+first"])
        await buffer.append_observations(observed({"price_usd": 3.0}))
    assert {MINT: {"price_usd": 3.0}} == await dirty_values(buffer)
    await buffer.close()


# Secrets.


def shown_by(error: BaseException) -> str:
    """All that a log could show of an error."""
    assert isinstance(error, Exception)
    failure = describe_failure(error, UnixSeconds(0.0))
    return "".join([*traceback.format_exception(error), repr(error), str(failure), repr(failure)])


@pytest.mark.parametrize(
    "answer",
    [
        f"-ERR unknown command 'AUTH', with args beginning with: 'sync' '{SECRET}' ",
        f"-WRONGPASS for {SECRET!r}",
        f"-NOPERM of {SECRET_IN_URL}",
        f"{SECRET} is no protocol",
        f"-LOADING {SECRET[:8]}",
        f"-MASTERDOWN {SECRET[-6:]}",
        ":s3cr#t",
    ],
)
async def test_nothing_that_a_server_repeats_of_a_secret_is_told(
    redis_server: EmbeddedRedis, answer: str
) -> None:
    async with running_switchboard(redis_server.port) as board:
        address = f"redis://sync:{SECRET_IN_URL}@127.0.0.1:{board.port}/0"
        buffer = buffer_at(address, TIMEOUT_SECONDS)
        with board.breaking(answer.encode() + b"\r\n"):
            with pytest.raises(BufferUnavailable) as raised:
                await buffer.open()
            shown = shown_by(raised.value) + repr(buffer) + str(buffer)
        assert [] == [piece for piece in PIECES if piece in shown]
        await buffer.close()


def test_a_bug_of_the_driver_tells_no_secret_either() -> None:
    connections = RedisConnections(f"redis://:{SECRET_IN_URL}@127.0.0.1:1/0", 1.0)

    def fail(client: redis.Redis) -> None:
        raise AttributeError(f"no {client.connection_pool.connection_kwargs['password']}")

    with pytest.raises(TokenDiscoveryError, match="AttributeError") as raised:
        connections.call(fail)
    shown = shown_by(raised.value) + repr(connections)
    assert [] == [piece for piece in PIECES if piece in shown]
    assert not isinstance(raised.value, BufferUnavailable)


async def test_an_error_without_a_secret_is_told_as_it_is() -> None:
    buffer = buffer_at("redis://:hush@127.0.0.1:1/0")
    with pytest.raises(BufferUnavailable, match="Connection refused"):
        await buffer.open()


# What the server is.


async def test_a_node_of_a_cluster_is_refused(new_redis: RedisFactory) -> None:
    server = new_redis(settings={"cluster-enabled": "yes", "cluster-port": free_port()})
    buffer = buffer_at(server.url)
    with pytest.raises(BadConfiguration, match=r"redis\.url: .* node of a cluster"):
        await buffer.open()
    await buffer.close()


@pytest.mark.parametrize(
    ("memory", "policy", "risk"),
    [
        ("0", "allkeys-random", ""),
        ("64mb", "noeviction", ""),
        ("64mb", "allkeys-lru", "throws away values that are not in Postgres yet"),
        ("64mb", "allkeys-random", "throws away values that are not in Postgres yet"),
        ("64mb", "volatile-ttl", "forgets when flushed values were observed"),
    ],
)
async def test_opening_tells_what_eviction_endangers(
    new_redis: RedisFactory, memory: str, policy: str, risk: str
) -> None:
    server = new_redis(settings={"maxmemory": memory, "maxmemory-policy": policy})
    buffer = buffer_at(server.url)
    risks = await buffer.open()
    assert bool(risk) == len(risks)
    assert all(f"maxmemory-policy is {policy}: " in each and risk in each for each in risks)
    await buffer.close()


async def test_a_user_who_may_not_ask_is_told_so_and_can_work(new_redis: RedisFactory) -> None:
    server = new_redis()
    with redis.Redis.from_url(server.url) as client:
        client.acl_setuser(
            "sync",
            enabled=True,
            passwords=["+pass"],
            keys=["*"],
            categories=["+@all"],
            commands=["-info", "-config"],
        )
    buffer = buffer_at(f"redis://sync:pass@127.0.0.1:{server.port}/0")
    [risk] = await buffer.open()
    assert "does not tell whether it evicts keys" in risk
    await buffer.append_observations(observed({"price_usd": 1.0}))
    await buffer.close()


# Ways to the server.


async def test_a_socket_of_unix_leads_to_the_database_named(
    new_redis: RedisFactory, tmp_path: Path
) -> None:
    path = tmp_path / "redis socket"
    server = new_redis(settings={"unixsocket": str(path)})
    buffer = buffer_at(f"unix://{path}?db=3".replace(" ", "%20"))
    await buffer.append_observations(observed({"price_usd": 1.0}))
    with redis.Redis(port=server.port, db=3) as client:
        assert 1 == client.exists("td:dirty")
    await buffer.close()


def tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS_FILE)
    return context


@pytest.mark.parametrize(
    "parameters",
    [
        f"ssl_ca_certs={TLS_FILE}",
        f"ssl_ca_certs={TLS_FILE}&ssl_check_hostname=true&ssl_cert_reqs=required",
        f"ssl_ca_certs={TLS_FILE}&ssl_min_version=TLSv1.3",
        "ssl_cert_reqs=none",
    ],
)
async def test_tls_is_spoken_with_the_parameters_of_the_address(
    redis_server: EmbeddedRedis, redis_url: str, parameters: str
) -> None:
    async with running_switchboard(redis_server.port, tls_context()) as board:
        buffer = buffer_at(f"rediss://localhost:{board.port}/0?{parameters}")
        assert [] == await buffer.open()
        await buffer.append_observations(observed({"price_usd": 1.0}))
        assert {MINT: {"price_usd": 1.0}} == await dirty_values(buffer)
        await buffer.close()


@pytest.mark.parametrize("parameters", ["", "?ssl_check_hostname=false", "?ssl_cert_reqs=required"])
async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(
    redis_server: EmbeddedRedis, redis_url: str, parameters: str
) -> None:
    async with running_switchboard(redis_server.port, tls_context()) as board:
        buffer = buffer_at(f"rediss://localhost:{board.port}/0{parameters}")
        with pytest.raises(BufferUnavailable, match="certificate verify failed"):
            await buffer.open()
        await buffer.close()
