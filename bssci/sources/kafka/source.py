"""Telegrams from a topic of Kafka: committed there when they are on disk here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import Logger
from twisted.plugin import IPlugin
from zope.interface import implementer

from bssci.center.interfaces import IIngest
from bssci.kafka.consuming import ConsumerRecord, KafkaConsumer
from bssci.kafka.settings import NAMES, check_client, connection
from bssci.model import Telegram
from bssci.settings import parsers
from bssci.settings.parsers import Parser
from bssci.settings.rows import Setting
from bssci.sources.envelopes import scanner
from bssci.sources.envelopes.controller import controller_form
from bssci.sources.envelopes.rules import parse_rules, rule_form, write_rules
from bssci.sources.envelopes.values import BadMessage, Form
from bssci.sources.interfaces import ISource, ISourceFactory
from bssci.sources.kafka.records import read_record
from bssci.system.clock import Clock, in_turns
from bssci.system.line_limit import LineLimit, telling

NAME = "kafka"
STOP_TIME = 2.0
"""s for what is on its way to the disk, and for leaving the group"""


def _zone(text: str) -> str:
    return text and parsers.zone.parse(text)


ROWS = (
    Setting(
        "KAFKA_RULES",
        "",
        Parser(parse_rules, "", write_rules),
        "records of other forms, as a JSON list of rules: docs/sources.md",
    ),
    Setting(
        "KAFKA_TIMEZONE",
        "",
        Parser(_zone, parsers.zone.allowed),
        "time zone of times without one, in controllers' messages and rules; empty: TIMEZONE",
    ),
)


@implementer(ISource)
class KafkaSource:
    """Offers the telegrams of each batch of records together.

    :param now: Unix seconds.
    :param consumer: makes the consumer, given the function that takes its batches.
    :param topic: Kafka topic that is read.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        now: Callable[[], float],
        consumer: Callable[[Callable[[Sequence[ConsumerRecord]], Deferred[None]]], KafkaConsumer],
        forms: Sequence[Form],
        topic: str = "",
    ) -> None:
        self._clock = clock
        self._now = now
        self._topic = topic
        self._forms = forms
        self._ingest: IIngest | None = None
        self._offered: tuple[Sequence[ConsumerRecord], list[Telegram]] = ((), [])
        """records that are not on disk yet, and what was read from them"""
        self._lines = LineLimit(now, lines=1)
        self._consumer = consumer(self._take)

    def start(self, ingest: IIngest) -> None:
        self._ingest = ingest
        self._consumer.start()

    def stop(self) -> Deferred[None]:
        return self._consumer.stop(STOP_TIME)

    @property
    def trouble(self) -> str:
        """Reason why nothing is received or stored; empty: all is well."""
        return self._consumer.trouble

    def _take(self, records: Sequence[ConsumerRecord]) -> Deferred[None]:
        return ensureDeferred(self._ingest_batch(records))

    async def _ingest_batch(self, records: Sequence[ConsumerRecord]) -> None:
        """Read records, each of which may take long, and return when their telegrams are on disk.

        They are read once, however often they are offered: those that cannot be read are counted.
        """
        assert self._ingest is not None  # it is set before the consumer starts
        offered, telegrams = self._offered
        if records is not offered:
            telegrams = []
            async for record in in_turns(self._clock, records):
                telegrams += self._read(record)
            self._offered = records, telegrams
        if telegrams:
            await self._ingest(telegrams)
        self._offered = (), []

    def _read(self, record: ConsumerRecord) -> list[Telegram]:
        assert self._ingest is not None
        ingest, place = self._ingest, f"partition {record.partition}, offset {record.offset}"
        if not record.value:
            return []  # a tombstone on a compacted topic
        try:
            return read_record(
                record.value,
                self._place_of(record),
                self._now(),
                NAME,
                place,
                self._forms,
                lambda remark: ingest.remark(remark, place),
            )
        except BadMessage as error:
            ingest.reject(str(error), place)
        except Exception:  # an unforeseen record must not stop the others
            if (left_out := self._lines.admit()) is not None:
                text = telling("record not read {place}", left_out)
                self.log.failure(text, place=place, left_out=left_out)
            ingest.reject("an internal error", place)
        return []

    def _place_of(self, record: ConsumerRecord) -> str:
        """Return the substitute for a missing MQTT topic in a record: Kafka's topic, and the key."""
        key = record.key.decode("utf-8", "replace").replace("/", "_")
        return f"{self._topic}/{key}" if key else self._topic


@implementer(IPlugin, ISourceFactory)
class KafkaSourceFactory:
    """Builds the one Kafka source of a service. confluent-kafka is imported only then."""

    name = NAME
    description = "reads what other instances, or bridges from MQTT, wrote to Kafka"
    settings = (*NAMES, "TIMEZONE", *ROWS)

    def build(self, settings: Mapping[str, Any], center: Any) -> KafkaSource:
        check_client()
        from zoneinfo import ZoneInfo

        from confluent_kafka import Consumer
        from twisted.internet import reactor

        def consumer(take: Callable[[Sequence[ConsumerRecord]], Deferred[None]]) -> KafkaConsumer:
            topic, group = settings["KAFKA_RAW_TOPIC"], settings["KAFKA_GROUP"]
            return KafkaConsumer(reactor, connection(settings), topic, group, take, Consumer)  # type: ignore[arg-type]

        zone = ZoneInfo(settings["KAFKA_TIMEZONE"] or settings["TIMEZONE"])
        # Rules come first: a rule is a deliberate choice, even if another form would match.
        rules = tuple(rule_form(rule, zone) for rule in settings["KAFKA_RULES"])
        forms = (*rules, controller_form(zone), *scanner.FORMS)
        return KafkaSource(reactor, center.now, consumer, forms, settings["KAFKA_RAW_TOPIC"])

    def check(self, settings: Mapping[str, Any]) -> Any:
        """Yield lines about the brokers for ``bssci check``, each with its level ok, warning or error."""
        try:
            check_client()
        except ValueError as error:
            return iter([("error", str(error))])
        from bssci.kafka.trial import findings

        return findings(connection(settings), [settings["KAFKA_RAW_TOPIC"]])
