"""What is installed is what the lock files say, unchanged, and under licences that may be used."""

import base64
import csv
import hashlib
import json
import re
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.model.bom import Bom

from deploy.sbom import (
    Locked,
    build_bom,
    find_installed,
    list_requirements,
    read_licence,
    read_lock,
)
from tests.architecture.repository import PROJECT, ROOT

NAME = "token-discovery"
LICENCES = {  # by the words that packages use; each lets a service be run, changed and sold
    *("MIT", "MIT License", "MIT license", "MIT-CMU", "ISC", "BSD License", "PSF-2.0", "PSFL"),
    *("BSD-2-Clause", "BSD-3-Clause", "BSD 2-Clause License"),
    *("Apache-2.0", "Apache 2.0", "Apache Software License"),
    *("MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)", "LGPL-3.0-only"),
    *("0BSD", "Zlib", "CC0-1.0"),
}

UNTOLD = {  # by the repository, or a file; the package itself says nothing
    "atheris": "Apache-2.0",
    "axe-playwright-python": "MIT AND MPL-2.0",  # its own, and that of axe-core within it
}


def lock(name: str) -> dict[str, list[Locked]]:
    """The entries of a lock file, by package; several where machines want several versions."""
    entries: dict[str, list[Locked]] = {}
    for entry in read_lock((ROOT / name).read_text(encoding="utf-8")):
        entries.setdefault(entry.name, []).append(entry)
    return entries


ALL, SERVICE = lock("requirements.lock"), lock("requirements-service.lock")
INSTALLED = find_installed(sys.path)


@pytest.fixture(scope="module")
def bom() -> Any:
    told = subprocess.run(
        [sys.executable, ROOT / "deploy" / "sbom.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (told.returncode, told.stderr)
    return json.loads(told.stdout)


# Locks.


@pytest.mark.parametrize("entries", [ALL, SERVICE], ids=["all", "service"])
def test_everything_is_pinned_with_a_hash(entries: dict[str, list[Locked]]) -> None:
    assert entries
    assert [] == [one.name for several in entries.values() for one in several if not one.hashes]


def test_service_is_locked_as_it_is_tested() -> None:
    def pins(entries: list[Locked]) -> list[tuple[str, tuple[str, ...]]]:
        return [(one.version, one.hashes) for one in entries]

    assert [] == [name for name in SERVICE if pins(SERVICE[name]) != pins(ALL.get(name, []))]


def test_locks_name_all_that_the_project_asks_for() -> None:
    wanted = {re.split(r"[^\w-]", one)[0] for one in PROJECT["project"]["dependencies"]}
    assert set() == wanted - SERVICE.keys()


# What is installed.


def test_nothing_is_installed_but_what_is_locked() -> None:
    versions = {name: found.version for name, found in INSTALLED.items()}
    locked = {name: {one.version for one in entries} for name, entries in ALL.items()}
    strangers = {name for name in versions if versions[name] not in locked.get(name, ())}
    assert strangers <= {NAME, "pip"}


@pytest.mark.parametrize("name", sorted(SERVICE.keys() & INSTALLED.keys()))
def test_installed_files_are_as_their_package_recorded_them(name: str) -> None:
    found = INSTALLED[name]
    rows = list(csv.reader((found.read_text("RECORD") or "").splitlines()))
    recorded = {file: told.removeprefix("sha256=") for file, told, _ in rows if told}
    assert recorded
    assert [] == [file for file, told in recorded.items() if told != digest(found, file)]


def digest(found: Distribution, file: str) -> str:
    """As RECORD has it (PEP 376): base64 for addresses, without padding."""
    content = Path(str(found.locate_file(file))).read_bytes()
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


@pytest.mark.parametrize("name", sorted(INSTALLED))
def test_licence_is_one_that_may_be_used(name: str) -> None:
    told = UNTOLD.get(name) or read_licence(INSTALLED[name])
    parts = re.split(" AND | OR ", told)
    assert {part if part in LICENCES else part.strip("()") for part in parts} <= LICENCES


# The bill of materials.


def test_bill_can_be_read_and_lists_what_the_service_consists_of(bom: Any) -> None:
    read: Any = Bom
    assert len(bom["components"]) == len(read.from_json(bom).components)
    assert NAME == bom["metadata"]["component"]["name"]
    listed = {one["name"]: one["version"] for one in bom["components"]}
    wanted = {
        one.name: one.version
        for entries in SERVICE.values()
        for one in entries
        if one.name in INSTALLED or not one.is_conditional
    }
    assert wanted == listed


def test_bill_tells_licence_and_hashes_of_each(bom: Any) -> None:
    for component in bom["components"]:
        assert component["licenses"]
        told = {
            one["hashes"][0]["content"]
            for one in component["externalReferences"]
            if one["type"] == "distribution"
        }
        assert any(told == set(one.hashes) for one in SERVICE[component["name"]])


def test_bill_tells_who_needs_whom(bom: Any) -> None:
    needed = {one["ref"]: one.get("dependsOn", []) for one in bom["dependencies"]}
    version = PROJECT["project"]["version"]
    direct = {
        one.split("@")[0].removeprefix("pkg:pypi/") for one in needed[f"pkg:pypi/{NAME}@{version}"]
    }
    assert direct == set(list_requirements(INSTALLED[NAME]))
    assert all(ref in needed for several in needed.values() for ref in several)


def test_another_version_than_the_locked_one_has_no_bill() -> None:
    [trio] = SERVICE["trio"]
    with pytest.raises(ValueError, match=r"trio: 0\.0\.1 is locked, here it is "):
        build_bom([trio._replace(version="0.0.1")], INSTALLED)
    with pytest.raises(ValueError, match="here it is missing"):
        build_bom([trio._replace(name="not-there")], INSTALLED)
    build_bom([trio._replace(name="not-there", is_conditional=True)], INSTALLED)
