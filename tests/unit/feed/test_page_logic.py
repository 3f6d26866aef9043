"""What the pages compute without a document, by Node's own test runner."""

import shutil
import subprocess
from pathlib import Path

import pytest

from feed.pages import load_pages

CLAIMS = ["page_logic.test.js", "client.test.js"]
SCRIPTS = "/assets/"
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="there is no node, which runs the pages' modules")
@pytest.mark.parametrize("claims", CLAIMS)
def test_the_pages_compute_what_they_claim(claims: str, tmp_path: Path) -> None:
    pages = load_pages(1800.0, [("Elsewhere", "https://elsewhere.example/{mint}")])
    for path, page in pages.items():
        name = path.removeprefix(SCRIPTS)
        if path.endswith(".js") and "/" not in name:
            (tmp_path / name).write_bytes(page.body)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(Path(__file__).with_name(claims), tmp_path)
    assert NODE is not None
    told = subprocess.run(
        [NODE, "--test", claims],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert 0 == told.returncode, told.stdout + told.stderr
