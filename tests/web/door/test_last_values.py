"""The newest event of each device."""

from __future__ import annotations

import pytest

from bssci.model import StationStatus
from bssci.web.door import last_values
from bssci.web.door.last_values import LastValues, station_key
from tests.support.journal import SENSOR, STATION, online, uplink
from tests.support.telegrams import telegram


def test_the_newest_counts() -> None:
    values = LastValues()
    first, second = uplink(1), uplink(2)
    values.note(1, first)
    values.note(2, second)
    values.note(3, online())
    assert values.get(f"mioty:{SENSOR}") == (2, second)
    assert values.devices() == [f"mioty:{SENSOR}"]
    values.found(f"mioty:{SENSOR}", 1, first)
    assert values.get(f"mioty:{SENSOR}") == (2, second)


def test_what_was_looked_up_in_vain_is_not_looked_up_again() -> None:
    values = LastValues()
    assert values.get("mioty:X") is None
    values.found("mioty:X", 0, None)
    assert values.get("mioty:X") == (0, None)
    assert values.devices() == []


def test_the_last_status_of_a_station_is_kept() -> None:
    values, status = LastValues(), StationStatus(at=1.0, base_station_eui=STATION)
    values.note(5, status)
    assert values.get(station_key(STATION)) == (5, status)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_values, "REMEMBERED", 2)
    values = LastValues()
    for number in range(3):
        values.found(f"mioty:{number}", 0, None)
    assert values.get("mioty:0") is None
    assert values.get("mioty:2") == (0, None)


def test_what_devices_send_is_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_values, "MAX_BYTES", 100_000)
    values = LastValues()
    lists = {"a": [[] for _ in range(500)]}
    for number in range(10):
        values.note(number, telegram(number, device=f"any:{number}", envelope=lists))
    kept = values.devices()
    assert kept and kept[-1] == "any:9" and len(kept) < 4
    values.note(10, telegram(10, device="any:9"))
    values.note(11, telegram(11, device="any:10"))
    assert len(values.devices()) == len(kept) + 1
    values.forget()
    values.note(12, telegram(12, device="any:1", envelope=lists))
    assert values.devices() == ["any:1"]
