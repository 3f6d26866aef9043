"""The version of the program, as `--version` tells it."""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DISTRIBUTION = "token-discovery"
PROJECT_FILE = Path(__file__).parents[1] / "pyproject.toml"  # of a checkout; no wheel holds it


def read_version(project_file: Path = PROJECT_FILE) -> str:
    """The version of the code that runs: a checkout's own, else that of the installation.

    In this order, because a checkout may run where another version is installed.
    """
    if project_file.is_file():
        project = tomllib.loads(project_file.read_text(encoding="utf-8"))["project"]
        return str(project["version"])
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"
