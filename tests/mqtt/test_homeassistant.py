"""What Home Assistant is told, held against its own names (homeassistant/components/sensor/const.py)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bssci.decoders.quantities import QUANTITIES
from bssci.model import EUI, Reading
from bssci.mqtt import homeassistant
from bssci.mqtt.homeassistant import BINARY_CLASSES, KINDS, ShownSensor, Source
from tests.support.cases import case

M, T, I = "measurement", "total", "total_increasing"  # noqa: E741
OFFICIAL: dict[str, tuple[set[str | None], set[str]]] = {
    "apparent_power": ({"VA"}, {M}),
    "aqi": ({None}, {M}),
    "atmospheric_pressure": ({"hPa", "Pa", "kPa", "bar", "mbar"}, {M}),
    "battery": ({"%"}, {M}),
    "carbon_dioxide": ({"ppm"}, {M}),
    "carbon_monoxide": ({"ppm"}, {M}),
    "conductivity": ({"S/cm", "mS/cm", "µS/cm"}, {M}),
    "current": ({"A", "mA"}, {M}),
    "distance": ({"km", "m", "cm", "mm"}, {M, T, I}),
    "duration": ({"d", "h", "min", "s", "ms"}, {M, T, I}),
    "energy": ({"Wh", "kWh", "MWh", "MJ", "GJ"}, {T, I}),
    "frequency": ({"Hz", "kHz", "MHz", "GHz"}, {M}),
    "humidity": ({"%"}, {M}),
    "illuminance": ({"lx"}, {M}),
    "irradiance": ({"W/m²"}, {M}),
    "moisture": ({"%"}, {M}),
    "ph": ({None}, {M}),
    "pm1": ({"µg/m³"}, {M}),
    "pm10": ({"µg/m³"}, {M}),
    "pm25": ({"µg/m³"}, {M}),
    "power": ({"W", "kW"}, {M}),
    "power_factor": ({"%", None}, {M}),
    "precipitation": ({"mm", "cm", "in"}, {M, T, I}),
    "precipitation_intensity": ({"mm/h", "mm/d"}, {M}),
    "reactive_power": ({"var"}, {M}),
    "signal_strength": ({"dB", "dBm"}, {M}),
    "sound_pressure": ({"dB", "dBA"}, {M}),
    "speed": ({"m/s", "km/h"}, {M}),
    "temperature": ({"°C", "°F", "K"}, {M}),
    "timestamp": ({None}, set()),
    "volatile_organic_compounds_parts": ({"ppb", "ppm"}, {M}),
    "voltage": ({"V", "mV"}, {M}),
    "volume": ({"m³", "L"}, {T, I}),
    "volume_flow_rate": ({"m³/h", "L/min"}, {M}),
    "weight": ({"kg", "g"}, {M, T, I}),
    "wind_speed": ({"m/s", "km/h"}, {M}),
}
"""units and state classes that Home Assistant takes for a device class; of the units, some"""
BINARY = {
    "battery",
    "cold",
    "moisture",
    "motion",
    "occupancy",
    "opening",
    "problem",
    "smoke",
    "tamper",
    "vibration",
}
"""some of its device classes of binary sensors"""
MEMBERS = {
    "availability_template", "availability_topic", "default_entity_id", "device", "device_class",
    "entity_category", "name", "origin", "state_class", "state_topic",
    "unique_id", "unit_of_measurement", "value_template",
}  # fmt: skip
"""members of a discovery message, of those that Home Assistant knows; object_id is none since its 2026.4"""
SOURCE = Source("homeassistant", "mioty/service/status", "1.0")
DEVICE = ShownSensor(EUI("70B3D56770110001"), "Cellar", "meter", "mioty/ep/70B3D56770110001/ul")


def of(reading: Reading) -> dict[str, Any]:
    message = homeassistant.discovery_message(SOURCE, DEVICE, homeassistant.entity_of(reading))
    assert message.retain
    said: dict[str, Any] = json.loads(message.payload)
    assert said.keys() <= MEMBERS
    return said


VALUES = {"number": 1.5, "count": 3, "bool": True, "text": "x"}


def test_every_quantity_is_told_in_home_assistant_s_own_words() -> None:
    for quantity in QUANTITIES:
        with case(quantity):
            said = of(Reading(quantity.name, VALUES[quantity.kind], quantity.unit))
            if quantity.kind == "bool":
                assert said.get("device_class", "motion") in BINARY
                assert not {"state_class", "unit_of_measurement"} & said.keys()
            elif quantity.kind == "text":
                assert not {"state_class", "unit_of_measurement", "device_class"} & said.keys()
            elif "device_class" in said:
                units, state_classes = OFFICIAL[said["device_class"]]
                assert said.get("unit_of_measurement") in units
                assert said["state_class"] in state_classes
            else:
                assert said["state_class"] in {M, T, I}


def test_the_tables_name_quantities_only() -> None:
    kinds = {each.name: each.kind for each in QUANTITIES}
    assert {kinds[name] for name in KINDS} == {"number", "count"}
    assert {kinds[name] for name in BINARY_CLASSES} == {"bool"}


def test_an_announcement_names_entity_device_and_unit() -> None:
    message = homeassistant.discovery_message(
        SOURCE, DEVICE, homeassistant.entity_of(Reading("temperature", 21.5, "°C"))
    )
    assert message.topic == "homeassistant/sensor/bssci_70B3D56770110001/temperature/config"
    assert json.loads(message.payload) == {
        "name": "Temperature",
        "unique_id": "bssci_70B3D56770110001_temperature",
        "default_entity_id": "sensor.bssci_70b3d56770110001_temperature",
        "device_class": "temperature",
        "state_class": "measurement",
        "unit_of_measurement": "°C",
        "state_topic": "mioty/ep/70B3D56770110001/ul",
        "value_template": '{% set c = value_json.components | default({}) %}{% if "temperature" in c %}'
        '{{ c["temperature"].value }}{% endif %}',
        "availability_topic": "mioty/service/status",
        "availability_template": "{{ value_json.state }}",
        "device": {
            "identifiers": ["bssci_70B3D56770110001"],
            "name": "Cellar",
            "model": "meter",
            "manufacturer": "mioty",
            "serial_number": "70B3D56770110001",
        },
        "origin": {"name": "bssci", "sw_version": "1.0"},
    }


def test_signal_and_last_seen() -> None:
    told = [
        json.loads(homeassistant.discovery_message(SOURCE, DEVICE, each).payload)
        for each in homeassistant.entities_of_signal()
    ]
    assert [each["device_class"] for each in told] == ["signal_strength", "signal_strength", "timestamp"]
    assert all(each.keys() <= MEMBERS and each["entity_category"] == "diagnostic" for each in told)
    assert "state_class" not in told[2]


def test_templates_give_what_an_uplink_says() -> None:
    jinja2 = pytest.importorskip("jinja2")

    def rendered(reading: Reading, components: dict[str, Any] | None) -> str:
        value = {} if components is None else {"components": components}
        template = jinja2.Template(of(reading)["value_template"])
        return str(template.render(value_json=value))

    odd = Reading('a "b"/ü', 5, device="ble:1")
    assert rendered(odd, {'ble:1/a "b"/ü': {"value": 5}}) == "5"
    assert rendered(odd, {}) == rendered(odd, None) == ""
    leak = Reading("leak", True)
    assert rendered(leak, {"leak": {"value": True}}) == "ON"
    assert rendered(leak, {"leak": {"value": False}}) == "OFF"
    assert rendered(leak, {}) == ""


def test_names_that_collide_with_the_signal_have_keys_of_their_own() -> None:
    assert homeassistant.entity_of(Reading("rssi", -90.0, "dBm")).key == "value_rssi"
    assert homeassistant.entity_of(Reading("°°°", 1)).key == "value"


def test_names_in_another_script_have_keys_of_their_own() -> None:
    names = ("温度", "湿度", "темп 1", "влажн 1", "Höhe")
    keys = [homeassistant.entity_of(Reading(name, 1)).key for name in names]
    assert len(set(keys)) == len(names)
    assert all(key.isascii() and key.replace("_", "").isalnum() for key in keys)
    assert keys[4] == "h_he"


def test_to_be_forgotten_is_an_empty_retained_message() -> None:
    topic = homeassistant.topic_of("homeassistant", "sensor", DEVICE.eui, "temperature")
    assert [tuple(each[:3]) for each in homeassistant.retractions([topic])] == [(topic, b"", True)]
