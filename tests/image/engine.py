"""Whatever builds and runs images here: Docker where its server answers, else buildah with podman.

What differs from place to place comes from the environment, as words of a command line:
`IMAGE` (tested as it is, instead of a new one), `PYTHON_IMAGE` (the Dockerfile's base),
`IMAGE_BUILD_OPTIONS` and `IMAGE_RUN_OPTIONS`.
"""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

from attrs import frozen

from tests.acceptance.service import ROOT

BUILD_SECONDS = 1200.0
CALL_SECONDS = 120.0
NUMBERS = count(1)
MISSING = (
    "no container engine: `make image-test` needs Docker with its server running, or buildah, "
    "podman and a runtime (Debian: apt-get install buildah podman runc)"
)


def call(*words: str, seconds: float = CALL_SECONDS) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False)


def call_well(*words: str, seconds: float = CALL_SECONDS) -> str:
    """What the command prints; `AssertionError` with everything it says where it fails."""
    done = call(*words, seconds=seconds)
    assert 0 == done.returncode, f"{shlex.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


@frozen
class ContainerEngine:
    """The commands of one engine."""

    run_words: tuple[str, ...]
    build_words: tuple[str, ...]

    def build_image(self) -> str:
        """The image's name; a new one from the Dockerfile, unless `IMAGE` names another."""
        if image := os.environ.get("IMAGE"):
            return image
        base = os.environ.get("PYTHON_IMAGE")
        options = shlex.split(os.environ.get("IMAGE_BUILD_OPTIONS", ""))
        chosen = ["--build-arg", f"PYTHON_IMAGE={base}"] if base else []
        name = "localhost/token-discovery:image-test"
        words = [*self.build_words, *options, *chosen, "--tag", name, str(ROOT)]
        call_well(*words, seconds=BUILD_SECONDS)
        return name

    def run_to_its_end(
        self, image: str, environment: Mapping[str, str], *words: str
    ) -> "subprocess.CompletedProcess[str]":
        """A container that ends by itself; it leaves nothing behind."""
        return call(*self.run_words, "run", "--rm", *self._options(environment), *words, image)

    @contextmanager
    def run(self, image: str, environment: Mapping[str, str]) -> Iterator["Container"]:
        """A container of the service; removed at the end, its log told if the body fails."""
        name = f"token-discovery-{os.getpid()}-{next(NUMBERS)}"
        options = self._options(environment)
        call_well(*self.run_words, "run", "--detach", "--name", name, *options, image)
        container = Container(self, name)
        try:
            yield container
        except BaseException:
            print(container.read_log())
            raise
        finally:
            call_well(*self.run_words, "rm", "--force", name)

    @staticmethod
    def _options(environment: Mapping[str, str]) -> list[str]:
        """No right that can be taken, and the network of this machine, where the servers are."""
        variables = [f"--env={name}={value}" for name, value in environment.items()]
        return [
            "--network=host",
            "--read-only",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            "--user=10001:10001",
            "--tmpfs=/tmp:size=64m,mode=1777",
            "--tmpfs=/var/cache/token-discovery:size=64m,mode=1777",
            *shlex.split(os.environ.get("IMAGE_RUN_OPTIONS", "")),
            *variables,
        ]


@frozen
class Container:
    """A running container."""

    engine: ContainerEngine
    name: str

    def execute(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return call(*self.engine.run_words, "exec", self.name, *words)

    def inspect(self) -> dict[str, Any]:
        [told] = json.loads(call_well(*self.engine.run_words, "inspect", self.name))
        return dict(told)

    def read_log(self) -> str:
        done = call(*self.engine.run_words, "logs", self.name)
        return done.stdout + done.stderr

    def stop(self, grace_seconds: int) -> int:
        """SIGTERM, after the grace SIGKILL; the exit code."""
        call_well(*self.engine.run_words, "stop", "--time", str(grace_seconds), self.name)
        return int(self.inspect()["State"]["ExitCode"])


def find_engine() -> ContainerEngine | None:
    """The engine of this machine; None where there is none that works."""
    if shutil.which("docker") and call("docker", "info").returncode == 0:
        return ContainerEngine(("docker",), ("docker", "build"))
    if not (shutil.which("podman") and shutil.which("buildah")):
        return None
    runtime = () if shutil.which("crun") else ("--runtime", "runc")
    # HEALTHCHECK is a part of Docker's format alone. Without a runtime's isolation, images can be
    # built within a container, too.
    build = ("buildah", "bud", "--format", "docker", "--isolation", "chroot", "--network", "host")
    return ContainerEngine(("podman", *runtime), build)
