"""Topics and payloads of sensors' lives: the names that integrators rely on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bssci.model import (
    EUI,
    AnyEvent,
    CommandFailure,
    CommandResponse,
    DownlinkReception,
    DownlinkStatus,
    SensorAutoDetached,
    SensorProblem,
    SensorStatus,
    SensorWarning,
)
from bssci.mqtt.payloads import message

SENSOR, STATION = EUI("70B3D56770110001"), EUI("CAFE000000000001")
IT: dict[str, Any] = {"at": 5.5, "end_point_eui": SENSOR}
COMMAND = {"timestamp": 5.5, "command": "attach"}
WORDS = {"sensor_eui": SENSOR, "device_id": f"mioty:{SENSOR}", "time": "1970-01-01T00:00:05.500000000Z"}
"""fields that all of them have"""


@pytest.mark.parametrize(
    ("event", "topic", "payload"),
    [
        (
            SensorStatus(**IT, action="attached", base_station_eui=STATION, over_the_air=True),
            "status",
            {
                "action": "attached",
                "sensor_eui": SENSOR,
                "base_station_eui": STATION,
                "over_the_air": True,
                "timestamp": 5.5,
            },
        ),
        (
            SensorStatus(**IT, action="detach_failed", base_station_eui=STATION, code=22, message="no"),
            "status",
            {
                "action": "detach_failed",
                "sensor_eui": SENSOR,
                "base_station_eui": STATION,
                "code": 22,
                "message": "no",
                "timestamp": 5.5,
            },
        ),
        (
            SensorAutoDetached(**IT, inactive_hours=73.0, threshold_hours=72.0),
            "status",
            {
                "action": "auto_detached",
                "sensor_eui": SENSOR,
                "reason": "inactivity",
                "inactive_hours": 73.0,
                "threshold_hours": 72.0,
                "timestamp": 5.5,
            },
        ),
        (
            SensorWarning(
                **IT,
                inactive_hours=36.5,
                hours_until_detach=35.5,
                warning_threshold_hours=36.0,
                detach_threshold_hours=72.0,
            ),
            "warning",
            {
                "action": "inactivity_warning",
                "sensor_eui": SENSOR,
                "inactive_hours": 36.5,
                "hours_until_detach": 35.5,
                "warning_threshold_hours": 36.0,
                "detach_threshold_hours": 72.0,
                "timestamp": 5.5,
            },
        ),
        (
            SensorProblem(**IT, action="attach", message="wrong signature", base_station_eui=STATION),
            "error",
            {
                "action": "attach",
                "message": "wrong signature",
                "timestamp": 5.5,
                "base_station_eui": STATION,
            },
        ),
        (
            CommandResponse(**IT, command="attach", status="received"),
            "response",
            {"status": "received"} | COMMAND,
        ),
        (
            CommandResponse(
                **IT,
                command="attach",
                status="failed",
                ref=7,
                error=CommandFailure("failed", "no station", "eui"),
                result={"base_stations": {}, "status": "never that of the result"},
            ),
            "response",
            {
                "status": "failed",
                "ref": 7,
                "base_stations": {},
                "error": {"code": "failed", "message": "no station", "field": "eui"},
            }
            | COMMAND,
        ),
        (
            DownlinkStatus(
                **IT,
                queue_id=3,
                status="sent",
                ref="r",
                base_station_eui=STATION,
                tx_time=9,
                packet_counter=4,
            ),
            "dl/status",
            {
                "queId": 3,
                "status": "sent",
                "ref": "r",
                "bs_eui": STATION,
                "txTime": 9,
                "cnt": 4,
                "timestamp": 5.5,
            },
        ),
        (
            DownlinkStatus(**IT, queue_id=3, status="queued"),
            "dl/status",
            {"queId": 3, "status": "queued", "bs_eui": None, "timestamp": 5.5},
        ),
        (
            DownlinkReception(
                **IT, base_station_eui=STATION, packet_counter=4, snr=7.5, rssi=-101.0, queue_id=3
            ),
            "dl/reception",
            {"bs_eui": STATION, "cnt": 4, "snr": 7.5, "rssi": -101.0, "queId": 3, "timestamp": 5.5},
        ),
    ],
)
def test_names_are_those_that_integrators_know(event: AnyEvent, topic: str, payload: dict[str, Any]) -> None:
    published = message("mioty", event)
    assert published is not None
    assert published.topic == f"mioty/ep/{SENSOR}/{topic}"
    station = {"bs_eui": STATION} if "base_station_eui" in payload else {}
    assert json.loads(published.payload) == payload | WORDS | station
    assert not published.retain
