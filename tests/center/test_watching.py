from __future__ import annotations

import re
from pathlib import Path

from bssci.center.alarms import conditions
from bssci.center.alarms.guard import KINDS
from tests.support.center import House
from tests.support.guard import watched_of


def test_every_kind_of_alarm_is_checked(house: House) -> None:
    """An alarm of a kind that no check names as its own would stay open for ever."""
    kinds = set(re.findall(r'Condition\(\s*f?"([a-z-]+)[:"]', Path(conditions.__file__).read_text()))
    others = watched_of(house).others or {}
    assert sorted([*KINDS, *others]) == sorted(kinds)


def test_each_further_check_finds_nothing_in_a_service_that_is_well(house: House) -> None:
    assert [each for look in (watched_of(house).others or {}).values() for each in look()] == []
