"""What is asked of a Redis server about itself, and of those that keep it to themselves."""

import socketserver
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
import redis

from buffer.redis.facts import RedisFacts, read_facts_once
from commands.embedded import EmbeddedRedis
from domain.errors import BufferUnavailable
from tests.conftest import RedisFactory
from tests.patience import PATIENCE_SECONDS

GIGABYTE = 1 << 30


def facts_of(url: str) -> RedisFacts | None:
    return read_facts_once(url, PATIENCE_SECONDS)


def test_a_server_tells_its_memory_persistence_and_policy(new_redis: RedisFactory) -> None:
    server = new_redis(appendonly=True)
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", GIGABYTE)
        client.config_set("maxmemory-policy", "volatile-lru")
    facts = facts_of(server.url)
    assert facts is not None
    assert facts.version >= (6, 2)
    told = (facts.is_append_only, facts.largest_memory_bytes, facts.eviction_policy)
    assert (True, GIGABYTE, "volatile-lru") == told
    assert 0 < facts.used_memory_bytes < GIGABYTE


@pytest.fixture
def restricted_url(redis_server: EmbeddedRedis) -> Iterator[Callable[[str], str]]:
    """The session's server, for a user without the right to some commands."""
    with redis.Redis.from_url(redis_server.url) as client:

        def url_without(*commands: str) -> str:
            client.acl_setuser(
                "managed",
                enabled=True,
                passwords=["+secret"],
                keys=["*"],
                commands=["+@all", *(f"-{command}" for command in commands)],
            )
            return redis_server.url.replace("redis://", "redis://managed:secret@")

        yield url_without
        client.acl_deluser("managed")


def test_a_user_without_config_gets_the_rest(restricted_url: Callable[..., str]) -> None:
    facts = facts_of(restricted_url("config"))
    assert facts is not None
    assert "noeviction" == facts.eviction_policy


def test_a_user_without_info_gets_nothing_and_no_error(restricted_url: Callable[..., str]) -> None:
    assert facts_of(restricted_url("info", "config")) is None


class ServerlessHandler(socketserver.StreamRequestHandler):
    """Answers the commands of one client as `answers` of its server says."""

    def handle(self) -> None:
        while header := self.rfile.readline():
            words = []
            for _ in range(int(header[1:])):
                size = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(size + 2)[:-2].decode().upper())
            answers: dict[str, bytes] = self.server.answers  # type: ignore[attr-defined]
            self.wfile.write(answers.get(words[0], b"+OK\r\n"))


@contextmanager
def serverless(info: bytes, config: bytes) -> Iterator[str]:
    """The address of a server of which only these two answers are known."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), ServerlessHandler) as server:
        server.daemon_threads = True
        server.answers = {"INFO": info, "CONFIG": config}  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"redis://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def bulk(text: str) -> bytes:
    return f"${len(text)}\r\n{text}\r\n".encode()


REFUSALS = [
    b"-ERR unknown command 'CONFIG', with args beginning with: 'GET'\r\n",
    b"-ERR unknown subcommand 'GET'. Try CONFIG HELP.\r\n",
    b"-ERR Command is not available: 'CONFIG'\r\n",
    b"-ERR This command is not supported on this server\r\n",
    b"-ERR Unsupported CONFIG parameter: maxmemory-policy\r\n",
    b"-NOPERM this user has no permissions to run the 'config|get' command\r\n",
    b"*0\r\n",
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda answer: answer[:30].decode().strip())
def test_what_is_not_told_is_unknown_and_not_taken_for_none(refusal: bytes) -> None:
    with serverless(bulk("# Server\r\nredis_mode:standalone\r\n"), refusal) as url:
        expected = RedisFacts(
            version=(), is_append_only=None, largest_memory_bytes=None, eviction_policy=""
        )
        assert expected == facts_of(url)
    assert expected.evicts


@pytest.mark.parametrize("refusal", REFUSALS[:-1], ids=lambda answer: answer[:30].decode().strip())
def test_a_refused_info_is_no_failure(refusal: bytes) -> None:
    with serverless(refusal, refusal) as url:
        assert facts_of(url) is None


@pytest.mark.parametrize("answer", [b"-LOADING Redis is loading the dataset in memory\r\n"])
def test_a_server_that_is_not_there_yet_is_no_refusal(answer: bytes) -> None:
    with serverless(answer, answer) as url, pytest.raises(BufferUnavailable):
        facts_of(url)
