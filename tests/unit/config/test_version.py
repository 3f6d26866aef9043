"""`--version`: the version of the code that runs."""

from pathlib import Path

import pytest

from commands.main import main
from config import version
from tests.architecture.repository import PROJECT

VERSION = PROJECT["project"]["version"]


def test_checkout_tells_its_own_version_whatever_is_installed(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text('[project]\nversion = "7.8.9"\n')
    assert "7.8.9" == version.read_version(file)


def test_installation_tells_the_version_of_its_metadata(tmp_path: Path) -> None:
    assert VERSION == version.read_version(tmp_path / "pyproject.toml")


def test_code_without_project_or_installation_says_that_it_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "DISTRIBUTION", "no-such-distribution-is-installed")
    assert "unknown" == version.read_version(tmp_path / "pyproject.toml")


def test_version_is_printed_without_any_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert 0 == exit_.value.code
    assert f"token-discovery {VERSION}\n" == capsys.readouterr().out
