"""Events for the tests of sinks: one of each kind, one of a kind that does not exist yet, and odd ones."""

from __future__ import annotations

from typing import Any

from bssci.model import (
    EUI,
    AlarmChange,
    CommandFailure,
    CommandResponse,
    Decoded,
    DecodeFailure,
    DownlinkReception,
    DownlinkStatus,
    Event,
    GatewayState,
    Reading,
    Reception,
    SensorAutoDetached,
    SensorProblem,
    SensorStatus,
    SensorWarning,
    StationProblem,
    StationState,
    StationStatus,
    Subpackets,
    Telegram,
    Uplink,
    VariableMacUplink,
)

SENSOR = EUI("70B3D56770110001")
STATION = EUI("CAFE000000000001")
OTHER_STATION = EUI("CAFE000000000002")
AT = 1_700_000_000.25
"""Unix seconds"""
RX_TIME = 1_700_000_000_123_456_789
"""reception by the station's clock, ns"""
_SUBPACKETS = Subpackets(snr=[1.5], rssi=[-99.5], frequency=[868_180_000.0], phase=[0.5])
_READINGS = (
    Reading("temperature", 21.5, "°C"),
    Reading("alarm", value=True),
    Reading("count", 2**53),
    Reading("note", 'wet "floor"', device="mioty:70B3D56770110002"),
)


class UnknownEvent(Event, frozen=True, kw_only=True, tag="kind-of-tomorrow"):
    """An event of a kind that a later version may add."""

    place: str
    measure: float


def reception(counter: int, *, payload: bytes = b"\x01\xff", **changes: Any) -> Reception:
    """Return an uplink as the first station heard it."""
    fields: dict[str, Any] = {
        "end_point_eui": SENSOR,
        "packet_counter": counter,
        "payload": payload,
        "base_station_eui": STATION,
        "rx_time": RX_TIME + counter,
        "snr": 9.5,
        "rssi": -101.25,
        "received_at": AT,
    }
    return Reception(**fields | changes)


def uplink(counter: int, *, payload: bytes = b"\x01\xff", **changes: Any) -> Uplink:
    """Return an uplink with an id of its own for each counter."""
    fields: dict[str, Any] = {
        "at": AT + counter,
        "id": f"uplink-{counter}",
        "known": True,
        "receptions": [reception(counter, payload=payload)],
        "duplicates": 0,
    }
    return Uplink(**fields | changes)


def uplinks(count: int) -> list[Uplink]:
    """Return ``count`` uplinks, with counters from 1."""
    return [uplink(counter) for counter in range(1, count + 1)]


def every_event() -> list[Any]:
    """Return every kind of event, each once with as few fields as possible and once with all."""
    return [*_uplinks(), *_of_sensors(), *_of_stations(), *_telegrams()]


def unknown_event() -> Any:
    """Return an event of a kind that no sink knows."""
    return UnknownEvent(at=AT, place="roof", measure=1.5)


def odd_events() -> list[Any]:
    """Return events with values that are hard to store: a sink keeps or sets aside each, and goes on."""
    heard = reception(900)
    return [
        uplink(901, receptions=[reception(901, profile="NUL \0, quotes '\"`, \\ and \u202e")]),
        uplink(902, receptions=[reception(902, profile="half a character \ud800")]),
        uplink(903, receptions=[reception(903, snr=float("nan"), rssi=float("-inf"))]),
        uplink(904, receptions=[reception(904, rx_time=-1)], at=-1.0),
        uplink(905, receptions=[reception(905, rx_time=2**63 - 1)], at=20_000_000_000.0),
        uplink(906, receptions=[reception(906, rx_time=2**64 - 1)], at=1e300),
        uplink(907, receptions=[reception(907, payload=b"")]),
        uplink(908, receptions=[heard] * 200, duplicates=2**40),
        uplink(909, decoded=Decoded(decoder="odd@1", readings=_odd_readings())),
        SensorProblem(at=AT, end_point_eui=SENSOR, action="attach", message="long " * 20_000),
        CommandResponse(
            at=AT, end_point_eui=SENSOR, command="x", status="done", result={"deep": [{"a": [b"\xff", None]}]}
        ),
    ]


def _odd_readings() -> tuple[Reading, ...]:
    return (
        Reading("not a number", float("nan")),
        Reading("infinite", float("inf")),
        Reading("huge", 2**80),
        Reading("", ""),
        Reading("n" * 10_000, "v" * 10_000, "u" * 10_000),
        Reading("NUL \0'\"; --", "NUL \0"),
        Reading("twice", 1),
        Reading("twice", "two"),
    )


