from __future__ import annotations

from typing import Any

import pytest

from bssci.scanner import thinning
from bssci.scanner.thinning import Thinning
from tests.scanner.test_advertisement import UUID, advertisement

OTHER = advertisement(service_data={UUID: b"\1\3"})


def test_what_is_repeated_passes_once_an_interval() -> None:
    it = Thinning("time_based", 30.0)
    assert [it.passes(advertisement(rssi=-now), float(now)) for now in (0, 10, 29, 30, 40, 61)] == [
        True, False, False, True, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("strategy", ["time_based", "change_based"])
def test_what_has_changed_always_passes(strategy: Any) -> None:
    it = Thinning(strategy, 30.0)
    assert [it.passes(each, 0.0) for each in (advertisement(), OTHER, advertisement(), advertisement())] == [
        True, True, True, False,
    ]  # fmt: skip


def test_by_change_alone_an_interval_makes_nothing_pass() -> None:
    it = Thinning("change_based", 30.0)
    assert [it.passes(advertisement(), now) for now in (0.0, 100.0)] == [True, False]


def test_devices_do_not_hide_each_other() -> None:
    it = Thinning("time_based", 30.0)
    assert it.passes(advertisement(), 0.0)
    assert it.passes(advertisement(address="A4:C1:38:00:00:02"), 0.0)


def test_who_was_silent_longest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinning, "DEVICES", 2)
    it = Thinning("change_based", 30.0)
    for number in (1, 2, 1, 3):
        it.passes(advertisement(address=f"A4:C1:38:00:00:0{number}"), 0.0)
    assert len(it) == 2
    assert it.passes(advertisement(address="A4:C1:38:00:00:02"), 0.0)
    assert not it.passes(advertisement(address="A4:C1:38:00:00:03"), 0.0)
