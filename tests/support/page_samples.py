"""What the views give the pages: one sample for each page, benign or hostile."""

from __future__ import annotations

import copy
import math
from typing import Any

NOW = 1_790_000_000.0
MASK = "********"
HOSTILE = """<script>alert(1)</script>"><img src=x onerror=alert(2)>'{{7*7}}"""

BASE: dict[str, Any] = {
    "user": {"name": "anna", "role": "admin"},
    "csrf": "csrf-value",
    "path": "/",
    "query": "",
    "theme": "auto",
    "version": "1.0.0",
    "now": NOW,
    "timezone": "Europe/Berlin",
    "needs_restart": [],
}


def chart(name: str, title: str, unit: str, series: list[str], middle: float, swing: float) -> dict[str, Any]:
    """An hour of a wave, with a gap in it."""
    start = NOW - 3600
    return {
        "id": name,
        "title": title,
        "unit": unit,
        "kind": "area" if len(series) == 1 else "line",
        "start": start,
        "end": NOW,
        "y_min": 0 if middle > 0 else None,
        "series": [
            {
                "name": each,
                "points": [
                    [
                        start + 60 * minute,
                        None
                        if 20 < minute < 24
                        else middle + swing * math.sin(minute / 7 + index * 2) + index,
                    ]
                    for minute in range(61)
                ],
            }
            for index, each in enumerate(series)
        ],
    }


def device(number: int = 1) -> dict[str, Any]:
    """A device of each state, by its number."""
    return {
        "id": f"ble:AA:BB:CC:DD:EE:0{number}",
        "kind": "ble",
        "state": ("known", "unknown", "changing", "blocked")[number],
        "name": "Fridge" if number == 0 else "",
        "model": "RuuviTag" if number == 0 else "",
        "decoder": "ruuvi" if number == 0 else "",
        "parent": "f2:0a1b2c3d4e5f" if number == 1 else "",
        "port": "J1/3" if number == 1 else "",
        "location": {},
        "tags": ["kitchen"],
        "first_seen": NOW - 9000,
        "last_seen": NOW - number,
        "count": 12,
        "gateway": "roof",
        "rssi": -70.0,
        "said": {
            "name": "Tag",
            "companies": ["0x0499 Ruuvi"],
            "services": ["0x181a"],
            "data": "0512fc",
            "topic": "",
        },
    }


def provisioned(number: int = 1) -> dict[str, Any]:
    """A device with a certificate in each state, by its number."""
    return {
        "id": f"f2-aabbccddee0{number}",
        "mac_address": f"aabbccddee0{number}",
        "serial_number": f"47{number}",
        "status": "revoked" if number == 3 else "active",
        "state": ("active", "ending", "ended", "revoked")[number],
        "registered_at": "2026-01-01T00:00:00Z",
        "certificate_expires": "2027-01-01T00:00:00Z",
        "certificate_serial": "0A1B2C3D4E5F",
        "not_after": NOW + 86400 * 100,
        "days_left": 100 - 60 * number,
        "bundle_waits": number == 0,
        "last_heard": NOW - 60 if number == 0 else None,
    }


def station(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "eui": f"CAFEBA5E0000000{number}",
        "name": f"Roof {number}",
        "reported_name": f"BS-100 number {number}",
        "location": {"text": "Hall 3, roof", "lat": 51.05, "lon": 13.74},
        "tags": ["north"],
        "note": "Key at the porter's.",
        "blocked": False,
        "blocked_at": None,
        "blocked_by": None,
        "entered_at": NOW - 900_000,
        "refused": [],
        "state": "online",
        "since": NOW - 90_000 * number,
        "resumed": number % 2 == 0,
        "address": f"192.0.2.{number}:50412",
        "vendor": "Example Radio",
        "model": "BS-100",
        "version": "4.2.1",
        "certificate": {
            "subject": f"CN=CAFEBA5E0000000{number}",
            "not_after": NOW + 86400 * 20 * number,
            "days_left": 20 * number,
        },
        "cpu": 0.21 * number,
        "memory": 0.4,
        "duty_cycle": 0.02,
        "temperature": 41.5,
        "uptime": 777_777.0,
        "uplink_rate": 61.2,
        "sensors_attached": 118,
        "sensors_failed": number - 1,
        "latitude": 49.5733,
        "longitude": 11.0295,
        "altitude": 287.0,
        "status_at": NOW - 42,
        "message": "ok",
        "reason": None,
    } | changes


