"""Copies of one advertisement are one row; nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from bssci.web.live.copies import WITHIN, joined

TAG = "ble:AA:BB:CC:DD:EE:FF"


def heard(seq: int, gateway: str, **changes: Any) -> dict[str, Any]:
    values = {
        "seq": seq, "kind": "telegram", "timestamp": 100.0 + seq / 10, "device": TAG, "gateway": gateway,
        "rssi": -60.0 - seq, "dataHex": "0102", "envelope": {"service_data": {"181a": "AQI="}},
    }  # fmt: skip
    return values | changes


def rows(*events: dict[str, Any]) -> list[list[int]]:
    """The numbers of the events in each row, newest row first, the best signal first."""
    found = joined(reversed(events))
    assert all(row["seq"] == min(copy["seq"] for copy in row["copies"]) for row in found)
    return [[copy["seq"] for copy in row["copies"]] for row in found]


def test_what_several_scanners_hear_at_once_is_one_row_with_the_best_signal_first() -> None:
    assert rows(heard(1, "a"), heard(2, "b", rssi=-40.0), heard(3, "c")) == [[2, 1, 3]]


@pytest.mark.parametrize(
    "changes",
    [
        {"device": "ble:AA:BB:CC:DD:EE:00"},
        {"dataHex": "0103"},
        {"envelope": {"service_data": {"181a": "AQM="}}},
        {"envelope": {"service_data": {"181a": "AQI="}, "presence": {"scanner": "b"}}},
        {"timestamp": 100.2 + WITHIN},
        {"rssi": None},
    ],
)
def test_what_differs_has_a_row_of_its_own(changes: dict[str, Any]) -> None:
    assert rows(heard(1, "a"), heard(2, "b", **changes)) == [[2], [1]]


def test_the_same_sent_again_begins_a_row_that_later_copies_join() -> None:
    assert rows(heard(1, "a"), heard(2, "a"), heard(3, "b")) == [[2, 3], [1]]


def test_other_events_stay_as_they_are() -> None:
    uplink = {"seq": 5, "kind": "uplink", "timestamp": 1.0}
    assert joined([uplink]) == [uplink]
