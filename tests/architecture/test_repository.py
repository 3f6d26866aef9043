"""Rules about the files themselves: size, names, words, and that each known defect is tested."""

import json
import re

import pytest

from tests.architecture.repository import (
    FOLDERS,
    ROOT,
    every_file,
    modules_of_tests,
    service_modules,
    used_names,
)

LINES_A_FILE = 400
LINES_A_TEST_FILE = 600  # a contract is one long list of claims
DEFECTS = range(1, 16)  # of the system before this one, as the tests name them

GLOSSARY = re.compile(r"^\| \*\*(.+?)\*\* \| (.+) \|$", re.MULTILINE)


def text_of_the_service() -> str:
    texts = [path.read_text(encoding="utf-8") for path in service_modules().values()]
    texts += [
        path.read_text(encoding="utf-8")
        for path in every_file()
        if path.suffix in {".sql", ".lua", ".toml", ".html", ".js"}
    ]
    return "\n".join(texts).lower()


def test_every_package_of_the_service_is_read() -> None:
    """Else the rules here and those of pyproject.toml pass it by."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert set(FOLDERS) == packages - {"tests", "benchmarks"}


def test_no_file_is_too_long_to_be_read() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in [*service_modules().values(), *modules_of_tests()]
    }
    too_long = {
        name: lines
        for name, lines in lengths.items()
        if lines > (LINES_A_TEST_FILE if name.startswith("tests/") else LINES_A_FILE)
    }
    assert {} == too_long


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name
        for name, path in service_modules().items()
        if (text := path.read_text(encoding="utf-8").strip()) and not text.startswith('"""')
    ]
    assert [] == silent


def test_no_file_names_a_path_of_a_machine() -> None:
    """Homes and work directories differ from machine to machine; a fresh clone knows neither."""
    path_of_a_machine = re.compile(r"(?<![\w.:/])/(home|Users|root|work|mnt)/\w")
    found = []
    for path in every_file():
        if path.suffix in {".jsonl", ".json", ".png", ".svg", ".lock"}:
            continue  # recordings of the world, and lists of hashes
        text = path.read_text(encoding="utf-8", errors="replace")
        if path_of_a_machine.search(text):
            found.append(str(path.relative_to(ROOT)))
    assert [] == found


def test_locks_hold_hashes_and_no_address() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        text = lock.read_text(encoding="utf-8")
        assert "--hash=sha256:" in text
        assert "://" not in text


def test_lock_of_npm_holds_hashes_and_no_address() -> None:
    text = (ROOT / "tests" / "owner" / "package-lock.json").read_text(encoding="utf-8")
    packages = json.loads(text)["packages"]
    assert {""} == {name for name, package in packages.items() if "integrity" not in package}
    assert "://" not in text


@pytest.mark.parametrize("number", DEFECTS)
def test_each_known_defect_is_named_by_a_test(number: int) -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in modules_of_tests())
    in_names = set(re.findall(r"def test_\w*defect_(\d+)\b", text))
    lists = re.findall(r"[Dd]efects? ((?:\d+(?:, | and )?)+)", text)
    in_words = {number for words in lists for number in re.findall(r"\d+", words)}
    assert str(number) in in_names | in_words


# The glossary.


def glossary() -> dict[str, str]:
    return dict(GLOSSARY.findall((ROOT / "docs" / "GLOSSARY.md").read_text(encoding="utf-8")))


def test_glossary_is_in_order() -> None:
    words = list(glossary())
    assert len(words) > 30
    assert words == sorted(words)


@pytest.mark.parametrize("word", glossary())
def test_word_of_the_glossary_is_used_by_the_code(word: str) -> None:
    stem = word.lower().removesuffix("ed").removesuffix("e")
    pattern = r"[ _-]".join(map(re.escape, stem.split()))
    assert re.search(pattern, text_of_the_service()), f"nothing in the code is called {word}"


@pytest.mark.parametrize(
    "word", ["actor", "board", "buffer", "mailbox", "roster", "spool", "table", "token", "venue"]
)
def test_word_that_the_code_is_made_of_is_in_the_glossary(word: str) -> None:
    assert glossary()[word]


# Tests.


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.sleep(5)",
        "import time as clock\nclock.sleep(5)",
        "from time import sleep\nsleep(5)",
        "def nap():\n    from time import sleep as wait\n    return map(wait, [5])",
    ],
)
def test_a_name_is_found_however_it_was_imported(source: str) -> None:
    assert "time.sleep" in used_names(source)


def test_unit_tests_do_not_sleep_for_real() -> None:
    """`time.sleep` waits for the machine; under trio a named clock jumps."""
    sleepers = [
        str(path.relative_to(ROOT))
        for path in modules_of_tests()
        if path.is_relative_to(ROOT / "tests" / "unit")
        and "time.sleep" in used_names(path.read_text(encoding="utf-8"))
    ]
    assert [] == sleepers