def sensor(number: int = 1, **changes: Any) -> dict[str, Any]:
    state, text = [
        ("attached", "attached"),
        ("partial", "partly attached"),
        ("detached", "detached"),
        ("failed", "refused"),
    ][number % 7 % 4 if number % 3 == 0 else 0]
    return {
        "eui": f"70B3D59CD{number:07X}",
        "name": f"Water meter {number}",
        "tags": ["water", "house 7"],
        "state": state,
        "state_text": text,
        "warning": number % 9 == 0,
        "seconds_until_detach": 113_400.0 if number % 9 == 0 else 252_720.0,
        "when_silent": "warned, then detached in 1 d 7 h",
        "registration": "detached" if state == "detached" else "attached",
        "reason": "configured",
        "last_seen_at": NOW - 47 * number,
        "uplinks": 12_345,
        "cnt": 12_350,
        "snr": 14.2 - number % 13,
        "rssi": -101.0 - number % 17,
        "best_station": "CAFEBA5E00000001",
        "best_station_name": "Roof 1",
        "attached_at_connected": 3 if state == "attached" else 1,
        "attached_at_others": number % 2,
        "connected": 3,
        "bidi": True,
        "over_the_air": False,
        "attachment": {"state": "attached", "reason": "configured", "since": NOW - 500_000},
        "configuration": {
            "nwKey": MASK,
            "shortAddr": "0A1B",
            "bidi": True,
            "dualChan": True,
            "autoDetach": True,
        },
    } | changes


