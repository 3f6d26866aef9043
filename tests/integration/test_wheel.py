"""The wheel: one package, no name of somebody else's, and a command that works out of it.

It is built from what .dockerignore lets through, as the image builds it, and installed into an
environment that borrows the dependencies of the running one: nothing is downloaded.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from commands.embedded import RunDirectory, free_port
from tests.architecture.repository import FOLDERS, PROJECT, ROOT, every_file

BUILD = "import setuptools.build_meta as backend; backend.build_wheel({directory!r})"
BOUND_SECONDS = 120.0  # of any one step; together they take about ten
VERSION = PROJECT["project"]["version"]
SUPERVISOR_OF_SOMEBODY_ELSE = "WHOSE = 'another project'"


@frozen
class Installation:
    """A virtual environment that has the wheel, and nothing else of its own."""

    environment: Path
    directory: Path  # where commands run: it holds modules named as the rooms, which fail

    @property
    def site_packages(self) -> Path:
        return purelib(self.environment)

    def run(self, command: str, *arguments: str, **variables: str) -> "Completed":
        """Run a program of the environment."""
        return completed(
            str(self.environment / "bin" / command),
            *arguments,
            cwd=self.directory,
            variables=variables,
        )


Completed = subprocess.CompletedProcess[str]


def completed(*command: str, cwd: Path, variables: dict[str, str]) -> Completed:
    return subprocess.run(
        command,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
        check=False,
    )


def purelib(environment: Path) -> Path:
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(environment)}))


def let_through() -> list[str]:
    """The names at the top level that .dockerignore lets into the image's build."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("!") for line in lines if line.startswith("!")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in let_through():
        path = ROOT / name
        if path.is_dir():
            # Links stay links, as in an image's build.
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, source / name, symlinks=True, ignore=ignored)
        else:
            (source / name).parent.mkdir(exist_ok=True, parents=True)
            shutil.copy(path, source / name)
    build = BUILD.format(directory=str(built))
    process = completed(sys.executable, "-c", build, cwd=source, variables={})
    assert 0 == process.returncode, process.stderr
    [path] = built.iterdir()
    return path


def install(wheel: Path, directory: Path) -> Installation:
    environment = directory / "environment"
    venv.create(environment, symlinks=True)
    borrowed = sysconfig.get_path("purelib")
    (purelib(environment) / "dependencies.pth").write_text(f"{borrowed}\n")
    (purelib(environment) / "supervisor.py").write_text(SUPERVISOR_OF_SOMEBODY_ELSE)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python"]
    options = ["install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    process = completed(
        *pip, str(environment / "bin" / "python"), *options, cwd=directory, variables={}
    )
    assert 0 == process.returncode, process.stderr
    where = directory / "elsewhere"
    where.mkdir()
    for name in (*FOLDERS, "service", "supervisor"):
        if name != "token_discovery":
            (where / f"{name}.py").write_text("raise RuntimeError('not the room of this name')")
    return Installation(environment, where)


