"""When a sink took an event."""

from __future__ import annotations

import pytest

from bssci.web.reports.history import delivered_at


@pytest.mark.parametrize(("seq", "at"), [(9, None), (10, None), (11, 2.0), (20, 2.0), (21, 3.0), (31, None)])
def test_the_batch_that_holds_an_event_tells(seq: int, at: float | None) -> None:
    deliveries = {"mqtt": [(10, 1.0), (20, 2.0), (30, 3.0)], "log": []}
    assert delivered_at(deliveries, seq).get("mqtt") == at
    assert "log" not in delivered_at(deliveries, seq)
