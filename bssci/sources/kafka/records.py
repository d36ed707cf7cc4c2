"""Records of the raw topic as telegrams: those of the sink ``kafka``, and those of bridges from MQTT.

A bridge writes ``{original_topic, device_id, payload, timestamp}``; topic and payload are read as if they had
come by MQTT. The sink adds what makes the telegram whole, so that another instance keeps and stores the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bssci.model import Telegram
from bssci.sources.envelopes.values import BadMessage, Form, Incoming, Remark, message_object

LARGEST = 1_000_000
"""bytes of a record"""
OURS = ("uplink", "telegram")
"""kinds of the sink's records that are telegrams; other kinds are events"""


def read_record(
    value: bytes, place: str, at: float, source: str, delivery: str, forms: Sequence[Form], remark: Remark
) -> list[Telegram]:
    """Return the telegrams of a record; none for an event of another kind.

    :param place: the topic that rules match for a record without ``original_topic``: ``{topic}/{key}``.
    :param at: Unix seconds of our clock.
    :param source: name of the source.
    :param delivery: the record's place in the topic.
    :raises BadMessage: it is in neither form.
    """
    if len(value) > LARGEST:
        raise BadMessage(f"larger than {LARGEST} bytes")
    body = message_object(value, remark)
    if "original_topic" not in body and (rule := _form_of(place, forms)) is not None:
        return rule.read(Incoming(place, value, at, source, delivery), remark)
    kind = body.get("kind")
    if kind is None:
        return _of_a_bridge(body, at, source, delivery, forms, remark)
    if kind not in OURS:
        return []
    payload = body.get("payload")
    if not isinstance(payload, dict):
        raise BadMessage("no payload")
    return [
        _uplink(body, payload, at, source) if kind == "uplink" else _telegram(body, at, source),
    ]


def _form_of(topic: str, forms: Sequence[Form]) -> Form | None:
    levels = topic.split("/")
    return next((each for each in forms if each.matches(levels)), None)


def _of_a_bridge(
    body: Mapping[str, Any], at: float, source: str, delivery: str, forms: Sequence[Form], remark: Remark
) -> list[Telegram]:
    topic = body.get("original_topic")
    if not isinstance(topic, str) or not topic:
        raise BadMessage("no original_topic")
    if "payload" not in body:
        raise BadMessage("no payload")
    payload = body["payload"]
    data = payload.encode() if isinstance(payload, str) else msgspec.json.encode(payload)
    form = _form_of(topic, forms)
    if form is None:
        raise BadMessage("a topic that no form of messages fits")
    return form.read(Incoming(topic, data, at, source, delivery), remark)


def _uplink(body: Mapping[str, Any], payload: dict[str, Any], at: float, source: str) -> Telegram:
    """Return a mioty uplink as a telegram of its sensor: the same id, the best station as its gateway."""
    stations = payload.get("baseStations")
    best = stations[0] if isinstance(stations, list) and stations and isinstance(stations[0], dict) else {}
    rx_time = _number(best.get("rxTime"))
    return Telegram(
        at=at,
        id=_text(payload.get("id")),
        device=_text(body.get("device_id")),
        gateway=_text(payload.get("bs_eui")),
        source=source,
        payload=_numbers(payload.get("data")),
        gateway_time=None if rx_time is None else rx_time / 1e9,
        rssi=_number(payload.get("rssi")),
        envelope=_without_readings(payload) | {"topic": body.get("original_topic")},
    )


def _telegram(body: Mapping[str, Any], at: float, source: str) -> Telegram:
    data = body.get("data")
    envelope = body.get("envelope")
    try:
        payload = bytes.fromhex(data if isinstance(data, str) else "-")
    except ValueError:
        raise BadMessage("data is not hexadecimal") from None
    return Telegram(
        at=at,
        id=_text(body.get("id")),
        device=_text(body.get("device")),
        gateway=_text(body.get("gateway")),
        source=source,
        payload=payload,
        device_time=_number(body.get("device_time")),
        gateway_time=_number(body.get("gateway_time")),
        rssi=_number(body.get("rssi")),
        envelope=envelope if isinstance(envelope, dict) else {},
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise BadMessage("no id, device or gateway")
    return value


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:  # JSON bounds no number
        return None


def _numbers(value: object) -> bytes:
    # Of a number, bytes() would make as many zeros, gigabytes of them.
    if isinstance(value, list):
        try:
            return bytes(value)
        except (TypeError, ValueError):
            pass
    raise BadMessage("data is not a list of bytes")


def _without_readings(payload: dict[str, Any]) -> dict[str, Any]:
    """Return an uplink without the readings of another instance's decoder: it is decoded again here."""
    gone = ("components", "decoder", "decodeError", "decodeWarnings")
    return {name: value for name, value in payload.items() if name not in gone}
