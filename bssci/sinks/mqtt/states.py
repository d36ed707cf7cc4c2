"""Retained states of base stations and gateways: those that are present, and those that are to be cleared.

connected         --> all present states are published, and what was forgotten meanwhile is cleared
a station changes --> its state is published at once; that of a gateway comes as an event
forgotten         --> see :mod:`bssci.sinks.mqtt.forgotten`
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from bssci.model import GatewayState, StationState
from bssci.mqtt.client import MqttClient
from bssci.mqtt.values import Publication, Received
from bssci.sinks.mqtt.forgotten import ForgottenStates, LeftStates, state_message
from bssci.sinks.mqtt.present import PresentStates


class RetainedStates:
    """The states at the broker.

    :param center: knows stations and gateways.
    :param publish: publishes messages as MQTT_RETAIN allows them; see
        :meth:`bssci.mqtt.client.MqttClient.publish`.
    :param present: publishes those that are present after a connect.
    :param may_retain: returns whether MQTT_RETAIN allows retained messages.
    :param failed: called with the failure and the messages that were not published.
    """

    def __init__(
        self,
        clock: IReactorTime,
        center: Any,
        base_topic: str,
        client: MqttClient,
        publish: Callable[[Sequence[Publication]], Deferred[None]],
        present: PresentStates,
        may_retain: Callable[[], bool],
        failed: Callable[[Failure, Sequence[Publication]], None],
    ) -> None:
        self._center = center
        self._base_topic = base_topic
        self._client = client
        self._publish = publish
        self._present = present
        self._may_retain = may_retain
        self._failed = failed
        self._forgotten = ForgottenStates(publish, failed)
        self._left = LeftStates(
            clock,
            base_topic,
            center.eui,
            self._is_known,
            lambda topics: client.subscribe(topics, alone=True),
            client.unsubscribe,
            self._clear,
        )
        self._unwatch: list[Callable[[], None]] = []

    def start(self) -> None:
        self._unwatch = [
            self._center.watch_stations(self._changed),
            self._center.watch_forgotten(lambda state: self._clear(self._message(state).topic)),
        ]

    def stop(self) -> None:
        self._left.stop()
        for unwatch in self._unwatch:
            unwatch()

    def connected(self) -> None:
        """Bring the broker up to date."""
        states = [
            # A station that is connecting for the first time has no state yet.
            *(state for state in self._center.station_states() if state.at),
            *self._center.gateway_states(),
        ]
        present = [self._message(state) for state in states]
        ensureDeferred(self._present.publish(present)).addErrback(self._failed, present)
        if self._may_retain():
            self._forgotten.clear_all(present)
            self._left.connected()

    def _changed(self, state: StationState) -> None:
        message = self._message(state)
        if self._client.online and not self._present.is_skipped(message):
            self._publish([message]).addErrback(self._failed, [message])

    def is_for_us(self, topic: str) -> bool:
        """Return whether a message is a state."""
        return self._left.is_for_us(topic)

    def received(self, message: Received) -> None:
        """Take a state from the broker."""
        self._left.received(message)

    def _message(self, state: StationState | GatewayState) -> Publication:
        return state_message(self._base_topic, state, self._center.eui)

    def _clear(self, topic: str) -> None:
        cleared = self._forgotten.add(topic)
        if self._client.online and self._may_retain():
            self._forgotten.clear([cleared])

    def _is_known(self, kind: str, id: str) -> bool:
        """Return whether there is a base station (``bs``), scanner or controller of this id."""
        if kind == "bs":
            return self._center.station_state(id) is not None
        return self._center.gateway_state(kind, id) is not None
