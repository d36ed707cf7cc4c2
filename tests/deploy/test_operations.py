"""What the guide for operators and the README name exists: files, settings, commands, alerts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bssci.cli import COMMANDS

ROOT = Path(__file__).parent.parent.parent
GUIDE, README = ROOT / "docs" / "operations.md", ROOT / "README.md"
OF_THE_IMAGE = {"BSSCI_INIT", "BSSCI_INIT_HOSTS"}


@pytest.mark.parametrize("page", [GUIDE, README], ids=lambda page: page.name)
def test_each_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text())
    assert links
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_each_setting_and_command_that_the_guide_names_exists() -> None:
    text = GUIDE.read_text()
    settings = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text(), re.M))
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)\b", text))
    assert named - OF_THE_IMAGE <= settings
    commands = set(re.findall(r"(?:bin/|`|run --rm |bssci )bssci ([a-z][a-z-]+)", text))
    assert {"init", "check", "token"} <= commands <= COMMANDS.keys()


def test_each_alert_that_the_guide_names_exists() -> None:
    rules = (ROOT / "deploy" / "prometheus" / "bssci.rules.yml").read_text()
    named = set(re.findall(r"`(Bssci\w+)`", GUIDE.read_text()))
    assert named and all(f"alert: {name}\n" in rules for name in named)
