"""The journal's events at a bounded pace."""

from __future__ import annotations

import pytest

from bssci.web.door import follower
from tests.support.live_door import (
    gap_of,
    happen,
    heard,
    subscribed,
)
from tests.support.web import WebHouse


def test_events_that_go_by_too_fast_are_a_gap(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "MAX_BEHIND", 3)
    monkeypatch.setattr(follower, "BATCH", 2)
    probe = subscribed(web, "mioty/ep/#")
    happen(web, *(heard(web, number) for number in range(5)))
    told, rest = gap_of(probe)
    assert (told["events"], rest) == (3, [3, 4])
