"""Findings of ``bssci check`` about the brokers, without changing anything there."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bssci.kafka.reporting import in_words, kind_of

TIMEOUT = 5.0
"""s for an answer"""
PATIENCE = 0.5
"""s after which it is looked whether there will be one"""
CAUSES = (
    "_SSL", "_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED", "UNSUPPORTED_SASL_MECHANISM", "_RESOLVE",
)  # fmt: skip
"""names of errors that say why there is no connection, where the outcome says only that there is none"""


def findings(connection: Mapping[str, Any], topics: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield lines with their level: ok, warning or error."""
    quiet = logging.Logger("kafka")  # noqa: LOG001  its lines are in the findings
    quiet.addHandler(logging.NullHandler())
    said: list[Any] = []
    configuration: dict[str, Any] = {**connection, "logger": quiet, "error_cb": said.append}
    servers = connection["bootstrap.servers"]
    client = AdminClient(configuration)
    there, left = None, TIMEOUT
    while there is None:
        try:
            there = client.list_topics(timeout=PATIENCE)
        except KafkaException as error:
            client.poll(0)  # has librdkafka tell what led to it
            causes = [each for each in said if kind_of(each) in CAUSES]
            left -= PATIENCE
            # Of several servers, another may still answer.
            if left <= 0 or (causes and "," not in servers):
                yield "error", f"kafka: {servers}: {in_words([error.args[0], *causes][-1])}"
                return
    yield "ok", f"kafka: connected to {servers}, brokers: {len(there.brokers)}"
    for topic in topics:
        found = there.topics.get(topic)
        if found is None:
            yield "warning", f"kafka: there is no topic {topic}: create it, or let the brokers create it"
        elif found.error is not None:
            yield "error", f"kafka: {in_words(found.error, topic)}"
        else:
            yield "ok", f"kafka: topic {topic}, partitions: {len(found.partitions)}"
