"""Offers the sink and the source ``kafka``."""

from bssci.sinks.kafka.plugin import KafkaSinkFactory
from bssci.sources.kafka.source import KafkaSourceFactory
from bssci.system.reactor import installed_reactor

kafka_sink = KafkaSinkFactory(installed_reactor)
kafka_source = KafkaSourceFactory()
