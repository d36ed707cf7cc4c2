"""Uplinks in the layout of a mioty application center (ACMQTTI), for software that was made for one.

{base}/{ac-eui}/{ep-eui}/uplink    EUIs with dashes, in lower case; in the payload they are numbers
"""

from __future__ import annotations

from typing import Any

import msgspec

from bssci.model import EUI, Sensor, Uplink
from bssci.model.event_json import decoded_json
from bssci.model.reading import Decoded
from bssci.mqtt.values import About, Publication

DOWNLINK = "downlink"
"""last part of the topic on which downlinks are taken"""
_encode = msgspec.json.Encoder().encode


def dashed(eui: EUI) -> str:
    """Return an EUI as topics of an application center name it: ``70-b3-d5-67-70-11-00-01``."""
    lower = eui.lower()
    return "-".join(lower[at : at + 2] for at in range(0, 16, 2))


def uplink_topic(base_topic: str, center: EUI, sensor: EUI) -> str:
    """Return the topic of a sensor's uplinks."""
    return f"{base_topic}/{dashed(center)}/{dashed(sensor)}/uplink"


def downlink_filters(base_topic: str, center: EUI) -> list[str]:
    """Return the topics on which downlinks are taken."""
    topic = f"{base_topic}/{dashed(center)}/+/{DOWNLINK}"
    return [topic, f"{topic}/"]


def uplink(
    base_topic: str, center: EUI, event: Uplink, sensor: Sensor | None, replayed: bool = False
) -> Publication:
    """Return an uplink as an application center publishes it.

    :param center: the service center's own EUI, in place of the application center's.
    :param sensor: its configuration; None if it is not configured.
    :param replayed: this is a delivery of a replay, and the payload says so.
    """
    best = event.best
    payload: dict[str, Any] = {
        "baseStations": [
            {
                "bsEui": int(each.base_station_eui, 16),
                "rxTime": each.rx_time,
                "rssi": each.rssi,
                "snr": each.snr,
            }
            | ({} if each.equivalent_snr is None else {"eqSnr": each.equivalent_snr})
            for each in event.receptions
        ],
        "cnt": best.packet_counter,
        "data": list(best.payload),
        "format": best.format,
        "id": event.id,
        # Software made for application centers reads these without checking that they are present.
        "typeEui": 0,
        "components": {},
        "meta": {},
    }
    if sensor is not None and sensor.type_eui is not None:
        payload["typeEui"] = int(sensor.type_eui, 16)
    if event.decoded is not None:
        payload |= _decoded(event.decoded)
    if replayed:
        payload["replayed"] = True
    topic = uplink_topic(base_topic, center, event.end_point_eui)
    return Publication(topic, _encode(payload), False, About("acmqtti-uplink", event.id))


def _decoded(decoded: Decoded) -> dict[str, Any]:
    """Return the fields of a decoder's result: each value with a unit, the decoder's name in ``meta``."""
    told = decoded_json(decoded)
    components: dict[str, dict[str, Any]] = told.get("components", {})
    name, _, version = decoded.decoder.partition("@")
    told["components"] = {key: {"unit": "", **value} for key, value in components.items()}
    told["meta"] = {"name": name, "version": version} if name else {}
    return told
