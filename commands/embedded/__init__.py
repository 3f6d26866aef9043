"""Real servers for the demo, the benchmarks and the tests: a Postgres and a Redis of one's own.

    directory = RunDirectory()              # or any directory of the caller's
    postgres = EmbeddedPostgres(directory.path)
    postgres.start(); connect(postgres.url); postgres.kill(); postgres.restart(); postgres.stop()

Everything here is synchronous and bounded in time, so that it serves plain tests as well as
Trio, where calls belong in `trio.to_thread.run_sync`. A caretaker process (caretaker.py) sees
to it that nothing stays behind, whichever way this process ends.
"""

from commands.embedded.directory import RunDirectory
from commands.embedded.installs import PostgresInstall, available_postgres, find_redis
from commands.embedded.postgres import EmbeddedPostgres
from commands.embedded.process import EmbeddedServerFailed, free_port
from commands.embedded.redis import EmbeddedRedis

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedRedis",
    "EmbeddedServerFailed",
    "PostgresInstall",
    "RunDirectory",
    "available_postgres",
    "find_redis",
    "free_port",
]
