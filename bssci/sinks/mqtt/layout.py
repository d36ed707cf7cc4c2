"""The layout of published messages, by MQTT_PROFILE: which messages an event becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bssci.model import EUI, AnyEvent, GatewayState, Uplink
from bssci.mqtt import acmqtti, payloads
from bssci.mqtt.values import Publication

ACMQTTI = "acmqtti"


class MessageLayout:
    """Messages and topics of one profile.

    :param center: knows the sensors.
    """

    def __init__(self, center: Any, values: Mapping[str, Any]) -> None:
        self._center = center
        self._base_topic: str = values["BASE_TOPIC"]
        self._is_acmqtti = values["MQTT_PROFILE"] == ACMQTTI

    def messages(self, event: AnyEvent, replayed: bool) -> list[Publication]:
        """Return the messages of an event, in the order in which they are published."""
        if self._is_acmqtti and type(event) is Uplink:
            sensor = self._center.sensor(event.end_point_eui)
            return [acmqtti.uplink(self._base_topic, self._center.eui, event, sensor, replayed)]
        message = payloads.message(self._base_topic, event, replayed)
        if message is None:
            return []
        if isinstance(event, GatewayState):
            message = payloads.gateway_state(self._base_topic, event, self._center.eui)
            return [message._replace(retain=self._is_known(event))]
        if payloads.ends_retained(event) and not replayed:
            return [message, Publication(message.topic, b"", True, message.about)]
        elsewhere = payloads.reply(event, message)
        return [message] if elsewhere is None else [message, elsewhere]

    def _is_known(self, event: GatewayState) -> bool:
        """Return whether a gateway has not been forgotten since an event of it: nothing would clear its
        retained state.
        """
        return self._center.gateway_state(event.gateway_kind, event.gateway) is not None

    def uplink_topic(self, eui: EUI) -> str:
        """Return the topic of a sensor's uplinks."""
        if self._is_acmqtti:
            return acmqtti.uplink_topic(self._base_topic, self._center.eui, eui)
        return f"{self._base_topic}/{payloads.uplink_topic(eui)}"

    def downlink_topics(self) -> list[str]:
        """Return topics on which downlinks are taken besides the usual ones."""
        return acmqtti.downlink_filters(self._base_topic, self._center.eui) if self._is_acmqtti else []
