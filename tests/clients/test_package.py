"""clients/js as npm packs it, and as the service serves it: one file."""

import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from feed.pages import load_pages
from tests.architecture.repository import ROOT

CLIENT = ROOT / "clients" / "js"
BOUND_SECONDS = 120.0
PRINT_EXPORTS = (
    'console.log(JSON.stringify(Object.keys(await import("token-discovery-client")).sort()))'
)


def run(*command: str, where: Path) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} here")
    done = subprocess.run(
        command, cwd=where, capture_output=True, text=True, timeout=BOUND_SECONDS, check=False
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def test_the_pages_are_served_the_file_that_is_packed() -> None:
    client = CLIENT / "index.js"
    assert (ROOT / "feed" / "pages" / "client.js").resolve() == client
    assert client.read_bytes() == load_pages(1800.0)["/assets/client.js"].body


def test_npm_packs_what_can_be_imported_by_its_name_and_is_typed(tmp_path: Path) -> None:
    options = ["--json", "--offline", "--pack-destination", str(tmp_path)]
    [packed] = json.loads(run("npm", "pack", *options, where=CLIENT))
    names = {"README.md", "index.d.ts", "index.js", "package.json"}
    assert names == {file["path"] for file in packed["files"]}
    installed = tmp_path / "node_modules" / "token-discovery-client"
    with tarfile.open(tmp_path / packed["filename"]) as archive:
        archive.extractall(tmp_path, filter="data")
    installed.parent.mkdir()
    (tmp_path / "package").rename(installed)
    (tmp_path / "print.mjs").write_text(PRINT_EXPORTS)
    exported = json.loads(run("node", "print.mjs", where=tmp_path))
    declared = (installed / "index.d.ts").read_text(encoding="utf-8")
    pattern = r"^export declare (?:class|const|function) (\w+)"
    assert sorted(re.findall(pattern, declared, re.MULTILINE)) == exported
