"""Sensors as Home Assistant discovers them: one retained message for each value that a sensor sends.

    {prefix}/{sensor | binary_sensor}/bssci_{EUI}/{value}/config

Names of device classes, state classes and units are Home Assistant's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import msgspec

from bssci.model import EUI, Reading
from bssci.mqtt.values import About, Publication

SCHEMA = "homeassistant-config"
NODE = "bssci_"
"""begins the part of a topic that names a device"""
LAST_SEEN = "last_seen"
_encode = msgspec.json.Encoder(order="deterministic").encode
_NOT_A_KEY = re.compile(r"[^a-z0-9_]+")
_LETTER = re.compile(r"[a-z]")
Platform = Literal["sensor", "binary_sensor"]


class EntityKind(NamedTuple):
    """The way in which Home Assistant understands a value."""

    device_class: str | None = None
    state_class: str | None = "measurement"
    unit: str | None = None
    """Home Assistant's spelling of the unit; None: as the reading has it"""


_TEMPERATURE = EntityKind("temperature")
_TOTAL = EntityKind(None, "total_increasing")
KINDS: Mapping[str, EntityKind] = {
    "temperature": _TEMPERATURE,
    "internal_temperature": _TEMPERATURE,
    "external_temperature": _TEMPERATURE,
    "dew_point": _TEMPERATURE,
    "soil_temperature": _TEMPERATURE,
    "water_temperature": _TEMPERATURE,
    "flow_temperature": _TEMPERATURE,
    "return_temperature": _TEMPERATURE,
    "humidity": EntityKind("humidity"),
    "soil_moisture": EntityKind("moisture"),
    "pressure": EntityKind("atmospheric_pressure"),
    "co2": EntityKind("carbon_dioxide"),
    "co": EntityKind("carbon_monoxide"),
    "tvoc": EntityKind("volatile_organic_compounds_parts"),
    "air_quality_index": EntityKind("aqi"),
    "pm1": EntityKind("pm1"),
    "pm2_5": EntityKind("pm25"),
    "pm10": EntityKind("pm10"),
    "illuminance": EntityKind("illuminance"),
    "solar_radiation": EntityKind("irradiance"),
    "noise": EntityKind("sound_pressure", unit="dBA"),
    "wind_speed": EntityKind("wind_speed"),
    "wind_direction": EntityKind(None),
    "rain": EntityKind("precipitation"),
    "rain_rate": EntityKind("precipitation_intensity"),
    "conductivity": EntityKind("conductivity"),
    "ph": EntityKind("ph"),
    "volume": EntityKind("volume", "total_increasing"),
    "reverse_volume": EntityKind("volume", "total_increasing"),
    "flow": EntityKind("volume_flow_rate"),
    "energy": EntityKind("energy", "total_increasing"),
    "energy_export": EntityKind("energy", "total_increasing"),
    "power": EntityKind("power"),
    "reactive_power": EntityKind("reactive_power"),
    "apparent_power": EntityKind("apparent_power"),
    "power_factor": EntityKind("power_factor"),
    "frequency": EntityKind("frequency"),
    "current": EntityKind("current"),
    "voltage": EntityKind("voltage"),
    "battery": EntityKind("battery"),
    "battery_voltage": EntityKind("voltage"),
    "rssi": EntityKind("signal_strength"),
    "snr": EntityKind("signal_strength"),
    "uptime": EntityKind("duration"),
    "altitude": EntityKind("distance"),
    "distance": EntityKind("distance"),
    "level": EntityKind("distance"),
    "speed": EntityKind("speed"),
    "weight": EntityKind("weight"),
    "count": _TOTAL,
    "open_count": _TOTAL,
    "people_in": _TOTAL,
    "people_out": _TOTAL,
    "message_count": _TOTAL,
}
"""kinds of the numbers in the table of quantities; a number that is not here is a plain measurement"""
BINARY_CLASSES: Mapping[str, str] = {
    "leak": "moisture",
    "open": "opening",
    "motion": "motion",
    "occupancy": "occupancy",
    "tamper": "tamper",
    "smoke": "smoke",
    "low_battery": "battery",
    "vibration": "vibration",
    "burst": "problem",
    "backflow_alarm": "problem",
    "freeze_alarm": "cold",
}
"""device classes of values that are true or false"""


class Source(NamedTuple):
    """The place where a device's values come from, for all of its entities."""

    prefix: str
    """first part of the topics of discovery"""
    status_topic: str
    """topic that says whether the service runs"""
    version: str
    """version of the service"""


