"""The factory of the sink ``kafka``. It does not need confluent-kafka until the sink is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from twisted.plugin import IPlugin
from zope.interface import implementer

from bssci.kafka.settings import GROUP, NAMES, check_client, connection
from bssci.settings.groups import Group
from bssci.sinks.interfaces import ISinkFactory


@implementer(IPlugin, ISinkFactory)
class KafkaSinkFactory:
    """Builds the one Kafka sink of a service.

    :param reactor: returns the reactor; called when a sink is built.
    """

    name = "kafka"
    description = "sends telegrams, events and readings to Kafka"
    settings: Group = GROUP

    def __init__(self, reactor: Callable[[], Any]) -> None:
        self._reactor = reactor

    def build(self, settings: Mapping[str, Any], center: Any) -> Any:
        check_client()
        from confluent_kafka import Producer

        from bssci.kafka.producing import KafkaProducer
        from bssci.sinks.kafka.sink import KafkaSink

        configuration = center.configuration  # None if the sink is only built to see whether that works
        base_topic = "" if configuration is None else configuration.current.value("BASE_TOPIC")
        producer = KafkaProducer(self._reactor(), connection(settings), Producer)
        return KafkaSink(
            producer,
            settings["KAFKA_RAW_TOPIC"],
            settings["KAFKA_DECODED_TOPIC"],
            base_topic,
        )

    def check(self, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield lines about the brokers for ``bssci check``, each with its level ok, warning or error."""
        try:
            check_client()
        except ValueError as error:
            return iter([("error", str(error))])
        from bssci.kafka.trial import findings

        return findings(connection(settings), [settings[name] for name in NAMES if name.endswith("_TOPIC")])
