"""Controllers: ``cmnd|stat|tele/f2-{mac}/{mode}/J{1..4}/{component}``, commands, states and telemetry.

A telegram belongs to a place at the controller: ``f2:{mac}/J1/3`` is the sensor at pin 3 of connector 1, and
``f2:{mac}/J2/strike-1`` a strike. The registry knows which device sits there.
"""

from __future__ import annotations

import re
from datetime import tzinfo
from typing import Any, NamedTuple

from bssci.model import Telegram
from bssci.sources.envelopes.addresses import mac_digits
from bssci.sources.envelopes.values import (
    BadMessage,
    Form,
    Incoming,
    Remark,
    message_id,
    message_object,
    read_time,
)

KIND = "f2"
"""kind of a controller and of what sits at it, in front of its id"""
PREFIX = "f2-"
"""beginning of a controller's name in topics"""
DIRECTIONS = ("cmnd", "stat", "tele")
TOO_LARGE = 10 * 1024
"""bytes at which a message is refused as too large"""
_CONNECTOR = re.compile(r"J[1-9]")
_SENSOR = re.compile(r"sensor-([1-9]\d?)")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
_HEX = re.compile(r"[0-9A-Fa-f]{2}(?:[ :]?[0-9A-Fa-f]{2})+")


class ControllerTopic(NamedTuple):
    """A topic of a controller."""

    direction: str
    """``cmnd``, ``stat`` or ``tele``"""
    mac: str
    """12 hexadecimal digits, lower case"""
    mode: str
    """``sensor-mode``, ``alarm-mode``, ..."""
    connector: str
    """its connector: ``J1``"""
    component: str
    """``sensor-3``, ``strike-1``, ``reader-1/success``, ..."""

    @property
    def place(self) -> str:
        """Return the id of what sits there: ``f2:{mac}/J1/3``, ``f2:{mac}/J2/strike-1``."""
        component = self.component.partition("/")[0]
        sensor = _SENSOR.fullmatch(component)
        return f"{KIND}:{self.mac}/{self.connector}/{sensor[1] if sensor else component}"


def is_controllers(levels: list[str]) -> bool:
    """Return whether a topic is one of a controller, well-formed or not."""
    return len(levels) > 1 and levels[0] in DIRECTIONS and levels[1].lower().startswith(PREFIX)


def read_topic(topic: str) -> ControllerTopic:
    """Parse a controller's topic.

    :raises BadMessage: the topic is not a controller's.
    """
    levels = topic.split("/")
    if len(levels) not in (5, 6):
        raise BadMessage("a topic with the wrong number of levels")
    direction, name, mode, connector, *components = levels
    if direction not in DIRECTIONS:
        raise BadMessage("a topic that begins with neither cmnd, stat nor tele")
    if not name.lower().startswith(PREFIX):
        raise BadMessage(f"a topic without {PREFIX} and an address")
    mac = mac_digits(name[len(PREFIX) :]).lower()
    if not _CONNECTOR.fullmatch(connector):
        raise BadMessage("a topic without a connector, J1 to J9")
    if not all(_NAME.fullmatch(each) for each in (mode, *components)):
        raise BadMessage("a topic with a mode or component that is not a name")
    return ControllerTopic(direction, mac, mode, connector, "/".join(components))


def read_hex(text: object) -> bytes | None:
    """Return the bytes of a text like ``01 03 0C 32``; None if it is not hexadecimal."""
    if not isinstance(text, str) or not _HEX.fullmatch(text.strip()):
        return None
    return bytes.fromhex(text.replace(":", " "))


def controller_form(zone: tzinfo) -> Form:
    """Return the form of controllers' messages.

    :param zone: the time zone of their clocks: messages do not state it.
    """

    def read(message: Incoming, remark: Remark) -> list[Telegram]:
        if len(message.payload) >= TOO_LARGE:
            raise BadMessage("10 KB or larger")
        topic = read_topic(message.topic)
        body = message_object(message.payload, remark)
        answer = read_hex(body.get("data")) if topic.direction == "tele" else None
        envelope: dict[str, Any] = {
            "topic": message.topic,
            "direction": topic.direction,
            "mode": topic.mode,
            "connector": topic.connector,
            "component": topic.component,
            "payload": body,
        }
        time = body.get("timestamp")
        return [
            Telegram(
                at=message.at,
                id=message_id(message, body if topic.direction != "cmnd" and time is not None else None),
                device=topic.place,
                gateway=f"{PREFIX}{topic.mac}",
                source=message.source,
                payload=message.payload if answer is None else answer,
                device_time=read_time(time, message.at, remark, zone, zone_is_known=True),
                envelope=envelope,
            )
        ]

    return Form("controller", is_controllers, read)
