"""All requests that come by MQTT: who takes which, those of an earlier run, answers that are no events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from bssci.model import EUI
from bssci.mqtt import payloads
from bssci.mqtt.values import Publication, Received, ReplyTo
from bssci.sinks.mqtt.intake import CarryOut, Intake
from bssci.sinks.mqtt.requests import MqttRequests
from bssci.sinks.mqtt.station_requests import StationRequests


class RequestDesk:
    """Takes requests about sensors, settings and base stations.

    :param publish: publishes as soon as the broker can be reached.
    :param listens_to: returns whether a topic is one of those that are subscribed to.
    """

    def __init__(
        self,
        reactor: Any,
        center: Any,
        base_topic: str,
        publish: Callable[[Sequence[Publication]], Deferred[None]],
        listens_to: Callable[[str], bool],
    ) -> None:
        self._center = center
        self._base_topic = base_topic
        self._publish = publish
        self._intake = Intake(reactor, center.journal, center.now)
        self._of_sensors = MqttRequests(center, base_topic, self._intake, self._answer_settings, listens_to)
        self._of_stations = StationRequests(
            center, base_topic, self._intake, self._answer_about_station, listens_to
        )

    def topics(self) -> Iterable[str]:
        """Return the topics to subscribe to below BASE_TOPIC."""
        return (*self._of_sensors.topics(), *self._of_stations.topics())

    def older_topics(self) -> list[str]:
        """Return the topics to subscribe to outside of BASE_TOPIC: those of older installations."""
        return self._of_sensors.older_topics()

    async def resume(self) -> None:
        """Begin the requests of an earlier run that have no answer yet."""
        await self._intake.resume(self._center.unanswered_requests(), self._who_carries_out)

    def stop(self) -> None:
        """Stop answering: requests that are not answered yet are resumed at the next start."""
        self._intake.stop()

    def figures(self) -> dict[str, Any]:
        """Return the figures of the queue of requests."""
        return self._intake.figures()

    def received(self, message: Received) -> Deferred[None] | None:
        """Take one request. Its content never makes this raise.

        :return: fires when it may be acknowledged; None: at once.
        """
        if self._of_stations.is_for_us(message.topic):
            return self._of_stations.received(message)
        return self._of_sensors.received(message)

    def too_large(self, topic: str, size: int, retained: bool) -> None:
        """Refuse a request of ``size`` bytes, of which only the topic was read."""
        if self._of_stations.is_for_us(topic):
            self._of_stations.too_large(topic, size)
        else:
            self._of_sensors.too_large(topic, size, retained)

    def _who_carries_out(self, topic: str) -> CarryOut | None:
        desks = {
            "ep": self._of_sensors.carry_out,
            "config": self._of_sensors.carry_out,
            "bs": self._of_stations.carry_out,
        }
        return desks.get(topic.partition("/")[0])

    def _answer_about_station(
        self, eui: EUI, answer: dict[str, Any], reply: ReplyTo | None
    ) -> Deferred[None]:
        return self._answer(payloads.variable_mac_answer(self._base_topic, eui, answer, reply))

    def _answer_settings(self, answer: dict[str, Any], reply: ReplyTo | None) -> Deferred[None]:
        return self._answer(payloads.settings_answer(self._base_topic, answer, reply))

    def _answer(self, messages: Sequence[Publication]) -> Deferred[None]:
        """Publish an answer that is not an event; the first of the messages is on its usual topic."""
        self._center.announce(messages[0].topic, messages[0].payload)
        return self._publish(messages)