def paging(total: int, per_page: int = 50) -> dict[str, int]:
    return {
        "page": 1,
        "pages": -(-total // per_page),
        "per_page": per_page,
        "total": total,
        "first": 1,
        "last": min(per_page, total),
    }


def uplink_event(seq: int) -> dict[str, Any]:
    return {
        "seq": seq,
        "timestamp": NOW - 3 * (100 - seq),
        "kind": "uplink",
        "title": f"Uplink {seq}, 10 bytes",
        "sensor_eui": "70B3D59CD0000001",
        "base_station_eui": "CAFEBA5E00000001",
        "id": f"u{seq}",
        "cnt": seq,
        "data": list(bytes.fromhex("0a1b2c3d4e5f60718293")),
        "dataHex": "0a1b2c3d4e5f60718293",
        "size": 10,
        "known": True,
        "snr": 14.2,
        "rssi": -101.0,
        "baseStations": [
            {"bs_eui": "CAFEBA5E00000001", "snr": 14.2, "rssi": -101.0, "received_at": NOW},
            {"bs_eui": "CAFEBA5E00000002", "snr": 9.1, "rssi": -112.0, "received_at": NOW},
        ],
        "names": {"CAFEBA5E00000001": "Roof 1", "70B3D59CD0000001": "Water meter 1"},
        "duplicates": 1,
    }


def _settings() -> list[dict[str, Any]]:
    common = {
        "default": "",
        "unit": "",
        "origin": "default",
        "restart": False,
        "secret": False,
        "editable": True,
        "allowed": "text",
        "kind": "text",
        "choices": [],
        "is_set": False,
    }
    network = [
        {
            "name": "LISTEN_PORT",
            "value": "16018,16017",
            "default": "16018",
            "description": "ports on which base stations connect",
            "restart": True,
            "origin": "command line",
            "editable": False,
            "allowed": "ports, separated by commas",
        },
        {
            "name": "STATUS_INTERVAL",
            "value": "300",
            "default": "300",
            "unit": "s",
            "kind": "number",
            "description": "time between status requests to each base station",
            "allowed": "a number from 1 to 86400",
        },
        {
            "name": "STATION_IDENTITY",
            "value": "lenient",
            "default": "lenient",
            "kind": "choice",
            "choices": ["lenient", "strict"],
            "description": "whether a certificate must name its station",
            "restart": True,
            "origin": ".env",
        },
    ]
    broker = [
        {
            "name": "MQTT_BROKER",
            "value": "broker.example",
            "default": "localhost",
            "origin": ".env",
            "description": "host of the MQTT broker",
        },
        {
            "name": "MQTT_PASSWORD",
            "value": "********",
            "secret": True,
            "kind": "secret",
            "is_set": True,
            "origin": ".env",
            "description": "password at the MQTT broker",
        },
        {
            "name": "MQTT_TLS",
            "value": "true",
            "default": "false",
            "kind": "bool",
            "description": "TLS to the MQTT broker",
        },
        {
            "name": "AUTO_DETACH_TIMEOUT",
            "value": "259200",
            "default": "259200",
            "unit": "s",
            "kind": "number",
            "description": "silence after which a sensor is detached",
        },
    ]
    return [
        {"title": "Base stations", "settings": [common | each for each in network]},
        {"title": "MQTT and sensors", "settings": [common | each for each in broker]},
    ]


def _certificate(role: str, kind: str, days: int) -> dict[str, Any]:
    return {
        "file": kind,
        "name": role,
        "path": f"certs/{kind}.pem",
        "subject": f"CN=BSSCI {role}",
        "issuer": "CN=BSSCI service center CA",
        "names": ["localhost", "192.0.2.10"] if kind == "cert" else [],
        "fingerprint": "ab" * 32,
        "not_before": NOW - 86400,
        "not_after": NOW + 86400 * days,
        "days_left": days,
    }


def samples() -> dict[str, dict[str, Any]]:
    """The data of each template, by its name."""
    timeline = [
        {
            "at": NOW - 60,
            "title": "Connected",
            "text": "session resumed, 3 operations went on",
            "state": "online",
        },
        {
            "at": NOW - 70,
            "title": "Connection closed",
            "text": "no answer to a ping for 30 s",
            "state": "warning",
        },
        {"at": NOW - 9000, "title": "Attach refused", "text": "code 22: no such channel", "state": "failed"},
    ]
    reads = {"args": {"q": "", "page": "1"}}
    return {
        "dashboard.html": {
            "health": {
                "ok": False,
                "sentence": "Uplinks flow, but two things need a look.",
                "problems": [
                    {
                        "text": "Base station Roof 3 is offline since 2 h",
                        "href": "/stations/CAFEBA5E00000003",
                        "severity": "error",
                    },
                    {"text": "A certificate ends in 20 days", "href": "/certificates", "severity": "warning"},
                ],
            },
            "stations": {"online": 3, "connecting": 0, "offline": 1, "total": 4},
            "sensors": {
                "total": 10_000,
                "attached": 9_800,
                "detached": 60,
                "warning": 12,
                "failed": 3,
                "unknown": 7,
            },
            "uplinks": {"rate": 41.3, "last_hour": 148_600, "last_day": 3_100_000},
            "duplicates": {"rate": 0.412, "average_stations": 1.7},
            "sinks": [
                {
                    "name": "mqtt",
                    "queued": 0,
                    "oldest_seconds": 0,
                    "delivered": 1_234_567,
                    "failed": 2,
                    "failing": False,
                    "rate": 41.2,
                    "state_text": None,
                },
                {
                    "name": "log",
                    "queued": 1200,
                    "oldest_seconds": 75.0,
                    "delivered": 1_233_367,
                    "failed": 19,
                    "failing": True,
                    "rate": 0.0,
                    "state_text": None,
                },
            ],
            "broker": {"text": "broker.example:8883", "state": "ok"},
            "certificate": {
                "name": "Service center",
                "not_after": NOW + 86400 * 20,
                "days_left": 20,
                "href": "/certificates",
            },
            "guide": [
                {
                    "key": "certificate",
                    "title": "Certificate",
                    "text": "Both sides of TLS are ready.",
                    "href": "/certificates",
                    "role": "admin",
                    "done": True,
                },
                {
                    "key": "broker",
                    "title": "Broker",
                    "text": "Where uplinks go.",
                    "href": "/config#MQTT_BROKER",
                    "role": "admin",
                    "done": True,
                },
                {
                    "key": "station",
                    "title": "First base station",
                    "text": "Make a bundle and connect with it.",
                    "href": "/certificates#bundle",
                    "role": "admin",
                    "done": False,
                },
                {
                    "key": "sensor",
                    "title": "First sensor",
                    "text": "Add it with its EUI and key.",
                    "href": "/sensors/new",
                    "role": "operator",
                    "done": False,
                },
            ],
            "charts": [
                chart("uplinks", "Uplinks", "/s", ["uplinks"], 40, 12),
                chart("duplicates", "Duplicates", "%", ["duplicates"], 41, 6),
                chart("stations", "Stations online", "", ["online"], 3, 0),
            ],
            "range": "hour",
        },
        "stations.html": {
            "rows": [
                station(1),
                station(2),
                station(
                    3, state="offline", reason="no answer to a ping for 30 s", certificate=None, cpu=None
                ),
                station(4, state="connecting", name="", uplink_rate=None),
                station(5, state="expected", since=None, address=None, certificate=None),
                station(6, state="offline", blocked=True, blocked_at=NOW - 60, blocked_by="kim"),
            ],
            "counts": {"all": 4, "online": 2, "connecting": 1, "offline": 1, "refused": 1},
            "paging": paging(4),
            "refused": [
                {
                    "address": "198.51.100.7",
                    "reason": "its certificate is signed by another authority, CN=Somebody else",
                    "remedy": "Make a bundle for it and load its three files into it.",
                    "subject": "CN=CAFEBA5E00000009",
                    "issuer": "CN=Somebody else",
                    "first_at": NOW - 1200,
                    "station": "CAFEBA5E00000009",
                    "count": 17,
                    "at": NOW - 12,
                }
            ],
            **reads,
        },
        "alarms.html": {
            "rows": [
                {
                    "id": f"station-offline:CAFEBA5E0000000{number}",
                    "number": number,
                    "state": "open" if number < 3 else "closed",
                    "severity": "error" if number % 2 else "warning",
                    "text": f"Base station Roof {number} is offline",
                    "href": f"/stations/CAFEBA5E0000000{number}",
                    "since": NOW - 3600 * number,
                    "until": None if number < 3 else NOW - 60,
                    "returns": number - 1,
                    "acknowledged_by": "kim" if number > 1 else None,
                    "acknowledged_at": NOW - 30 if number > 1 else None,
                }
                for number in range(1, 5)
            ],
            "counts": {"all": 4, "open": 2, "new": 1, "closed": 2},
            "paging": paging(4),
            **reads,
        },
        "station_import.html": {},
        "station_form.html": {"station": station(2) | {"given_name": "Roof 2"}},
        "station.html": {
            "station": station(2),
            "timeline": timeline,
            "charts": [
                chart("load", "CPU and memory", "%", ["CPU", "memory"], 40, 12),
                chart("duty", "Duty cycle", "%", ["duty cycle"], 2, 1),
                chart("temperature", "Temperature", "\N{DEGREE SIGN}C", ["temperature"], 40, 3),
                chart("uplinks", "Uplinks", "/min", ["uplinks"], 60, 20),
            ],
            "range": "hour",
        },
        "sensors.html": {
            "rows": [sensor(number) for number in range(1, 51)],
            "counts": {
                "all": 10_000,
                "attached": 9_800,
                "partial": 120,
                "detached": 60,
                "warning": 12,
                "refused": 3,
                "never seen": 12,
                "unheard": 12,
            },
            "unknown_count": 7,
            "paging": paging(10_000),
            "args": {"sort": "-last_seen_at"},
        },
        "devices.html": {
            "rows": [device(number) for number in range(4)],
            "counts": {"all": 4, "known": 1, "unknown": 1, "changing": 1, "blocked": 1},
            "paging": paging(4),
            "args": {"q": "", "state": ""},
        },
        "provisioned.html": {
            "rows": [provisioned(number) for number in range(4)],
            "counts": {"all": 4, "active": 1, "ending": 1, "ended": 1, "revoked": 1},
            "trouble": "certs/devices/device_registry.json: is damaged",
            "paging": paging(4),
            "args": {"q": "", "state": ""},
        },
        "provisioned_device.html": {
            "device": provisioned(0)
            | {
                "configuration": {
                    "mqtt": {"host": "broker.example", "port": 8883, "client_id": "f2-aabbccddee00"},
                    "topics": {"commands": "cmnd/f2-aabbccddee00/#"},
                }
            },
            "registered": NOW - 8_000_000,
            "has_qr": True,
        },
        "device.html": {
            "device": device(1)
            | {
                "gateways": [{"gateway": "roof", "rssi": -70.0, "last_seen": NOW - 5}],
                "parameters": {"bindkey": MASK},
            },
            "decoders": ["ruuvi", "govee"],
        },
        "gateways.html": {
            "rows": [
                {
                    "id": "scanner:roof",
                    "kind": "scanner",
                    "name": "Roof",
                    "state": "online",
                    "since": NOW - 900,
                    "reason": "",
                    "source": "mqtt",
                    "first_seen": NOW - 9000,
                    "last_seen": NOW - 3,
                    "count": 7,
                    "location": {},
                    "tags": [],
                    "note": "",
                    "status": {
                        "metrics": {"devices_seen": 12, "messages_dropped": 3},
                        "system": {"cpu_percent": 12.5, "memory_usage_mb": 44},
                    },
                    "status_at": NOW - 30,
                },
                {
                    "id": "controller:f2-0a1b2c3d4e5f",
                    "kind": "controller",
                    "name": "",
                    "state": "offline",
                    "since": NOW - 900,
                    "reason": "silent for 5 minutes",
                    "source": "mqtt",
                    "first_seen": NOW - 9000,
                    "last_seen": NOW - 1200,
                    "count": 7,
                    "location": {},
                    "tags": [],
                    "note": "",
                    "status": None,
                    "status_at": None,
                },
            ],
            "counts": {},
        },
        "unknown_sensors.html": {
            "rows": [
                {
                    "eui": "70B3D59CDFFFFFFF",
                    "last_heard_at": NOW - 5,
                    "uplinks": 12,
                    "base_station_eui": "CAFEBA5E00000001",
                    "station_name": "Roof 1",
                    "stations": 2,
                    "snr": 3.0,
                    "rssi": -120.0,
                }
            ],
            "total": 1,
        },
        "sensor_form.html": {
            "sensor": {
                "eui": "70B3D59CD0000001",
                "nwKey": MASK,
                "shortAddr": "0A1B",
                "bidi": True,
                "name": "Water meter 1",
                "tags": ["water"],
                "decoder": "gone",
                "decoderParameters": MASK,
                "interval": 900,
                "location": {"lat": 49.6, "text": "Cellar"},
            },
            "eui": None,
            "choices": [("cayenne", "cayenne@1"), ("water-meter", "Acme water meter")],
        },
        "sensor_import.html": {},
        "readings.html": {
            "sensor": {"eui": "FCA84A0300001234", "name": "Flat 3, cold water"},
            "device": "mioty:FCA84A0300001234",
            "range": "day",
            "spans": ["hour", "day", "week", "month", "year"],
            "since": NOW - 3600,
            "until": NOW,
            "every": 60.0,
            "zoom": {"Earlier": (NOW - 5400, NOW - 1800), "Zoom in": (NOW - 2700, NOW - 900)},
            "charts": [
                chart("reading-volume", "volume", "m³", ["volume"], 77, 1) | {"name": "volume"},
                chart("reading-flow", "flow", "m³/h", ["flow"], 1, 0.2)
                | {"name": "flow", "band": [[NOW - 3600, 0.5, 1.5], [NOW, 0.7, 1.2]]},
            ],
            "texts": [{"name": "alarm", "points": [{"at": NOW - 60, "value": "burst"}]}],
            "table": {
                "columns": [{"name": "volume", "unit": "m³"}, {"name": "leak", "unit": ""}],
                "rows": [
                    {
                        "at": NOW - 60,
                        "cells": [{"value": 77.1, "least": 77.0, "most": 77.2}, {"value": True}],
                    },
                    {
                        "at": NOW - 120,
                        "cells": [{"value": 77.0, "least": None, "most": 77.0}, {"value": None}],
                    },
                ],
                "more": 12,
            },
            "past": {
                "decoder": "water-meter@1.0",
                "uplinks": 60,
                "failed": 1,
                "without_decoder": 2,
                "complete": False,
                "failure": {"code": "too_short", "message": "volume: the payload has 24 bits"},
            },
        },
        "decoder.html": {
            "new": False,
            "name": "water-meter",
            "file": "water-meter.json",
            "decoder": {
                "title": "bssci Water meter",
                "kind": "blueprint",
                "version": "1.0",
                "typeEui": "02B55C1000000001",
                "sensors": 8,
                "decoded": 12_345,
                "failures": 3,
                "last_failure": {
                    "code": "too_short",
                    "message": "volume: the payload has 24 bits",
                    "timestamp": NOW - 60,
                    "device": "mioty:FCA84A0300001234",
                },
            },
            "text": '{"uplink": []}',
            "problems": [{"file": "water-meter.json", "line": 3, "reason": "is wrong", "refused": False}],
            "examples": [
                {
                    "name": "an ordinary day",
                    "payload": "0000012d6f006917d2",
                    "format": 1,
                    "line": 7,
                    "passed": False,
                    "differences": ["volume: 77 expected, 78 read"],
                }
            ],
            "sensors": [{"eui": "FCA84A0300001234", "name": "Flat 3, cold water"}],
            "trial": {"sensor": "FCA84A0300001234", "payload": "00FF", "format": 1},
        },
        "decoders.html": {
            "directory": "decoders",
            "decoders": [
                {
                    "name": "water-meter",
                    "version": "1.0",
                    "kind": "blueprint",
                    "title": "bssci Water meter",
                    "typeEui": "02B55C1000000001",
                    "file": "water-meter.json",
                    "sensors": 8,
                    "examples": 4,
                    "decoded": 12_345,
                    "failures": 3,
                    "failing": True,
                    "last_failure": {
                        "code": "too_short",
                        "message": "volume: needs bits 8 to 39, the payload has 24",
                        "timestamp": NOW - 60,
                        "device": "mioty:FCA84A0300001234",
                    },
                },
                {
                    "name": "mbus",
                    "version": "1",
                    "kind": "built in",
                    "title": "",
                    "typeEui": None,
                    "file": None,
                    "sensors": 0,
                    "examples": 0,
                    "decoded": 0,
                    "failures": 0,
                    "failing": False,
                    "last_failure": None,
                },
            ],
            "problems": [{"file": "odd.json", "line": 3, "reason": "size must be 1 to 64", "refused": True}],
            "resting": [{"decoder": "endless@1", "reason": "5 time-outs in a row"}],
        },
        "sensor.html": {
            "latest": {
                "values": [
                    {"name": "volume", "value": 77.167, "unit": "m³", "at": NOW - 60},
                    {"name": "leak", "value": False, "unit": None, "at": NOW - 60},
                    {"name": "alarm", "value": "burst", "unit": None, "at": NOW - 3600},
                ],
                "decoder": "water-meter@1.0",
                "undecoded": False,
                "failure": {"code": "too_short", "message": "volume: the payload has 24 bits"},
                "failed_at": NOW - 5,
            },
            "choices": [["water-meter", "bssci Water meter"]],
            "sensor": sensor(9, state="attached", state_text="attached"),
            "registrations": [
                {
                    "base_station_eui": "CAFEBA5E00000001",
                    "name": "Roof 1",
                    "connected": True,
                    "state": "attached",
                    "code": None,
                    "message": None,
                    "timestamp": NOW - 100,
                },
                {
                    "base_station_eui": "CAFEBA5E00000002",
                    "name": None,
                    "connected": False,
                    "state": "refused",
                    "code": 22,
                    "message": "no such channel",
                    "timestamp": NOW - 90,
                },
            ],
            "timeline": timeline,
            "uplinks": [uplink_event(900 - number) | {"lost_before": number % 2} for number in range(8)],
            "names": {"CAFEBA5E00000001": "Roof 1"},
            "lost": 4,
            "charts": [
                chart("snr", "SNR", "dB", ["Roof 1", "Roof 2", "Roof 3"], 12, 3),
                chart("rssi", "RSSI", "dBm", ["Roof 1", "Roof 2", "Roof 3"], -104, 4),
            ],
            "range": "hour",
            "downlinks": [
                {
                    "queId": 7,
                    "state": "queued",
                    "created_at": NOW - 30,
                    "changed_at": NOW - 30,
                    "data": [[1, 255]],
                    "dataHex": ["01ff"],
                    "cnt": None,
                    "bs_eui": None,
                    "message": None,
                    "ref": None,
                },
                {
                    "queId": 6,
                    "state": "acknowledged",
                    "created_at": NOW - 9000,
                    "changed_at": NOW - 8000,
                    "data": [],
                    "dataHex": [],
                    "cnt": None,
                    "bs_eui": "CAFEBA5E00000001",
                    "message": None,
                    "ref": "valve",
                },
            ],
            "paths": [
                {
                    "base_station_eui": "CAFEBA5E00000001",
                    "name": "Roof 1",
                    "snr": 14.0,
                    "rssi": -100.0,
                    "last_heard_at": NOW - 20,
                    "preferred": True,
                },
                {
                    "base_station_eui": "CAFEBA5E00000002",
                    "name": None,
                    "snr": 4.0,
                    "rssi": -110.0,
                    "last_heard_at": NOW - 20,
                    "preferred": False,
                },
            ],
        },
        "live.html": {
            "events": [
                *(uplink_event(seq) for seq in range(100, 90, -1)),
                {
                    "seq": 90,
                    "timestamp": NOW - 60,
                    "kind": "station-state",
                    "base_station_eui": "CAFEBA5E00000001",
                    "title": "Came online",
                },
            ],
            "kinds": ["uplink", "sensor-status", "station-state", "station-status", "downlink-status"],
            "delivered": {"mqtt": 100, "log": 95},
            "older": 90,
            "args": {},
        },
        "logs.html": {
            "lines": [
                {
                    "timestamp": NOW - number,
                    "level": ["info", "warn", "error", "debug"][number % 4],
                    "logger": "bssci.stations.protocol",
                    "text": f"station connected CAFEBA5E0000000{number % 9}",
                }
                for number in range(30)
            ],
            "loggers": ["bssci.service", "bssci.stations.protocol"],
            "args": {},
        },
        "configuration.html": {"groups": _settings()},
        "certificates.html": {
            "files": [_certificate("CA", "ca", 3000), _certificate("service center", "server", 20)],
            "stations": [station(1) | {"certificate": _certificate("station", "station", 400)}],
            "bundles": [_certificate("Base station CAFEBA5E00000001", "station:CAFEBA5E00000001", 400)],
            "errors": [],
            "warnings": ["certs/server.pem: expires on 2026-12-24"],
            "can_issue": False,
        },
        "accounts.html": {
            "users": [
                {"name": "anna", "role": "admin", "created_at": NOW - 9e6, "sessions": 2},
                {"name": "bert", "role": "viewer", "created_at": NOW - 9e5, "sessions": 0},
            ],
            "tokens": [{"name": "grafana", "role": "viewer", "created_at": NOW - 9e5}],
            "sessions": [
                {
                    "id": "s1",
                    "address": "192.0.2.200",
                    "agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                    "device": "Firefox 140 on Linux",
                    "created_at": NOW - 4000,
                    "seen_at": NOW,
                    "current": True,
                },
                {
                    "id": "s2",
                    "address": "192.0.2.201",
                    "agent": "curl/8.5.0",
                    "device": "curl/8.5.0",
                    "created_at": NOW - 9000,
                    "seen_at": NOW - 800,
                    "current": False,
                },
            ],
        },
        "replays.html": {
            "sinks": {"postgres": False, "mqtt": True},
            "replays": [
                {
                    "id": 2,
                    "sink": "postgres",
                    "from": NOW - 86400,
                    "to": NOW,
                    "devices": ["mioty:70B3D56770110001"],
                    "state": "running",
                    "progress": 0.25,
                    "delivered": 1200,
                    "trouble": "the server is away",
                    "asked_by": "anna",
                    "asked_at": NOW - 60,
                    "ended_at": None,
                },
                {
                    "id": 1,
                    "sink": "mqtt",
                    "from": NOW - 86400,
                    "to": NOW,
                    "devices": [],
                    "state": "done",
                    "progress": 1.0,
                    "delivered": 3,
                    "trouble": "",
                    "asked_by": "token robot",
                    "asked_at": NOW - 600,
                    "ended_at": NOW - 500,
                },
            ],
        },
        "audit.html": {
            "entries": [
                {
                    "seq": 2,
                    "timestamp": NOW - 5,
                    "who": "anna",
                    "action": "sensor.reveal_key",
                    "target": "70B3D59CD0000001",
                    "detail": "",
                    "address": "192.0.2.200",
                },
                {
                    "seq": 1,
                    "timestamp": NOW - 50,
                    "who": "bert",
                    "action": "login.refused",
                    "target": "",
                    "detail": "",
                    "address": "192.0.2.201",
                },
            ],
            "older": 1,
            "args": {},
        },
        "explorer.html": {},
        "login.html": {"error": None, "next": "/sensors", "setup_hint": False},
        "setup.html": {"token": "t", "error": None},
        "error.html": {"status": 404, "title": "Not found", "message": None},
    }


def hostile(data: Any) -> Any:
    """The same shape with every text replaced by one that must not be taken for markup."""
    if isinstance(data, dict):
        return {name: value if name in _FIXED else hostile(value) for name, value in data.items()}
    if isinstance(data, list):
        return [hostile(each) for each in data]
    return HOSTILE if isinstance(data, str) else copy.copy(data)


def bare(data: Any) -> Any:
    """The same shape where nothing is known: no rows, no numbers."""
    if isinstance(data, dict):
        return {
            name: value if name in _FIXED or name in _NEEDED else bare(value) for name, value in data.items()
        }
    if isinstance(data, list):
        return []
    return data if isinstance(data, (str, bool)) else None


_FIXED = {"role", "severity", "kind", "state", "theme"}
_NEEDED = {"start", "end", "eui", "now", "status"}
