"""Events as rows, without a server."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from bssci.center.decoding.payloads import device_of
from bssci.center.devices.device import Device
from bssci.model import (
    Decoded,
    DecodeFailure,
    Reading,
    Sensor,
    StationState,
    StationStatus,
    Telegram,
    VariableMacUplink,
)
from bssci.sinks.postgres.events import event_id, rows_of, senders
from bssci.sinks.postgres.rows import Aside, EventRows
from bssci.sinks.postgres.times import instant
from bssci.sinks.testing_events import AT, SENSOR, STATION, odd_events, reception, unknown_event, uplink

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEVICE = f"mioty:{SENSOR}"


def rows(event: Any, sensor: Sensor | None = None) -> EventRows:
    """The rows of an event of which all can be stored."""
    (found,), asides = rows_of([event], {SENSOR: sensor} if sensor else {}, NOW)
    assert asides == []
    return found


def decoded(*readings: Reading) -> Decoded:
    return Decoded(decoder="meter@1", readings=readings)


def telegram(**changes: Any) -> Telegram:
    fields: dict[str, Any] = {
        "at": AT, "id": "t1", "device": "ble:AA:BB:CC:DD:EE:FF", "gateway": "roof", "source": "mqtt",
        "payload": b"\x01",
    }  # fmt: skip
    return Telegram(**fields | changes)


def test_an_uplink_is_kept_whole() -> None:
    found = rows(uplink(1, decoded=decoded(Reading("volume", 1.5, "m³"))))
    (raw,) = found.raw
    assert (raw.received_at, raw.id, raw.device, raw.gateway, raw.source, raw.bytes) == (
        instant(AT + 1), "uplink-1", DEVICE, STATION, "bssci", b"\x01\xff",
    )  # fmt: skip
    payload = json.loads(raw.payload)
    assert (
        payload["data"] == [1, 255]
        and payload["cnt"] == 1
        and payload["baseStations"][0]["bs_eui"] == STATION
    )
    assert payload["decoder"] == "meter@1"


def test_each_value_has_its_columns() -> None:
    given = [
        Reading("t", 21.5, "°C"),
        Reading("on", value=True),
        Reading("n", 3),
        Reading("s", "open"),
        Reading("big", 2**60),
    ]
    found = rows(uplink(1, decoded=decoded(*given)))
    assert [(row.name, row.value, row.text, row.unit) for row in found.readings] == [
        ("t", 21.5, None, "°C"),
        ("on", 1.0, "true", None),
        ("n", 3.0, None, None),
        ("s", None, "open", None),
        ("big", float(2**60), str(2**60), None),
    ]
    assert {(row.device, row.id, row.gateway, row.decoder) for row in found.readings} == {
        (DEVICE, "uplink-1", STATION, "meter@1")
    }


def test_the_time_is_the_stations_where_it_is_believable() -> None:
    believable = uplink(1, decoded=decoded(Reading("t", 1)))
    (row,) = rows(believable).readings
    assert row.time == instant(1_700_000_000.123456790)
    wrong = uplink(1, decoded=decoded(Reading("t", 1)), receptions=[reception(1, rx_time=0)])
    (row,) = rows(wrong).readings
    assert row.time == instant(AT + 1)


def test_without_a_decoder_or_when_it_fails_earlier_readings_stay() -> None:
    assert rows(uplink(1)).decoded == []
    failed = Decoded(decoder="meter@2", failure=DecodeFailure("too_short", "2 bytes"))
    found = rows(uplink(1, decoded=failed))
    assert found.decoded == [] and found.readings == []
    assert json.loads(found.raw[0].payload)["decodeError"]["code"] == "too_short"
    assert len(rows(uplink(1, decoded=decoded())).decoded) == 1


def test_what_is_configured_of_a_sensor_is_known() -> None:
    sensor = Sensor(
        eui=SENSOR, network_key=bytes(16), short_address=1, bidirectional=False, name="Meter \0 7",
        tags=("roof",), location={"lat": 1.0, "lon": 2.0},
    )  # fmt: skip
    (device,) = rows(uplink(1), sensor).devices
    assert (device.name, device.tags) == ("Meter \ufffd 7", '["roof"]')
    assert device.location == '{"lat":1.0,"lon":2.0}'


def test_what_people_entered_about_a_device_is_known_and_comes_before_what_it_reports() -> None:
    reported = telegram(
        envelope={"device": {"name": "LYWSD03"}},
        decoded=decoded(Reading("t", 1.5), Reading("t", 2.5, device="f2:0a1b2c3d4e5f/J1/3")),
    )
    other = VariableMacUplink(
        at=AT, base_station_eui=STATION, mac_type=0, payload=b"", trx_time=0, system_time=0, frequency=0.0,
        snr=0.0, rssi=0.0,
    )  # fmt: skip
    assert senders([reported, other, uplink(1)]) == {
        "ble:AA:BB:CC:DD:EE:FF", "f2:0a1b2c3d4e5f/J1/3", device_of(other)
    }  # fmt: skip
    assert [facts.name for facts in rows(reported).devices] == ["LYWSD03", None]
    entered = {
        "ble:AA:BB:CC:DD:EE:FF": Device(
            "ble:AA:BB:CC:DD:EE:FF", 1.0, 1.0, name="cellar", model="m", tags=["a"], location={"lat": 1.0}
        ),
        "f2:0a1b2c3d4e5f/J1/3": Device("f2:0a1b2c3d4e5f/J1/3", 1.0, 1.0, name="door"),
    }
    (found,), _ = rows_of([reported], {}, NOW, entered)
    assert [(each.name, each.model, each.tags, each.location) for each in found.devices] == [
        ("cellar", "m", '["a"]', '{"lat":1.0}'),
        ("door", None, None, None),
    ]
    unnamed = {"ble:AA:BB:CC:DD:EE:FF": Device("ble:AA:BB:CC:DD:EE:FF", 1.0, 1.0)}
    (found,), _ = rows_of([reported], {}, NOW, unnamed)
    assert found.devices[0].name == "LYWSD03"


def test_a_reading_may_belong_to_another_device() -> None:
    given = decoded(Reading("t", 1, device="f2:0011/J1/3"), Reading("u", 2, device="f2:0011/J1/3"))
    found = rows(
        telegram(
            device="f2:0011",
            gateway="f2-0011",
            decoded=given,
            envelope={"topic": "tele/f2-0011/m/J1/sensor-3"},
        )
    )
    sender, pin = found.devices
    assert (sender.id, pin.id, pin.parent, pin.port) == ("f2:0011", "f2:0011/J1/3", "f2:0011", "J1/3")
    assert {row.device for row in found.readings} == {"f2:0011/J1/3"}
    assert {row.topic for row in found.readings} == {"tele/f2-0011/m/J1/sensor-3"}
    (gateway,) = found.gateways
    assert gateway.kind == "controller"


def test_the_devices_clock_counts_before_the_gateways() -> None:
    given = decoded(Reading("t", 1))
    (row,) = rows(telegram(decoded=given, device_time=AT - 9, gateway_time=AT - 5)).readings
    assert row.time == instant(AT - 9)
    (row,) = rows(telegram(decoded=given, device_time=0.0, gateway_time=AT - 5)).readings
    assert row.time == instant(AT - 5)


def test_a_scanner_reports_about_itself() -> None:
    found = rows(telegram(device="scanner:roof", envelope={"status": "degraded", "uptime_seconds": 3}))
    (gateway,) = found.gateways
    assert (gateway.id, gateway.kind, gateway.state) == ("roof", "scanner", "degraded")
    assert json.loads(gateway.status or "")["uptime_seconds"] == 3


def test_stations_come_and_go_and_report() -> None:
    (gateway,) = rows(StationState(at=AT, base_station_eui=STATION, state="online", name="Roof")).gateways
    assert (gateway.state, gateway.name, gateway.kind) == ("online", "Roof", "station")
    found = rows(StationStatus(at=AT, base_station_eui=STATION, uptime=5.0, geo_location=[48.0, 11.0, 500.0]))
    (gateway,) = found.gateways
    assert gateway.location == '{"lat":48.0,"lon":11.0,"altitude":500.0}'
    (event,) = found.events
    assert (event.kind, event.gateway, json.loads(event.body)["uptime"]) == ("station-status", STATION, 5.0)


def test_a_kind_that_nobody_knows_is_an_event() -> None:
    (event,) = rows(unknown_event()).events
    assert event.kind == "kind-of-tomorrow"
    assert json.loads(event.body)["place"] == "roof"


def test_what_is_no_event_is_left_out() -> None:
    assert rows_of([SimpleNamespace(at=1.0), None, "x"], {}, NOW) == ([], [])


def test_ids_are_the_same_at_each_delivery_whatever_is_read() -> None:
    def heard(readings: Decoded | None) -> VariableMacUplink:
        return VariableMacUplink(
            at=AT, base_station_eui=STATION, mac_type=1, payload=b"\1", trx_time=1, system_time=1,
            frequency=1.0, snr=1.0, rssi=1.0, decoded=readings,
        )  # fmt: skip

    assert rows(heard(None)).id == rows(heard(decoded(Reading("t", 1)))).id
    assert event_id(unknown_event()) == event_id(unknown_event())


def reasons(event: Any) -> list[str]:
    return [aside.reason for _, aside in rows_of([event], {}, NOW)[1]]


def test_a_value_that_cannot_be_stored_costs_itself() -> None:
    given = decoded(Reading("a", 1, device="ble:\0"), Reading("b\0", 10**400), Reading("c", 1))
    (found,), asides = rows_of([uplink(1, decoded=given)], {}, NOW)
    assert [row.name for row in found.readings] == ["c"] and len(found.raw) == 1
    assert [aside.reason.split(":")[0] for _, aside in asides] == ["reading 'a'", "reading 'b\\x00'"]
    assert all(isinstance(aside, Aside) and aside.id == "uplink-1" for _, aside in asides)


def test_a_character_that_cannot_be_stored_costs_neither_value_nor_name() -> None:
    given = decoded(Reading("a", "x\0"), Reading("b", "\ud800"), Reading("c\0", 1))
    (found,), asides = rows_of([uplink(1, receptions=[reception(1, profile="\0")], decoded=given)], {}, NOW)
    assert [(row.name, row.text) for row in found.readings] == [
        ("a", "x\ufffd"),
        ("b", "\ufffd"),
        ("c\ufffd", None),
    ]
    assert len(found.raw) == 1 and found.texts.altered and asides == []


def test_a_payload_that_cannot_be_stored_costs_no_reading() -> None:
    deep: list[object] = []
    for _ in range(1000):
        deep = [deep]
    event = telegram(envelope={"deep": deep}, decoded=decoded(Reading("e", 1)))
    (found,), asides = rows_of([event], {}, NOW)
    assert found.raw == [] and len(found.readings) == 1
    assert [aside.reason for _, aside in asides] == ["raw: objects nested too deep"]


@pytest.mark.parametrize("at", [-1.0, 2e10, float("nan")])
def test_an_event_outside_of_time_is_set_aside_at_our_time(at: float) -> None:
    found, ((_, aside),) = rows_of([uplink(1, at=at)], {}, NOW)
    assert found == [] and aside.time == NOW and "between 1970 and 2500" in aside.reason


def test_ids_with_nul_are_set_aside() -> None:
    assert "NUL" in reasons(telegram(device="ble:\0"))[0]
    assert "NUL" in reasons(telegram(gateway="\0"))[0]


def test_odd_events_disturb_nobody() -> None:
    found, asides = rows_of([*odd_events(), uplink(1)], {}, NOW)
    assert found[-1].id == "uplink-1"
    assert all(aside.body.isascii() for _, aside in asides)
