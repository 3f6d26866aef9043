"""Roles as docs/sql/roles.sql makes them, for tests: each pair of its own, and gone at the end."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from attrs import frozen

from commands.embedded import available_postgres

SCRIPT = Path(__file__).parents[1] / "docs" / "sql" / "roles.sql"
NUMBERS = count(1)
ADMIN = "postgres"


@frozen(kw_only=True)
class Roles:
    """A database with a schema for the service, and two roles; names that need quotes."""

    admin_url: str
    service: str
    backend: str
    schema: str

    @property
    def service_url(self) -> str:
        return self._url_of(self.service)

    @property
    def backend_url(self) -> str:
        return self._url_of(self.backend)

    def _url_of(self, role: str) -> str:
        return self.admin_url.replace(f"{ADMIN}@", f"{role}@", 1)

    def grant(self, *variables: str) -> str:
        """Run the script; what it says."""
        return run_script(
            self.admin_url,
            f"service={self.service}",
            f"backend={self.backend}",
            f"schema={self.schema}",
            "lock_public=1",
            *variables,
        )


def run_script(url: str, *variables: str) -> str:
    """What psql prints; `AssertionError` with its errors."""
    psql = available_postgres()[0].bin / "psql"
    given: Sequence[str] = [word for each in variables for word in ("-v", each)]
    ended = subprocess.run(
        [psql, url, "--no-psqlrc", "--tuples-only", *given, "-f", SCRIPT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@contextmanager
def made_roles(admin_url: str) -> Iterator[Roles]:
    number = next(NUMBERS)
    roles = Roles(
        admin_url=admin_url,
        service=f"Service-{number}",
        backend=f"backend-{number}",
        schema=f"Tokens {number}",
    )
    roles.grant()
    yield roles
    with psycopg.connect(admin_url, autocommit=True) as connection:
        for role in (roles.service, roles.backend):
            connection.execute(f'DROP OWNED BY "{role}" CASCADE')
            connection.execute(f'DROP ROLE "{role}"')
