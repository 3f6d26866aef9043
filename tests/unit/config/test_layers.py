"""A settings file that cannot be used is one line, whatever is wrong with it."""

import os
from pathlib import Path

import pytest

from config.layers import LARGEST_FILE_BYTES, read_layers
from config.loading import load_settings
from domain.errors import SettingsInvalid

REQUIRED = {"DATABASE_URL": "postgresql://db/tokens", "REDIS_URL": "redis://cache"}


def problems(file: Path, **environment: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as error:
        load_settings(file, REQUIRED | environment)
    return error.value.problems


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xef\xbb\xbf[sync]\n", "begins with a byte-order mark; save it as UTF-8 without one"),
        ("[sync]\n".encode("utf-16"), "is not UTF-8 text"),
        (b"\x7fELF\x02\x01\x01\x00\xff\xfe", "is not UTF-8 text"),
        (b"[sync]\nbatch_rows = 1" + b"0" * 5000, "is not usable: a number in it is too long"),
        (b"a = " + b"[" * 100_000, "is nested too deeply"),
        (b"#" * (LARGEST_FILE_BYTES + 1), f"is longer than {LARGEST_FILE_BYTES} bytes"),
    ],
    ids=["byte order mark", "UTF-16", "binary", "long number", "deep", "long"],
)
def test_file_that_is_not_usable_is_one_line(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(content)
    assert [f"{file}: {told}"] == problems(file)


@pytest.mark.parametrize(
    "content", [b"\x00\x01\x02", b"[sync", b"s3cret", b"[sync]\nbatch_rows = s3cret\n"]
)
def test_file_that_is_not_toml_says_where_and_not_what(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(content)
    [told] = problems(file)
    assert told.startswith(f"{file}: is not TOML: ")
    assert "s3cret" not in told


def test_directory_is_one_line(tmp_path: Path) -> None:
    assert [f"{tmp_path}: Is a directory"] == problems(tmp_path)


@pytest.mark.parametrize("name", ["absent.toml", "a/b.toml"])
def test_absent_file_is_one_line(tmp_path: Path, name: str) -> None:
    assert [f"{tmp_path / name}: No such file or directory"] == problems(tmp_path / name)


def test_file_that_may_not_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs the tests: to root the system refuses no file, so that the refusal is made."""

    def refuse(self: Path, mode: str) -> None:
        raise PermissionError(13, os.strerror(13), str(self))

    monkeypatch.setattr(Path, "open", refuse)
    file = tmp_path / "settings.toml"
    found: list[str] = []
    monkeypatch.setattr("config.layers.DEFAULTS_FILE", DefaultsInMemory())
    read_layers(file, {}, found)
    assert [f"{file}: Permission denied"] == found


class DefaultsInMemory:
    """Defaults that need no file."""

    def read_text(self, _encoding: str) -> str:
        return ""


def test_endless_file_is_one_line() -> None:
    endless = Path("/dev/zero")
    assert [f"{endless}: is longer than {LARGEST_FILE_BYTES} bytes"] == problems(endless)


def test_name_with_a_line_break_stays_on_its_line(tmp_path: Path) -> None:
    file = tmp_path / "a\nb.toml"
    file.write_text('"stray\\nname" = 1\n[sync]\n"no\\nname" = 1\n')
    found = problems(file, **{"TOKEN_DISCOVERY__SYNC__A\nB": "1"})
    shown = f"{tmp_path}/a\\nb.toml"
    assert [
        f"stray\\nname: stands outside every section ({shown})",
        "sync.a\\nb: no such setting (TOKEN_DISCOVERY__SYNC__A\\nB)",
        f"sync.no\\nname: no such setting ({shown})",
    ] == sorted(found)


def test_problems_of_the_file_and_of_the_environment_are_told_together(tmp_path: Path) -> None:
    found = problems(tmp_path / "absent", PORT="s3cret", HOST=" ", REDIS_URL="")
    named = [problem.partition(":")[0] for problem in found]
    expected = ["gateway.host", "gateway.port", "redis.url", str(tmp_path / "absent")]
    assert sorted(expected) == sorted(named)
