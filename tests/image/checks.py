"""The image, built from the Dockerfile and run as in production: `make image-test`.

Not a part of `make test`: it needs a container engine and a base image.
"""

import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from commands.embedded import free_port
from commands.embedded.process import wait_until
from tests.acceptance.service import settings
from tests.image.engine import MISSING, Container, ContainerEngine, find_engine
from tests.patience import PATIENCE_SECONDS

GRACE_SECONDS = 10  # as Docker has it


@pytest.fixture(scope="session")
def engine() -> ContainerEngine:
    found = find_engine()
    if found is None:
        pytest.exit(MISSING, returncode=69)
    return found


@pytest.fixture(scope="session")
def image(engine: ContainerEngine) -> str:
    return engine.build_image()


@pytest.fixture
def port() -> str:
    return str(free_port())


@pytest.fixture
def container(
    engine: ContainerEngine, image: str, port: str, postgres_url: str, redis_url: str
) -> Iterator[Container]:
    """The service, ready."""
    environment = {**settings(postgres_url, redis_url), "PORT": port}
    with engine.run(image, environment) as running:
        assert wait_until(lambda: is_ready("127.0.0.1", port), PATIENCE_SECONDS)
        yield running


def is_ready(host: str, port: str) -> bool:
    try:
        answer = httpx.get(
            f"http://{host}:{port}/readyz", trust_env=False, timeout=PATIENCE_SECONDS
        )
    except httpx.HTTPError:
        return False
    return answer.status_code == 200


def test_it_answers_over_both_protocols(container: Container, port: str) -> None:
    assert socket.has_ipv6
    assert [True, True] == [is_ready(host, port) for host in ("127.0.0.1", "[::1]")]


def test_it_runs_as_nobody_without_capabilities(container: Container) -> None:
    told = container.execute("cat", "/proc/1/status").stdout
    status = dict(line.split(":\t", 1) for line in told.splitlines() if ":\t" in line)
    assert {"10001"} == set(status["Uid"].split())
    assert {0} == {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapBnd")}
    assert "1" == status["NoNewPrivs"]


def test_it_holds_its_bill_of_materials(container: Container) -> None:
    bill = json.loads(
        container.execute("cat", "/opt/token-discovery/token-discovery.cdx.json").stdout
    )
    assert "CycloneDX" == bill["bomFormat"]
    assert {"trio", "psycopg", "redis"} <= {component["name"] for component in bill["components"]}


def test_it_can_write_nowhere_but_to_scratch_and_pictures(container: Container) -> None:
    def can_write(directory: str) -> bool:
        code = f"open({directory + '/try'!r}, 'w').close()"
        return container.execute("python", "-c", code).returncode == 0

    assert [True, True] == [can_write(each) for each in ("/tmp", "/var/cache/token-discovery")]
    writable = [each for each in ("", "/etc", "/opt/token-discovery", "/root") if can_write(each)]
    assert [] == writable


def test_its_health_check_succeeds(container: Container) -> None:
    kind, *words = container.inspect()["Config"]["Healthcheck"]["Test"]
    assert "CMD" == kind
    checked = container.execute(*words)
    assert (0, "") == (checked.returncode, checked.stdout + checked.stderr)


def test_a_stop_drains_within_the_grace(container: Container) -> None:
    assert 0 == container.stop(GRACE_SECONDS)
    assert '"event": "drained"' in container.read_log()


def test_its_other_commands_run(container: Container, port: str) -> None:
    dumped = container.execute("token-discovery", "dump")
    assert (0, True) == (dumped.returncode, '"mailboxes"' in dumped.stdout)
    doctor = container.execute("token-discovery", "doctor")
    assert 0 == doctor.returncode, doctor.stdout + doctor.stderr
    entry = container.execute("python", "-m", "supervisor", "--help")
    assert 0 == entry.returncode, entry.stderr


def test_bad_settings_end_it_with_78(engine: ContainerEngine, image: str) -> None:
    ended = engine.run_to_its_end(image, {"TOKEN_DISCOVERY__SYNC__NOPE": "1"})
    assert (78, True) == (ended.returncode, "TOKEN_DISCOVERY__SYNC__NOPE" in ended.stderr)


def test_nothing_is_in_it_that_only_a_build_needs(container: Container) -> None:
    names = ("pip", "pytest", "benchmarks")
    code = f"import importlib.util as u; print(*filter(u.find_spec, {names}))"
    found = container.execute("python", "-c", code)
    assert (0, "") == (found.returncode, found.stdout.strip())
