from __future__ import annotations

from typing import Any

import pytest

from bssci.web.reports.alarms import has_state
from tests.support.web import WebHouse


@pytest.mark.parametrize(
    ("alarm", "states"),
    [
        ({"state": "open", "acknowledged_by": None}, {"open", "new"}),
        ({"state": "open", "acknowledged_by": "anna"}, {"open"}),
        ({"state": "closed", "acknowledged_by": None}, {"closed"}),
    ],
)
def test_an_alarm_is_new_until_somebody_knows_of_it(alarm: dict[str, Any], states: set[str]) -> None:
    assert {state for state in ("open", "new", "closed") if has_state(alarm, state)} == states


def test_without_alarms_all_counts_are_zero(web: WebHouse) -> None:
    assert web.admin.views.alarms.list() == {"alarms": [], "counts": {"open": 0, "new": 0, "closed": 0}}
