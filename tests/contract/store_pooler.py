"""A real PgBouncer before a real server: in transaction mode, unless a test wants another.

Found on PATH or where Debian's package puts it (`apt-get install pgbouncer`); without one, what
needs it is skipped.
"""

import shutil
import signal
import socket
from pathlib import Path

import pytest

from commands.embedded import EmbeddedPostgres
from commands.embedded.process import ServerProcess

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
needs_pgbouncer = pytest.mark.skipif(
    PGBOUNCER is None, reason="there is no pgbouncer here: apt-get install pgbouncer"
)
CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 100
server_reset_query =
"""


class EmbeddedPooler(ServerProcess):
    """PgBouncer with a pool of `size` connections a database and user, in `directory`."""

    name = "pgbouncer"
    first_signal = signal.SIGTERM

    def __init__(
        self, directory: Path, server: EmbeddedPostgres, size: int, mode: str = "transaction"
    ) -> None:
        super().__init__(directory)
        self.server = server
        self.size = size
        self.mode = mode

    def url_of(self, url: str) -> str:
        """The address of the same database on the server, by way of the pooler."""
        return url.replace(f":{self.server.port}/", f":{self.port}/")

    def prepare(self) -> None:
        users = self.directory / "users.txt"
        users.write_text('"postgres" ""\n"plain" ""\n')
        users.chmod(0o644)

    def command(self) -> list[str]:
        configuration = self.directory / "pgbouncer.ini"
        configuration.write_text(
            CONFIGURATION.format(
                server_port=self.server.port,
                port=self.port,
                users=self.directory / "users.txt",
                mode=self.mode,
                size=self.size,
            )
        )
        configuration.chmod(0o644)
        assert PGBOUNCER is not None
        return [PGBOUNCER, str(configuration)]

    def is_ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def user(self) -> dict[str, object]:
        return self.server.user()  # it does not run as root, either
