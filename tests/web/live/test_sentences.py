"""What each kind of event says."""

from __future__ import annotations

from typing import Any

import pytest

from bssci.web.live.sentences import KINDS, sentence, state_of

SAID: list[tuple[dict[str, Any], str, str]] = [
    (
        {"kind": "uplink", "cnt": 7, "size": 1, "known": False},
        "Uplink 7 from an unknown sensor, 1 byte",
        "info",
    ),
    ({"kind": "uplink", "cnt": 7, "size": 2, "duplicates": 0}, "Uplink 7, 2 bytes", "info"),
    ({"kind": "uplink", "cnt": 7, "size": 2, "duplicates": 1}, "Uplink 7, 2 bytes, 1 copy merged", "info"),
    ({"kind": "uplink", "cnt": 7, "size": 2, "duplicates": 3}, "Uplink 7, 2 bytes, 3 copies merged", "info"),
    (
        {"kind": "sensor-status", "action": "attached", "over_the_air": True},
        "Attached over the air",
        "attached",
    ),
    (
        {"kind": "sensor-status", "action": "attach_failed", "code": 22, "message": "no"},
        "Attaching was refused: no, code 22",
        "attach_failed",
    ),
    ({"kind": "sensor-auto-detached", "inactive_hours": 72.0}, "Detached after 3 d of silence", "warning"),
    (
        {"kind": "sensor-warning", "inactive_hours": 36.0, "hours_until_detach": 0.01},
        "Silent for 1 d 12 h; detached in 36 s unless it is heard",
        "warning",
    ),
    ({"kind": "sensor-problem", "action": "attach", "message": "why"}, "Attach went wrong: why", "attach"),
    (
        {"kind": "command-response", "command": "attach", "status": "failed", "error": {"message": "why"}},
        "Command attach failed: why",
        "failed",
    ),
    ({"kind": "downlink-status", "queId": 3, "status": "sent"}, "Downlink 3 sent", "sent"),
    (
        {"kind": "downlink-reception", "snr": 4.0, "rssi": -100.0},
        "Downlink received by the sensor with 4.0 dB, -100 dBm",
        "info",
    ),
    (
        {"kind": "station-status", "cpuLoad": 31.0, "memLoad": 0.5, "temp": 40.0},
        "Status: CPU 31 %, memory 50 %, temperature 40.0 °C",
        "info",
    ),
    ({"kind": "station-state", "state": "online", "resumed": True}, "Came online, session resumed", "online"),
    ({"kind": "station-state", "state": "offline", "reason": "idle"}, "Went offline: idle", "offline"),
    (
        {"kind": "station-problem", "direction": "sent", "code": 71, "message": "why", "count": 3},
        "The service center refused a message: why, code 71, 3 times",
        "failed",
    ),
    (
        {"kind": "alarm", "state": "open", "severity": "error", "text": "down", "acknowledged_by": "kim"},
        "Alarm, acknowledged by kim: down",
        "error",
    ),
    ({"kind": "alarm", "state": "closed", "severity": "error", "text": "down"}, "Over: down", "ok"),
    (
        {"kind": "variable-mac-uplink", "mac_type": 2, "payload": "aabb"},
        "Telegram of MAC type 2, 2 bytes",
        "info",
    ),
    (
        {"kind": "telegram", "device": "ble:AA:BB:CC:DD:EE:FF", "gateway": "roof", "rssi": -71.4},
        "Advertisement, 0 bytes",
        "info",
    ),
    (
        {"kind": "telegram", "device": "f2:0a1b/J1/3", "gateway": "f2", "envelope": {"direction": "tele"}}
        | {"dataHex": "01"},
        "Measurement, 1 byte",
        "info",
    ),
    (
        {"kind": "telegram", "device": "x:0a1b", "gateway": "f2", "dataHex": "0102"},
        "Telegram, 2 bytes",
        "info",
    ),
    ({"kind": "telegram", "device": "scanner:roof", "gateway": "roof"}, "Report of the scanner", "info"),
    (
        {"kind": "telegram", "device": "ble:AA:BB:CC:DD:EE:FF", "gateway": "nobody"}
        | {"envelope": {"presence": {"scanner": ""}}},
        "Place: away, no scanner hears it",
        "info",
    ),
    (
        {"kind": "gateway-state", "gateway": "roof", "gateway_kind": "scanner", "state": "online"}
        | {"name": "Hall 3"},
        "Scanner Hall 3 is online",
        "online",
    ),
    (
        {
            "kind": "gateway-state",
            "gateway": "roof",
            "gateway_kind": "scanner",
            "state": "offline",
            "reason": "silent",
        },
        "Scanner roof is offline: silent",
        "offline",
    ),
]


@pytest.mark.parametrize(("event", "said", "state"), SAID, ids=[each[1] for each in SAID])
def test_an_event_in_one_sentence(event: dict[str, Any], said: str, state: str) -> None:
    assert sentence(event).replace("\u202f", " ").replace("\u2212", "-") == said
    assert state_of(event) == state


def test_every_kind_has_its_sentence() -> None:
    assert {event["kind"] for event, _, _ in SAID} == set(KINDS)


def test_an_unknown_kind_is_named() -> None:
    assert sentence({"kind": "something-new"}) == "something new"
