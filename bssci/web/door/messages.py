"""Conversion of events to messages of the live stream: those that the broker gets, and one for each reading.

{BASE_TOPIC}/...                 as the sink ``mqtt`` publishes it
device/{id}/telemetry/{name}     {timestamp, device_id, sensor, value, unit, metadata}
{BASE_TOPIC}/service/gap         to a single client: messages that it does not get
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec
from twisted.logger import Logger

from bssci.center.decoding.collecting import time_of, time_of_telegram
from bssci.center.decoding.payloads import decodable, device_of
from bssci.model import (
    EUI,
    AnyEvent,
    CommandResponse,
    Reading,
    Sensor,
    StationState,
    Telegram,
    Uplink,
    VariableMacUplink,
)
from bssci.model.device_id import eui_of_device, sensor_device
from bssci.model.event_json import kind_of
from bssci.model.events import sensor_of
from bssci.model.iso_times import iso_milliseconds, iso_seconds, iso_time
from bssci.mqtt import payloads

DEVICES = "device"
"""first level of the topics of readings"""
SensorOf = Callable[[EUI], Sensor | None]
Wanted = Callable[[str], bool]
"""returns whether a topic is wanted; asked before its payload is made"""
_ESCAPED = str.maketrans({each: f"%{ord(each):02X}" for each in "%/+#\0"})
_encode = msgspec.json.Encoder().encode


class Telling(NamedTuple):
    """A message for the subscribers of its topic."""

    topic: str
    payload: bytes
    devices: tuple[str, ...]
    """ids of the devices that the message belongs to"""


class Narrator:
    """Makes messages from events.

    :param sensor_of: returns the configured sensor with an EUI; None if there is none.
    """

    log = Logger()

    def __init__(self, base_topic: str, sensor_of: SensorOf) -> None:
        self._base_topic = base_topic
        self._sensor_of = sensor_of

    def tell(self, event: AnyEvent, wanted: Wanted, replayed: bool = False) -> list[Telling]:
        """Return the messages of an event whose topics are wanted. An event of which none can be made is
        logged, and has none: those after it are told all the same.

        :param event: event, with its readings if it has a payload.
        :param replayed: mark the messages as a replay.
        """
        try:
            return list(self._tell(event, wanted, replayed))
        except Exception:
            self.log.failure("event not told to live clients {kind} {at}", kind=kind_of(event), at=event.at)
            return []

    def _tell(self, event: AnyEvent, wanted: Wanted, replayed: bool) -> Iterator[Telling]:
        device = device_of(event) if decodable(event) else _sender(event)
        owners = () if device is None else (device,)
        if isinstance(event, Uplink):
            if wanted(f"{self._base_topic}/{payloads.uplink_topic(event.end_point_eui)}"):
                yield self._published(event, owners, replayed)
        else:
            published = self._published(event, owners, replayed)
            if published.topic and wanted(published.topic):
                yield published
            if (again := self._older_answer(event, published)) is not None and wanted(again.topic):
                yield again
        if device is not None and decodable(event):
            yield from self._readings(event, device, wanted, replayed)

    def _published(self, event: AnyEvent, owners: tuple[str, ...], replayed: bool) -> Telling:
        """Return the message for an event that the broker gets; with an empty topic if there is none."""
        if isinstance(event, StationState):
            message = payloads.station_state(self._base_topic, event)
        else:
            found = payloads.message(self._base_topic, event, replayed)
            if found is None:
                return Telling("", b"", owners)
            message = found
        return Telling(message.topic, message.payload, owners)

    def _older_answer(self, event: AnyEvent, answer: Telling) -> Telling | None:
        """Return the answer to a command on the older topic of answers; None if it belongs elsewhere.

        Other topics that a command names for its answer concern only its sender and the broker.
        """
        if type(event) is not CommandResponse or event.status == "received":
            return None
        if event.reply_to != f"{self._base_topic}/EP/{event.end_point_eui}/response":
            return None
        return answer._replace(topic=event.reply_to)

    def _readings(self, event: Any, sender: str, wanted: Wanted, replayed: bool) -> Iterator[Telling]:
        decoded = event.decoded
        if decoded is None:
            return
        about: dict[str, Any] | None = None
        times: dict[str, Any] = {}
        for reading in decoded.readings:
            device = reading.device or sender
            topic = telemetry_topic(device, reading.name)
            if not wanted(topic):
                continue
            if about is None:
                about, times = self._about(event, sender), _times_of(event)
                if replayed:
                    times["replayed"] = True
            owners = (device,) if device == sender else (device, sender)
            yield Telling(topic, _encode(_telemetry(reading, device, times, about)), owners)

    def _about(self, event: Any, sender: str) -> dict[str, Any]:
        """Return the metadata that all readings of a message share."""
        about: dict[str, Any] = {
            "quality": "uncertain" if event.decoded.warnings else "good",
            "decoder": event.decoded.decoder,
        }
        if (number := getattr(event, "id", None)) is not None:
            about["id"] = number
        sensor = self._sensor_of(eui) if (eui := eui_of_device(sender)) is not None else None
        if sensor is not None and sensor.location:
            about["location"] = dict(sensor.location)
        return about


def telemetry_topic(device: str, name: str) -> str:
    """Return the topic of a reading. Characters with a meaning in topics are escaped as in URLs (``%2F``)."""
    return f"{DEVICES}/{device.translate(_ESCAPED)}/telemetry/{name.translate(_ESCAPED)}"


def device_of_level(level: str, is_id: bool) -> str:
    """Return the id of the device that a level of a topic names, by its id or by the EUI of a sensor."""
    return unquote(level) if is_id else sensor_device(level.upper())


def gap(base_topic: str, since: float, until: float, events: int, reason: str) -> Telling:
    """Return the message that tells a client that it did not get some messages.

    :param since: Unix seconds; 0: not known.
    :param events: number of events that were skipped, wanted by the client or not.
    """
    body = {
        "from": iso_milliseconds(since) if since else None,
        "to": iso_milliseconds(until),
        "events": events,
        "reason": reason,
    }
    return Telling(f"{base_topic}/service/gap", _encode(body), ())


def _telemetry(reading: Reading, device: str, times: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    return {
        **times,
        "device_id": device,
        "sensor": reading.name,
        "value": reading.value,
        "unit": reading.unit,
        "metadata": about,
    }


def _sender(event: AnyEvent) -> str | None:
    eui = sensor_of(event)
    return None if eui is None else sensor_device(eui)


def _times_of(event: AnyEvent) -> dict[str, Any]:
    """Return the time at which a message was sent, as text, and the time at which it arrived, in Unix
    seconds.
    """
    if isinstance(event, Uplink):
        at = time_of(event.best)
        heard = event.best.rx_time
        time = iso_time(heard) if at == heard / 1e9 else iso_seconds(at)
        received = min([each.received_at for each in event.receptions])
    else:
        at = time_of_telegram(event) if isinstance(event, Telegram | VariableMacUplink) else event.at
        time, received = iso_seconds(at), event.at
    return {"timestamp": iso_milliseconds(at), "time": time, "received_at": received}
