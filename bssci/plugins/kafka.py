"""Offers the sink and the source ``kafka``."""

from typing import Any

from bssci.sinks.kafka.plugin import KafkaSinkFactory
from bssci.sources.kafka.source import KafkaSourceFactory


def _reactor() -> Any:
    from twisted.internet import reactor

    return reactor


kafka_sink = KafkaSinkFactory(_reactor)
kafka_source = KafkaSourceFactory()