def _uplinks() -> list[Any]:
    full = reception(
        802,
        format=192,
        downlink_open=True,
        response_expected=True,
        downlink_acknowledged=True,
        equivalent_snr=8.5,
        profile="eu1",
        mode="ulp",
        rx_duration=2_000_000,
        subpackets=_SUBPACKETS,
    )
    other = reception(802, base_station_eui=OTHER_STATION, snr=3.0)
    failure = DecodeFailure("too_short", "needs 5 bytes, has 2")
    return [
        uplink(801),
        uplink(
            802,
            receptions=[full, other],
            duplicates=3,
            decoded=Decoded(decoder="meter@3", readings=_READINGS, warnings=("battery low",)),
        ),
        uplink(803, known=False, decoded=Decoded(decoder="meter@3", failure=failure)),
    ]


def _of_sensors() -> list[Any]:
    of: dict[str, Any] = {"at": AT, "end_point_eui": SENSOR}
    at_station: dict[str, Any] = of | {"base_station_eui": STATION}
    no = CommandFailure(code="invalid", message="no such sensor", field="eui")
    return [
        SensorStatus(action="attached", **at_station),
        SensorStatus(action="detach_failed", code=22, message="no", **at_station),
        SensorAutoDetached(inactive_hours=72.5, threshold_hours=72.0, **of),
        SensorWarning(
            inactive_hours=36.5,
            hours_until_detach=35.5,
            warning_threshold_hours=36.0,
            detach_threshold_hours=72.0,
            **of,
        ),
        SensorProblem(action="attach", message="no answer", **at_station),
        CommandResponse(command="attach", status="received", **of),
        CommandResponse(command="attach", status="failed", ref="r1", error=no, result={"n": [1]}, **of),
        DownlinkStatus(queue_id=7, status="queued", **of),
        DownlinkStatus(queue_id=7, status="failed", ref=1, tx_time=RX_TIME, message="no", **at_station),
        DownlinkReception(packet_counter=9, snr=4.5, rssi=-99.0, queue_id=7, **at_station),
    ]


def _of_stations() -> list[Any]:
    of: dict[str, Any] = {"at": AT, "base_station_eui": STATION}
    return [
        StationStatus(**of),
        StationStatus(
            code=0,
            message="ok",
            time=RX_TIME,
            duty_cycle=0.1,
            geo_location=[48.1, 11.5, 520.0],
            uptime=9.0,
            temperature=20.5,
            cpu_load=0.5,
            memory_load=0.25,
            **of,
        ),
        StationState(
            state="online", resumed=True, vendor="V", model="M", name="N", software_version="1", **of
        ),
        StationState(state="offline", reason="cable cut", **of),
        StationProblem(direction="received", code=71, message="wrong order", count=3, **of),
        AlarmChange(
            at=of["at"],
            id="sink-failing:mqtt",
            number=3,
            state="closed",
            severity="error",
            text="mqtt cannot deliver",
            since=of["at"] - 60.0,
            until=of["at"],
            acknowledged_by="kim",
        ),
        GatewayState(at=AT, gateway="roof", gateway_kind="scanner", state="online"),
        GatewayState(
            at=AT, gateway="roof", gateway_kind="scanner", state="offline", reason="silent", name="Roof"
        ),
    ]


def _telegrams() -> list[Any]:
    decoded = Decoded(decoder="ble@1", readings=_READINGS)
    heard: dict[str, Any] = {
        "at": AT, "base_station_eui": STATION, "mac_type": 1, "payload": b"\x2c\x44\x01", "trx_time": 5,
        "system_time": RX_TIME, "frequency": 868_950_000.0, "snr": 9.5, "rssi": -88.0,
    }  # fmt: skip
    of: dict[str, Any] = {"at": AT, "device": "ble:C0:FF:EE:00:00:01", "gateway": "roof", "source": "mqtt"}
    return [
        VariableMacUplink(**heard),
        VariableMacUplink(
            equivalent_snr=8.5,
            subpackets=_SUBPACKETS,
            carrier_spacing=1,
            pattern_group=0,
            pattern_number=3,
            crc=[1, 2],
            decoded=decoded,
            **heard,
        ),
        Telegram(id="telegram-1", payload=b"\x02\x01", **of),
        Telegram(
            id="telegram-2",
            payload=b"\x02\x01\x06",
            device_time=AT,
            gateway_time=AT,
            rssi=-70.0,
            envelope={"name": "Tag", "services": [{"uuid": "feaa"}], "data": b"\0"},
            decoded=decoded,
            **of,
        ),
    ]
