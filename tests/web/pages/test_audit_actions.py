from __future__ import annotations

import re
from pathlib import Path

import pytest

import bssci
from bssci.web.pages.audit_actions import FAMILIES, LOST, WORDS, in_words

SOURCE = Path(bssci.__file__).parent
PREFIXES = "|".join(re.escape(each.prefix) for each in FAMILIES if "." in each.prefix)
NAME = re.compile(rf'f?"((?:{PREFIXES})[a-z_]+)"')
FILES = ("html", "json")


def test_every_action_that_is_written_to_the_audit_log_has_words() -> None:
    named = {name for path in SOURCE.rglob("*.py") for name in NAME.findall(path.read_text())}
    actions = {name for name in named if not name.endswith(FILES)}
    assert actions - WORDS.keys() == set()
    assert len(actions) > 40


def test_the_words_tell_actions_apart_and_a_prefix_leads_to_its_family_alone() -> None:
    assert len(set(WORDS.values())) == len(WORDS)
    for family in FAMILIES:
        assert {name for name in WORDS if name.startswith(family.prefix)} == {
            family.prefix + name for name in family.actions
        }
    assert set(LOST) <= WORDS.keys()


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("sensor.remove", ("Delete a sensor", "", True)),
        ("sensor.remove.failed", ("Delete a sensor", "failed", False)),
        ("login.refused", ("Log in", "refused", False)),
        ("device.remove", ("Forget a device", "", True)),
        ("of.an.older.version", ("of.an.older.version", "", False)),
    ],
)
def test_an_action_is_said_with_its_outcome(action: str, words: tuple[str, str, bool]) -> None:
    assert in_words(action) == words