class ShownSensor(NamedTuple):
    """A sensor as Home Assistant shows it."""

    eui: EUI
    name: str
    model: str
    uplink_topic: str
    """topic on which the values come"""


class Entity(NamedTuple):
    """One value of a device."""

    platform: Platform
    key: str
    """last part of its id, and of the topic before ``config``"""
    facts: Mapping[str, Any]
    """members of its configuration"""


def entities_of_signal() -> list[Entity]:
    """Return the entities that every sensor has: signal and when it was last heard."""
    diagnostic = {"entity_category": "diagnostic"}
    station = "value_json.baseStations[0]"
    return [
        Entity(
            "sensor",
            key,
            diagnostic
            | {
                "name": key.upper(),
                "value_template": f"{{{{ {station}.{key} }}}}",
                "device_class": "signal_strength",
                "state_class": "measurement",
                "unit_of_measurement": unit,
            },
        )
        for key, unit in (("rssi", "dBm"), ("snr", "dB"))
    ] + [
        Entity(
            "sensor",
            LAST_SEEN,
            diagnostic
            | {
                "name": "Last seen",
                "value_template": f"{{{{ as_datetime({station}.rxTime / 1000000000) }}}}",
                "device_class": "timestamp",
            },
        )
    ]


def entity_of(reading: Reading) -> Entity:
    """Return the entity of a value that a decoder read."""
    name = reading.name if reading.device is None else f"{reading.device}/{reading.name}"
    key = _key(name)
    if key in ("rssi", "snr", LAST_SEEN):
        key = f"value_{key}"
    quoted = msgspec.json.encode(name).decode()
    value = f"c[{quoted}].value"
    is_binary = type(reading.value) is bool
    if is_binary:
        value = f"'ON' if {value} else 'OFF'"
    facts: dict[str, Any] = {
        "name": name.replace("_", " ").capitalize(),
        # Empty if this uplink lacks the value: Home Assistant then keeps the last one.
        "value_template": f"{{% set c = value_json.components | default({{}}) %}}"
        f"{{% if {quoted} in c %}}{{{{ {value} }}}}{{% endif %}}",
    }
    if is_binary:
        if (device_class := BINARY_CLASSES.get(reading.name)) is not None:
            facts["device_class"] = device_class
        return Entity("binary_sensor", key, facts)
    if type(reading.value) is not str:
        kind = KINDS.get(reading.name, EntityKind())
        unit = kind.unit or reading.unit
        facts |= {
            member: said
            for member, said in (
                ("device_class", kind.device_class),
                ("state_class", kind.state_class),
                ("unit_of_measurement", unit),
            )
            if said is not None
        }
    return Entity("sensor", key, facts)


def _key(name: str) -> str:
    """Return the key of a value; of a name in another script, which leaves no letter, with a digest."""
    key = _NOT_A_KEY.sub("_", name.lower()).strip("_")
    if _LETTER.search(key) is None and any(map(str.isalpha, name)):
        key = f"{key or 'value'}_{blake2b(name.encode('utf-8', 'replace'), digest_size=4).hexdigest()}"
    return key or "value"


def discovery_message(source: Source, device: ShownSensor, entity: Entity) -> Publication:
    """Return the message by which Home Assistant learns of an entity."""
    config = {
        **entity.facts,
        "unique_id": f"{NODE}{device.eui}_{entity.key}",
        "default_entity_id": f"{entity.platform}.{NODE}{device.eui}_{entity.key}".lower(),
        "state_topic": device.uplink_topic,
        "availability_topic": source.status_topic,
        "availability_template": "{{ value_json.state }}",
        "device": {
            "identifiers": [f"{NODE}{device.eui}"],
            "name": device.name,
            "model": device.model,
            "manufacturer": "mioty",
            "serial_number": device.eui,
        },
        "origin": {"name": "bssci", "sw_version": source.version},
    }
    topic = topic_of(source.prefix, entity.platform, device.eui, entity.key)
    return Publication(topic, _encode(config), True, About(SCHEMA))


def topic_of(prefix: str, platform: str, eui: EUI, key: str) -> str:
    """Return the topic of an entity's announcement."""
    return f"{prefix}/{platform}/{NODE}{eui}/{key}/config"


def retractions(topics: Iterable[str]) -> list[Publication]:
    """Return the messages that make the broker and Home Assistant forget entities."""
    return [Publication(topic, b"", True, About(SCHEMA)) for topic in topics]
