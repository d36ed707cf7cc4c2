"""Which events have a payload, and what a decoder is told of it."""

from __future__ import annotations

import pytest

from bssci.center.decoding.payloads import decodable, delivery_key, device_of, payload_of
from bssci.model import EUI, SensorProblem, Telegram, Uplink, VariableMacUplink
from bssci.sinks.testing_events import every_event

TYPE = EUI("0000000000000001")
EVENTS = {type(event): event for event in every_event()}


def test_only_what_was_heard_of_a_sender_has_a_payload() -> None:
    assert {kind for kind, event in EVENTS.items() if decodable(event)} == {
        Uplink,
        Telegram,
        VariableMacUplink,
    }


@pytest.mark.parametrize(
    ("kind", "scheme"), [(Uplink, "mioty"), (Telegram, "ble"), (VariableMacUplink, "vm")]
)
def test_a_sender_is_named_by_its_scheme(kind: type, scheme: str) -> None:
    assert device_of(EVENTS[kind]).partition(":")[0] == scheme
    assert payload_of(EVENTS[kind], None).device == device_of(EVENTS[kind])


def test_the_type_of_the_sensor_goes_with_an_uplink() -> None:
    uplink = EVENTS[Uplink]
    payload = payload_of(uplink, TYPE)
    assert payload.type_eui == TYPE and payload.kind == "uplink"
    assert payload.data == uplink.best.payload


def test_two_deliveries_of_one_event_are_one_and_other_events_are_others() -> None:
    assert len({delivery_key(EVENTS[kind]) for kind in (Uplink, Telegram, VariableMacUplink)}) == 3
    assert delivery_key(EVENTS[Uplink]) == EVENTS[Uplink].id


def test_nothing_is_made_of_what_has_no_payload() -> None:
    for what in (device_of, delivery_key):
        with pytest.raises(TypeError, match="has no payload"):
            what(EVENTS[SensorProblem])
