"""Home Assistant's discovery, kept up to date: what sensors send is announced, and withdrawn when a sensor
is removed.

uplink with a new value --> announced, before the uplink is published
broker lost its data    --> each sensor is announced anew with its next uplink
sensor removed          --> its retained announcements are fetched from the broker, and withdrawn
start                   --> the same for sensors that were removed while the service was stopped
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from twisted.logger import Logger

from bssci.model import EUI, AnyEvent, Sensor, Uplink, parse_eui
from bssci.mqtt import homeassistant
from bssci.mqtt.homeassistant import LAST_SEEN, NODE, ShownSensor, Source
from bssci.mqtt.values import Publication, Received
from bssci.system.line_limit import LineLimit, telling

MAX_VALUES = 100
"""values of one sensor that are announced, at most: a decoder may produce any number of names"""
MAX_MODELS = 10
"""decoders of one sensor for which it is announced anew, at most"""
MAX_FORGOTTEN = 100
"""sensors whose retained announcements are fetched at the same time"""


_Value = tuple[str | None, str, bool]
"""device and name of a value, and whether it is a truth value"""


class _Announced(NamedTuple):
    """The announcements of a sensor in this run."""

    name: str
    models: list[str]
    """names of its decoders, in the order in which they read something first: payloads of one sensor may go
    to several, in turn; the last is the one that is announced"""
    values: frozenset[_Value]
    """the announced values"""


Undo = dict[EUI, tuple[_Announced | None, bool]]
"""by sensor: its announcements before, and whether they were to be made anew"""


class Discovery:
    """Announcements of sensors.

    :param source: the service, as announcements name it.
    :param sensor: returns a configured sensor; None: it is not configured.
    :param uplink_topic: returns the topic of a sensor's uplinks.
    :param subscribe: subscribes to topics.
    :param unsubscribe: unsubscribes from topics.
    :param publish: publishes messages at once, without keeping them in the journal.
    :param seconds: returns the s of a clock.
    """

    log = Logger()

    def __init__(
        self,
        source: Source,
        sensor: Callable[[EUI], Sensor | None],
        uplink_topic: Callable[[EUI], str],
        subscribe: Callable[[Sequence[str]], None],
        unsubscribe: Callable[[Sequence[str]], None],
        publish: Callable[[Sequence[Publication]], None],
        seconds: Callable[[], float],
    ) -> None:
        self._source = source
        self._sensor = sensor
        self._uplink_topic = uplink_topic
        self._subscribe = subscribe
        self._unsubscribe = unsubscribe
        self._publish = publish
        self._announced: dict[EUI, _Announced] = {}
        self._outdated: set[EUI] = set()
        """sensors that are to be announced anew"""
        self._forgotten: set[EUI] = set()
        """sensors whose retained announcements are fetched"""
        self._lines = LineLimit(seconds)  # whoever may publish there can make up sensors

    def start(self) -> None:
        """Subscribe to find the sensors that the broker holds announcements of."""
        self._subscribe([f"{self._source.prefix}/sensor/+/{LAST_SEEN}/config"])

    def announce(self, event: AnyEvent, undo: Undo) -> list[Publication]:
        """Return announcements of the values that an uplink brings for the first time in this run.

        :param undo: receives what :meth:`take_back` needs if they are not published.
        """
        if type(event) is not Uplink or not event.known:
            return []
        sensor = self._sensor(event.end_point_eui)
        if sensor is None:
            return []
        readings = () if event.decoded is None else event.decoded.readings
        before = announced = self._announced.get(sensor.eui)
        models = [] if announced is None else announced.models
        new_models = _model_of(event).difference(models) if len(models) < MAX_MODELS else ()
        outdated = sensor.eui in self._outdated
        new: list[homeassistant.Entity] = []
        if announced is None or announced.name != sensor.name or new_models or outdated:
            announced = _Announced(sensor.name, [*models, *new_models], frozenset())
            new = homeassistant.entities_of_signal()
        values = set[_Value]()
        for reading in readings:
            value = (reading.device, reading.name, type(reading.value) is bool)
            room = MAX_VALUES - len(announced.values) - len(values)
            if room > 0 and value not in announced.values and value not in values:
                values.add(value)
                new.append(homeassistant.entity_of(reading))
        if not new:
            return []
        undo.setdefault(sensor.eui, (before, outdated))
        self._outdated.discard(sensor.eui)
        self._announced[sensor.eui] = announced._replace(values=announced.values | values)
        device = ShownSensor(
            sensor.eui,
            sensor.name or f"mioty {sensor.eui}",
            (announced.models or [sensor.type_eui or "sensor"])[-1],
            self._uplink_topic(sensor.eui),
        )
        return [homeassistant.discovery_message(self._source, device, each) for each in new]

    def take_back(self, undo: Undo) -> None:
        """Forget announcements that were not published: the same are made when their uplinks come again."""
        for eui, (before, outdated) in undo.items():
            if before is None:
                self._announced.pop(eui, None)
            else:
                self._announced[eui] = before
            if outdated:
                self._outdated.add(eui)

    def announce_again(self) -> None:
        """Announce every sensor anew with its next uplink: the broker may hold no announcements any more."""
        self._outdated = set(self._announced)

    def look(self) -> None:
        """Withdraw sensors that are no longer configured; called periodically."""
        for eui in [each for each in self._announced if self._sensor(each) is None]:
            del self._announced[eui]
            self._outdated.discard(eui)
            self._forget(eui)

    def is_for_us(self, topic: str) -> bool:
        """Return whether a message is an announcement."""
        return topic.startswith(f"{self._source.prefix}/") and topic.endswith("/config")

    def received(self, message: Received) -> None:
        """Take a retained announcement from the broker."""
        parts = message.topic.removeprefix(f"{self._source.prefix}/").split("/")
        if len(parts) != 4 or not parts[1].startswith(NODE) or not message.payload:
            return
        try:
            eui = parse_eui(parts[1].removeprefix(NODE))
            said = msgspec.json.decode(message.payload, type=dict[str, Any])
        except (ValueError, RecursionError):
            return
        # Another service center may be at the same broker.
        if said.get("availability_topic") != self._source.status_topic or self._sensor(eui) is not None:
            return
        if eui in self._forgotten:
            self._publish(homeassistant.retractions([message.topic]))
        else:
            self._forget(eui)

    def _forget(self, eui: EUI) -> None:
        """Fetch every retained announcement of a sensor: earlier runs may have announced more."""
        if len(self._forgotten) >= MAX_FORGOTTEN:
            self._unsubscribe([each for one in self._forgotten for each in self._filters(one)])
            self._forgotten.clear()
        self._forgotten.add(eui)
        if (left_out := self._lines.admit()) is not None:
            text = telling("sensor removed from Home Assistant {ep_eui}", left_out)
            self.log.info(text, ep_eui=eui, left_out=left_out)
        self._subscribe(self._filters(eui))

    def _filters(self, eui: EUI) -> list[str]:
        return [f"{self._source.prefix}/+/{NODE}{eui}/+/config"]


def _model_of(event: Uplink) -> set[str]:
    """Return the name of the decoder that read an uplink; empty: none did."""
    return set() if event.decoded is None else {event.decoded.decoder.partition("@")[0]}
