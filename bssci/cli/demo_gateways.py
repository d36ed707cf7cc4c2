"""Scanners and controllers in ``bssci demo``: their settings, simulation, and entries."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from bssci.cli.service_api import RefusedError, ServiceApi, ServiceUnavailableError, service_api
from bssci.settings.table import Settings
from bssci.simulator.bluetooth import BluetoothDevice
from bssci.simulator.controllers import FIRST_MAC
from bssci.web.access.accounts import AccountError

SCANNERS, CONTROLLERS, BLUETOOTH = 3, 1, 14
PREFIX = "demo"
"""prefix of the scanners' ids"""
ENTERED_WITHIN = 60.0
"""s to wait until gateways are heard"""
RETRY = 2.0
CONTROLLER = f"f2:{FIRST_MAC:012x}"
LIKE_THE_SINK = (
    "PORT",
    "USERNAME",
    "PASSWORD",
    "TLS",
    "CA_FILE",
    "CERT_FILE",
    "KEY_FILE",
    "TRANSPORT",
    "PATH",
)
"""settings of the broker that the source copies from the sink"""


class Place(NamedTuple):
    """A place in the town of the demo."""

    text: str
    tag: str
    latitude: float
    longitude: float

    @property
    def location(self) -> dict[str, Any]:
        """The place in the form for entries of sensors, scanners and devices."""
        return {"lat": self.latitude, "lon": self.longitude, "text": self.text}


PLACES = (
    Place("Mill Lane 4", "mill-lane", 51.0532, 13.7291),
    Place("School", "school", 51.0478, 13.7442),
    Place("Town hall", "town-hall", 51.0497, 13.7376),
)
"""place of each scanner; a device is at the place of the scanner that hears it best"""
ROOMS = ("office", "hall", "archive", "kitchen", "workshop")
WHAT = {
    "bthome": "Climate",
    "atc": "Thermometer",
    "govee": "Thermometer",
    "ruuvi": "Climate and pressure",
    "switchbot": "Meter",
    "ibeacon": "Trolley",
    "eddystone": "Beacon",
}
MODELS = {
    "bthome": "BTHome v2",
    "atc": "LYWSD03MMC with pvvx",
    "govee": "H5075",
    "ruuvi": "RuuviTag",
    "switchbot": "Meter",
    "ibeacon": "iBeacon",
    "eddystone": "Eddystone",
}
ANNOUNCEMENT = f"""\
  beside them     {SCANNERS} Bluetooth scanners that hear {BLUETOOTH} devices, and a controller
"""
UNKNOWN = 2
"""number of devices, the last ones, that are left for people to enter"""


def source_options(
    values: Mapping[str, Any], origins: Mapping[str, str], sources: tuple[str, ...]
) -> dict[str, Any]:
    """Return the service's options for receiving the gateways' messages.

    By default it uses the broker of the sink ``mqtt``.

    :param values: values of the settings, by name.
    :param origins: their origins.
    :param sources: value of SOURCES.
    """
    options: dict[str, Any] = {}
    if "mqtt" not in sources:
        options["sources"] = ",".join((*sources, "mqtt"))
    if origins["SOURCE_MQTT_BROKER"] != "default":
        return options
    broker = values["MQTT_BROKER"] if origins["MQTT_BROKER"] != "default" else "embedded"
    options["source-mqtt-broker"] = broker
    for name in LIKE_THE_SINK:
        value = values[f"MQTT_{name}"]
        if value not in ("", None, False):
            spelled = str(value).lower() if isinstance(value, bool) else value
            options[f"source-mqtt-{name.lower().replace('_', '-')}"] = spelled
    return options


