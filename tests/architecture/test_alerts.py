"""Alerts have a section in the runbook each, and promtool takes them."""

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from domain import errors
from tests.architecture.repository import ROOT

ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
TESTS = ROOT / "deploy" / "prometheus" / "alerts_test.yaml"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)"
)


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def sections(title: str) -> list[str]:
    """The titles one level below the title, in order."""
    [text] = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", RUNBOOK, re.M | re.S)
    return re.findall(r"^### (.+)$", text, re.M)


def test_every_alert_has_its_section_in_the_runbook_and_none_is_without() -> None:
    assert [rule["alert"] for rule in rules()] == sections("Alerts")


def test_every_cross_reference_of_the_runbook_leads_to_a_section() -> None:
    titles = re.findall(r"^#+ (.+)$", RUNBOOK, re.M)
    anchors = {title.lower().replace(" ", "-") for title in titles}
    assert set() == set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK)) - anchors


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_leads_to_its_section(rule: dict[str, Any]) -> None:
    assert f"docs/runbook.md#{rule['alert'].lower()}" == rule["annotations"]["runbook_url"]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]


def test_every_exit_code_is_in_the_runbook() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    ours = {kind.exit_code for kind in kinds if issubclass(kind, errors.ExitingError)}
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", RUNBOOK, re.M)}
    assert (ours - {errors.ExitingError.exit_code}) | {0, 130, 143} == told


def test_every_alert_is_tried_firing_and_silent() -> None:
    tests = yaml.safe_load(TESTS.read_text(encoding="utf-8"))["tests"]
    tried = sorted(test["name"] for test in tests)
    names = [rule["alert"] for rule in rules()]
    assert sorted(f"{name} {how}" for name in names for how in ("fires", "stays silent")) == tried


@needs_promtool
@pytest.mark.parametrize("words", [("check", "rules", ALERTS), ("test", "rules", TESTS)])
def test_promtool_takes_the_alerts_and_their_tests(words: tuple[object, ...]) -> None:
    command = ["promtool", *map(str, words)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == checked.returncode, checked.stdout + checked.stderr


def test_panels_of_the_dashboard_lie_beside_one_another() -> None:
    panels = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())["panels"]
    assert len(panels) == len({panel["id"] for panel in panels})
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
