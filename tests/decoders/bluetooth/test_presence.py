"""The place of a device, and its distance from the scanner there."""

from __future__ import annotations

from typing import Any

import pytest

from bssci.decoders.bluetooth.presence import PresenceFactory
from bssci.decoders.interfaces import DecodeError, Payload
from bssci.model import Reading

DECODER = PresenceFactory().build({})


def read(said: Any, **parameters: Any) -> list[Reading]:
    payload = Payload(data=b"", kind="telegram", device="ble:A", received_at=0.0, envelope={"presence": said})
    return DECODER.decode(payload, parameters)


def test_a_device_is_somewhere_at_some_distance() -> None:
    assert read({"scanner": "roof", "rssi": -59.0}) == [
        Reading("presence", True), Reading("place", "roof"), Reading("rssi", -59.0, "dBm"),
        Reading("distance", 1.0, "m"),
    ]  # fmt: skip
    assert read({"scanner": "roof", "rssi": -84.0})[-1] == Reading("distance", 10.0, "m")
    assert read({"scanner": "roof", "rssi": -84.0}, power=-64, exponent=2)[-1].value == 10.0
    assert read({"scanner": "roof", "rssi": -200.0})[-1].value == 100.0


def test_away_is_a_place_too() -> None:
    assert read({"scanner": "", "rssi": None}) == [Reading("presence", False), Reading("place", "away")]


@pytest.mark.parametrize(
    "parameters", [{"power": "loud"}, {"power": 20}, {"exponent": True}, {"exponent": 0}]
)
def test_parameters_that_cannot_be(parameters: dict[str, Any]) -> None:
    with pytest.raises(DecodeError, match="must be a number"):
        read({"scanner": "roof", "rssi": -59.0}, **parameters)


def test_other_messages_are_not_its_own() -> None:
    other = Payload(data=b"", kind="telegram", device="ble:A", received_at=0.0, envelope={})
    assert not DECODER.matches(other)
    with pytest.raises(DecodeError, match="not state a place"):
        DECODER.decode(other, {})


def test_no_signal_is_too_strong_or_too_weak_for_a_distance() -> None:
    assert read({"scanner": "roof", "rssi": -1e300})[-1] == Reading("distance", 100.0, "m")
    assert read({"scanner": "roof", "rssi": 1e300})[-1] == Reading("distance", 0.0, "m")


def test_a_scanner_that_is_no_text_is_no_place() -> None:
    with pytest.raises(DecodeError, match="not named by a text"):
        read({"scanner": ["roof"], "rssi": -59.0})