def simulator_options(chosen: Settings) -> dict[str, Any]:
    """Return the options of ``bssci simulate`` for the gateways; None is the value of a flag."""
    broker, user = chosen.value("SOURCE_MQTT_BROKER"), chosen.value("SOURCE_MQTT_USERNAME")
    options: dict[str, Any] = {
        "scanners": SCANNERS,
        "controllers": CONTROLLERS,
        "bluetooth-devices": BLUETOOTH,
        "scanner-prefix": PREFIX,
        "timezone": chosen.value("SOURCE_MQTT_TIMEZONE"),
        "mqtt-broker": "127.0.0.1" if broker == "embedded" else broker,
        "mqtt-port": chosen.value("SOURCE_MQTT_PORT"),
    }
    if broker == "embedded":
        return options
    if user:
        options["mqtt-username"] = user
    if chosen.value("SOURCE_MQTT_TLS"):
        options["mqtt-tls"] = None
        for name in ("ca-file", "cert-file", "key-file"):
            if value := chosen.value(f"SOURCE_MQTT_{name.upper().replace('-', '_')}"):
                options[f"mqtt-{name}"] = value
    options["mqtt-transport"] = chosen.value("SOURCE_MQTT_TRANSPORT")
    options["mqtt-path"] = chosen.value("SOURCE_MQTT_PATH")
    return options


def devices() -> dict[str, dict[str, Any]]:
    """Return the entries of the demo's devices, by id."""
    known: dict[str, dict[str, Any]] = {}
    for number in range(BLUETOOTH - UNKNOWN):
        device, place = BluetoothDevice(number), PLACES[number % SCANNERS]
        room = ROOMS[number % len(ROOMS)]
        what = WHAT[device.make] if device.wanders else f"{WHAT[device.make]} {room}, {place.text}"
        known[device.id] = {
            "name": what if not device.wanders else f"{what} {number // 7 + 1}",
            "model": MODELS[device.make],
            "tags": ["bluetooth"] if device.wanders else ["bluetooth", place.tag],
        }
        if not device.wanders:
            known[device.id]["location"] = place.location
    garden = PLACES[1]
    for pin, bed in enumerate(("Roses", "Herbs", "Lawn"), 1):
        known[f"{CONTROLLER}/J1/{pin}"] = {
            "name": f"{bed}, {garden.text} garden",
            "model": "Garden probe",
            "decoder": "garden-probe",
            "tags": ["soil", garden.tag],
            "location": garden.location,
        }
    for port, name in (
        ("J2/strike-1", "Garden gate"),
        ("J2/strike-2", "Shed"),
        ("J2/door-sensors", "Doors of gate and shed"),
        ("J3/siren-1", "Siren"),
        ("J3/motion-sensor-1", "Motion at the shed"),
    ):
        known[f"{CONTROLLER}/{port}"] = {
            "name": f"{name}, {garden.text}",
            "tags": [garden.tag],
            "location": garden.location,
        }
    return known


def gateways() -> dict[str, dict[str, Any]]:
    """Return the entries of the demo's gateways, by id."""
    known = {
        f"scanner:{PREFIX}-{number}": {
            "name": f"Scanner, {place.text}",
            "location": place.location,
            "tags": [place.tag],
        }
        for number, place in enumerate(PLACES, 1)
    }
    place = PLACES[1]
    known[f"controller:{CONTROLLER.replace(':', '-')}"] = {
        "name": f"Controller, {place.text} garden",
        "location": place.location,
        "tags": [place.tag],
    }
    return known


def enter(chosen: Settings) -> None:
    """Enter devices and gateways at the running service, each as soon as possible. Runs in its own thread.

    Existing entries are kept. A gateway can be entered once it has been heard.
    """
    arguments = argparse.Namespace(url=None, token_file=None)
    left = {f"/api/devices/{quote(id)}": said for id, said in devices().items()}
    left |= {f"/api/gateways/{id}": said for id, said in gateways().items()}
    end = time.monotonic() + ENTERED_WITHIN
    reason: Exception | str = "not heard"
    while left and time.monotonic() < end:
        time.sleep(RETRY)
        try:
            with service_api(arguments, chosen, "operator") as api:
                left = {path: said for path, said in left.items() if not _enter(api, path, said)}
        except (AccountError, ServiceUnavailableError, RefusedError) as error:
            reason = error
    if left:
        print(f"{len(left)} scanners, controllers and devices have no names: {reason}", file=sys.stderr)


def _enter(api: ServiceApi, path: str, said: Mapping[str, Any]) -> bool:
    """Enter a device or gateway, unless it has a name; return whether the service knows it."""
    try:
        there = api.ask("GET", path)
    except RefusedError as error:
        if error.status != 404:
            raise
        if "/gateways/" in path:
            return False
        there = {}
    if not there.get("name"):
        api.ask("PATCH", path, said)
    return True
