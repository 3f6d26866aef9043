"""What a newcomer finds beside the code: make's targets, the hooks, the documents' links."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.architecture.repository import PROJECT, ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
HOOKS = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
DECISIONS = ROOT / "docs" / "decisions"
LINK = re.compile(r"\]\((?!https?://)([^)#]+)\)")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")])


def make(*arguments: str) -> str:
    """What make prints, called as from a shell and not from another make."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout


def commands_of(target: str) -> list[str]:
    """The commands of a make target, without make's marks."""
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe, target
    return [line.strip().lstrip("@").strip() for line in recipe[1].splitlines()]


# Make.


def test_help_lists_every_target() -> None:
    [phony] = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    listed = re.findall(r"^  make ([\w-]+) +\S", make("help"), re.MULTILINE)
    assert sorted(phony.split()) == sorted(listed)


def test_demo_passes_its_options_on() -> None:
    printed = make("--dry-run", "demo", "ARGS=--speed 3 --seed 8")
    assert [".venv/bin/token-discovery", "demo", "--speed", "3", "--seed", "8"] == shlex.split(
        printed.splitlines()[-1]
    )


def test_every_folder_of_tests_is_run_and_coverage_is_told_last() -> None:
    parts, _, report = commands_of("test")
    assert parts.endswith(" test-measured test-acceptance test-others")
    assert ["$(BIN)/coverage run -m pytest $(MEASURED)"] == commands_of("test-measured")
    [acceptance], [others] = commands_of("test-acceptance"), commands_of("test-others")
    assert acceptance.endswith(" tests/acceptance")
    assert others.endswith(" $(MEASURED:%=--ignore=%) --ignore=tests/acceptance")
    assert "$(BIN)/coverage report --format=total" == report
    [folders] = re.findall(r"^MEASURED := (.*)$", MAKEFILE, re.MULTILINE)
    assert all((ROOT / folder).is_dir() for folder in folders.split())


def test_coverage_counts_branches_and_has_a_floor() -> None:
    coverage = PROJECT["tool"]["coverage"]
    assert coverage["run"]["branch"]
    assert coverage["report"]["fail_under"] >= 85


def test_gate_checks_and_tests() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert ["make check", "make test"] == lines[-2:]


# Hooks.


def test_hooks_before_a_commit_are_the_checks_of_make() -> None:
    entries = re.findall(r"^ +entry: (.*)$", HOOKS, re.MULTILINE)
    checks = [line for line in commands_of("check") if line.startswith("$(BIN)/")]
    assert [line.replace("$(BIN)", ".venv/bin") for line in checks] == entries


def test_hooks_download_nothing() -> None:
    assert ["local"] == re.findall(r"repo: (.*)$", HOOKS, re.MULTILINE)
    assert {"system"} == set(re.findall(r"language: (.*)$", HOOKS, re.MULTILINE))


# Documents.


def test_index_of_decisions_lists_every_record_in_order() -> None:
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\d{4})\]\((\d{4}-[\w-]+\.md)\) \| \S.*\|$", index, re.MULTILINE)
    assert sorted(path.name for path in DECISIONS.glob("0*.md")) == [name for _, name in listed]
    assert [name[:4] for _, name in listed] == [number for number, _ in listed]


def test_numbers_of_decisions_are_those_of_their_titles() -> None:
    records = list(DECISIONS.glob("0*.md"))
    assert len(records) == len({path.name[:4] for path in records})
    for path in records:
        title = path.read_text(encoding="utf-8").splitlines()[0]
        assert int(path.name[:4]) == int(title.removeprefix("# ").split(".")[0].split(":")[0])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_of_a_document_lead_somewhere(document: Path) -> None:
    targets = LINK.findall(document.read_text(encoding="utf-8"))
    assert [] == [target for target in targets if not (document.parent / target).exists()]


def test_readme_leads_to_every_document_for_contributors() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    wanted = {
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "SECURITY.md",
        "docs/ARCHITECTURE.md",
        "docs/GLOSSARY.md",
        "docs/decisions/README.md",
        "docs/providers.md",
        "docs/runbook.md",
        "deploy/README.md",
    }
    assert wanted <= set(LINK.findall(readme))


def test_license_and_changelog_are_those_of_the_project() -> None:
    project = PROJECT["project"]
    assert f"{project['license']} License" == (ROOT / "LICENSE").read_text().splitlines()[0]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{project['version']}]" in changelog