@pytest.fixture(scope="module")
def installation(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return install(wheel, tmp_path_factory.mktemp("installation"))


def test_wheel_has_one_importable_name_and_its_metadata(wheel: Path) -> None:
    names = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {"token_discovery", f"token_discovery-{VERSION}.dist-info"} == names


def test_installation_records_one_importable_name_and_one_script(
    installation: Installation,
) -> None:
    metadata = installation.site_packages / f"token_discovery-{VERSION}.dist-info"
    lines = (metadata / "RECORD").read_text().splitlines()
    recorded = {line.partition(",")[0] for line in lines}
    outside = {name for name in recorded if name.startswith("..")}
    assert {"../../../bin/token-discovery"} == outside
    assert {"token_discovery", metadata.name} == {
        name.partition("/")[0] for name in recorded - outside
    }
    assert (metadata / "licenses" / "LICENSE").is_file()


def test_wheel_holds_every_file_of_the_rooms(wheel: Path) -> None:
    """Modules and what they read beside them: SQL, Lua, TOML, pages, the runbook."""
    rooms = [ROOT / name for name in FOLDERS if name != "token_discovery"]
    wanted = {
        str(path.relative_to(ROOT))
        for path in every_file()
        if any(path.is_relative_to(room) for room in rooms)
    } | {"service.py", "supervisor.py", "docs/runbook.md"}
    prefix = "token_discovery/rooms/"
    held = [name for name in zipfile.ZipFile(wheel).namelist() if name.startswith(prefix)]
    assert wanted == {name.removeprefix(prefix) for name in held}


def test_wheel_holds_the_client_that_npm_packs(wheel: Path) -> None:
    name = "token_discovery/rooms/feed/pages/client.js"
    assert zipfile.ZipFile(wheel).read(name) == (ROOT / "clients/js/index.js").read_bytes()


def test_module_of_another_project_is_not_hidden(installation: Installation) -> None:
    process = installation.run("python", "-P", "-c", "import supervisor; print(supervisor.WHOSE)")
    assert "another project\n" == process.stdout
    for room in FOLDERS:
        found = f"import importlib.util as u; print(u.find_spec({room!r}) is not None)"
        process = installation.run("python", "-P", "-c", found)
        assert f"{room == 'token_discovery'}\n" == process.stdout


@pytest.mark.parametrize(
    "command", [("token-discovery",), ("python", "-m", "token_discovery")], ids="-".join
)
def test_command_works_beside_modules_of_the_same_names(
    installation: Installation, command: tuple[str, ...]
) -> None:
    process = installation.run(*command, "--version")
    assert (f"token-discovery {VERSION}\n", 0) == (process.stdout, process.returncode)
    process = installation.run(*command, "doctor")
    assert 78 == process.returncode
    assert 2 == len(process.stderr.splitlines())  # both stores' addresses must be given


def test_doctor_of_the_installation_asks_both_stores(installation: Installation) -> None:
    nowhere = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1"}
    process = installation.run("token-discovery", "doctor", **nowhere)
    assert 69 == process.returncode, process.stderr
    assert ["Postgres", "Redis"] == [line.split(": ")[1] for line in process.stderr.splitlines()]


def test_editable_installation_has_the_command_as_well(installation: Installation) -> None:
    """The environment of the tests themselves; `make install` made it."""
    script = Path(sys.executable).with_name("token-discovery")
    process = completed(str(script), "--version", cwd=installation.directory, variables={})
    assert (f"token-discovery {VERSION}\n", 0) == (process.stdout, process.returncode)


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary directory that the servers' user may enter, too."""
    with RunDirectory() as path:
        yield path


def test_demo_of_the_installation_becomes_ready_and_ends_with_0(
    installation: Installation, temporary: Path
) -> None:
    port = free_port()
    process = installation.run(
        "token-discovery",
        *("demo", "--port", str(port), "--duration", "0.5"),
        TMPDIR=str(temporary),
    )
    assert 0 == process.returncode, process.stderr
    assert f"http://127.0.0.1:{port}/\n" == process.stdout
    assert "service drained" in process.stderr
    assert [] == list(temporary.iterdir())


def test_image_starts_the_owners_entry_as_a_module(wheel: Path, tmp_path: Path) -> None:
    """Of the Dockerfile only what makes `python -m supervisor` work; the rest needs a builder."""
    own = install(wheel, tmp_path)
    (own.site_packages / "supervisor.py").unlink()  # an image has no other project's
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    [step] = re.findall(r"^RUN (.*token_discovery\.pth)$", dockerfile, re.MULTILINE)
    step = step.replace("/opt/token-discovery", str(own.environment))
    process = completed("sh", "-c", step, cwd=tmp_path, variables={})
    assert 0 == process.returncode, process.stderr
    process = own.run("python", "-P", "-m", "supervisor", "--version")
    assert (f"token-discovery {VERSION}\n", 0) == (process.stdout, process.returncode)
