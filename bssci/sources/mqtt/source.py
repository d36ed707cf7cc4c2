"""Telegrams from an MQTT broker: acknowledged there when they are on disk here.

::

    PUBLISH --> batch --> forms --> ingest --> on disk --> PUBACK
                  ^                   |
                  |                   +-- refused, or the disk is full
                  +--- 1, 2, 4 ... 30 s --+

The number of waiting messages is bounded. Beyond the bound, a message of QoS 1 is left unacknowledged and
fetched again by a new connection as soon as there is room; one of QoS 0 is lost and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import Logger
from twisted.plugin import IPlugin
from twisted.python.failure import Failure
from zope.interface import implementer

from bssci.center.interfaces import IIngest
from bssci.model import Telegram
from bssci.model.weight import text_weight
from bssci.mqtt.client import MqttClient
from bssci.mqtt.filters import fits
from bssci.mqtt.server.topics import covers
from bssci.mqtt.values import Publication, Received
from bssci.settings.table import Settings
from bssci.sources.envelopes import scanner
from bssci.sources.envelopes.controller import controller_form
from bssci.sources.envelopes.rules import EnvelopeRule, rule_form
from bssci.sources.envelopes.values import BadMessage, Form, Incoming, message_id
from bssci.sources.interfaces import ISource, ISourceFactory
from bssci.sources.mqtt.settings import GROUP, NAMES, client_settings
from bssci.system.clock import Timer, in_turns, pause
from bssci.system.line_limit import LineLimit, telling

NAME = "mqtt"
FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
"""s until refused telegrams are offered again, doubled from the first to the longest"""
BATCH = 500
"""messages that are offered at once"""
COLLECTED = 16
"""messages that are offered without waiting for more: fewer than a broker has on its way by default (20)"""
COLLECT_TIME = 0.02
"""s between two offers of fewer: each offer costs a commit, which base stations wait for, too"""
HELD = 5_000
"""messages that wait here, at most"""
HELD_BYTES = 16 * 1024 * 1024
"""bytes of their topics and payloads, and of the lists and objects in them"""
BATCH_BYTES = 256 * 1024
"""bytes that are offered at once, unless one message is larger"""
STOP_TIME = 1.0
"""s for outstanding writes, and for disconnecting"""


class _Waiting(NamedTuple):
    """A message that is not on disk yet."""

    message: Received
    at: float
    """Unix seconds of our clock"""
    done: Deferred[None]
    size: int
    """bytes that it takes when it is read, approximately"""
    number: int
    """number of the message since the start"""


@implementer(ISource)
class MqttSource:
    """Subscribes at a broker, and offers the received telegrams.

    :param values: settings by their names.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        values: Mapping[str, Any],
        center: Any,
        make_client: Callable[..., Any] = MqttClient,
    ) -> None:
        self._reactor = reactor
        self._center = center
        self._read_settings(values)
        self._client = make_client(
            reactor,
            self._client_settings(values),
            on_online=self._online,
            on_offline=lambda reason: None,
            on_message=self._received,
            on_skipped=self._skipped,
            on_refused=self._refused,
            on_granted=self._granted,
        )
        self._ingest: IIngest | None = None
        self._held: list[_Waiting] = []
        self._held_bytes = 0
        self._telegrams: dict[int, list[Telegram]] = {}
        """telegrams that were read from the messages that are offered, by the numbers of these"""
        self._received_count = 0
        self._lines = LineLimit(reactor.seconds, lines=1)
        self._turn: Timer | None = None
        self._offering = False
        self._offered_at = -COLLECT_TIME
        self._delay = 0.0
        self._left_out = False
        """something was neither taken nor acknowledged"""
        self._stopping = False
        self._refusal = ""
        self._unwatch: Callable[[], None] | None = None

    def start(self, ingest: IIngest) -> None:
        self._ingest = ingest
        self._unwatch = self._center.configuration.watch(NAMES, self._reconfigure)
        self._client.subscribe(self._topics)
        self._client.start()

    def stop(self) -> Deferred[None]:
        return ensureDeferred(self._stop())

    async def _stop(self) -> None:
        self._stopping = True
        if self._unwatch is not None:
            self._unwatch()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        # Outstanding writes are acknowledged before disconnecting, so that their messages are not delivered
        # again.
        end = self._reactor.seconds() + STOP_TIME
        while self._offering and self._reactor.seconds() < end:
            await pause(self._reactor, 0.02)
        await self._client.stop(STOP_TIME)

    def publish(self, topic: str, payload: bytes) -> Deferred[None]:
        """Send a message to the broker, as a command to a controller; fires when the broker has it."""
        sent: Deferred[None] = self._client.publish([Publication(topic, payload)])
        return sent

    @property
    def trouble(self) -> str:
        """Reason why nothing is received or stored; empty: all is well."""
        refused = [each for each in self._topics if self._client.is_refused(each)]
        if refused:
            return f"the broker refuses the subscription to {', '.join(refused)}"
        trouble: str = self._client.trouble
        return trouble or self._refusal

    # Subscriptions: a broker may send a message once for each of them that covers its topic

    def _online(self) -> None:
        """End subscriptions that another one covers: the broker keeps those of earlier runs."""
        self._client.unsubscribe(
            [each for each, by in self._covered.items() if not self._client.is_refused(by)]
        )
        for wide in self._topics:
            if self._client.is_refused(wide):
                self._refused(wide)

    def _refused(self, topic: str) -> None:
        """Subscribe to what a refused filter would have covered."""
        self._client.subscribe(self._covered_by(topic))

    def _granted(self, topic: str) -> None:
        """Unsubscribe from what a filter covers that the broker had refused."""
        self._client.unsubscribe(self._covered_by(topic))

    def _covered_by(self, topic: str) -> list[str]:
        return [each for each, by in self._covered.items() if by == topic]

    # Received messages

    def _received(self, message: Received) -> Deferred[None] | None:
        if len(self._held) >= HELD or self._held_bytes >= HELD_BYTES or self._stopping:
            if message.packet_id:
                self._left_out = True
                return Deferred()
            why = "the service stops" if self._stopping else "too many messages wait"
            self._reject(f"lost, because {why} and the broker does not repeat it (QoS 0)", message)
            return None
        size = len(message.topic) + text_weight(message.payload)
        self._received_count += 1
        waiting = _Waiting(message, self._center.now(), Deferred(), size, self._received_count)
        self._held.append(waiting)
        self._held_bytes += size
        if self._turn is None and not self._offering:
            self._offer_soon()
        elif self._turn is not None and len(self._held) == COLLECTED and not self._delay:
            self._turn.cancel()
            self._turn = self._reactor.callLater(0, self._offer)
        return waiting.done

    def _skipped(self, topic: str, size: int, retained: bool) -> None:
        if self._ingest is not None:
            self._ingest.reject("larger than 1 MB", topic)

    def _offer_soon(self) -> None:
        since = self._reactor.seconds() - self._offered_at
        self._turn = self._reactor.callLater(max(0.0, COLLECT_TIME - since), self._offer)

    def _offer(self) -> None:
        self._turn = None
        batch = self._batch()
        if self._offering or not batch or self._ingest is None:
            return
        self._offering = True
        self._offered_at = self._reactor.seconds()
        done = ensureDeferred(self._ingest_batch(self._ingest, batch)).addCallbacks(
            self._taken, self._not_taken, callbackArgs=(batch,)
        )
        done.addErrback(lambda failure: self.log.failure("telegrams not processed", failure))

    async def _ingest_batch(self, ingest: IIngest, batch: Sequence[_Waiting]) -> None:
        """Read messages, each of which may take long, and return when their telegrams are on disk.

        Each is read once, however often it is offered: those that cannot be read are counted.
        """
        telegrams: list[Telegram] = []
        async for each in in_turns(self._reactor, batch):
            if each.number not in self._telegrams:
                self._telegrams[each.number] = self._read(each)
            telegrams += self._telegrams[each.number]
        await ingest(telegrams)

    def _batch(self) -> list[_Waiting]:
        """Return the messages that wait longest, as many as are offered at once."""
        batch: list[_Waiting] = []
        size = 0
        for waiting in self._held[:BATCH]:
            size += waiting.size
            if batch and size > BATCH_BYTES:
                break
            batch.append(waiting)
        return batch

    def _taken(self, _: object, batch: Sequence[_Waiting]) -> None:
        self._offering = False
        self._delay = 0.0
        self._refusal = ""
        del self._held[: len(batch)]
        self._held_bytes -= sum(each.size for each in batch)
        self._telegrams.clear()
        for each in batch:
            each.done.callback(None)
        if self._stopping:
            return
        if len(self._held) >= COLLECTED:
            self._turn = self._reactor.callLater(0, self._offer)
        elif self._held:
            self._offer_soon()
        elif self._left_out:
            self._left_out = False
            ensureDeferred(self._fetch_again())

    def _not_taken(self, failure: Failure) -> None:
        self._offering = False
        self._refusal = failure.getErrorMessage()
        if not self._stopping:
            self._delay = min(max(FIRST_DELAY, 2 * self._delay), LONGEST_DELAY)
            self._turn = self._reactor.callLater(self._delay, self._offer)

    async def _fetch_again(self) -> None:
        """Have the broker repeat what was left unacknowledged: it does so on a new connection only."""
        await self._client.stop(STOP_TIME)
        if not self._stopping:
            self._client.start()

    # Reading messages

    def _read(self, waiting: _Waiting) -> list[Telegram]:
        message = waiting.message
        levels = message.topic.split("/")
        if not any(fits(each, levels) for each in self._wanted):
            # The broker keeps the subscriptions of earlier settings, too.
            self._reject("a topic that is no longer subscribed to", message)
            return []
        form = next((each for each in self._forms if each.matches(levels)), None)
        if form is None:
            self._reject("a topic that no form of messages fits", message)
            return []
        try:
            return form.read(self._incoming(waiting), lambda remark: self._remark(remark, message))
        except BadMessage as error:
            self._reject(str(error), message)
        except Exception:  # an unforeseen message must not stop the others
            if (left_out := self._lines.admit()) is not None:
                text = telling("message not read {topic}", left_out)
                self.log.failure(text, topic=message.topic[:200], left_out=left_out)
            self._reject("an internal error", message)
        return []

    def _incoming(self, waiting: _Waiting) -> Incoming:
        message = waiting.message
        if not message.packet_id and not message.retained:
            # The broker does not repeat it (QoS 0): the same once more is another message.
            delivery = f"{waiting.at!r} {waiting.number}"
            return Incoming(message.topic, message.payload, waiting.at, NAME, delivery, retained=False)
        delivery = "retained" if message.retained else str(message.packet_id)
        incoming = Incoming(
            message.topic, message.payload, waiting.at, NAME, delivery, retained=message.retained
        )
        if message.retained or message.repeated or self._ingest is None:
            return incoming
        if not self._ingest.knows(message_id(incoming)):
            return incoming
        # Packet identifiers are reused: for a repetition of the same message the broker would set DUP.
        return incoming._replace(delivery=f"{delivery} {waiting.at!r}")

    def _reject(self, reason: str, message: Received) -> None:
        if self._ingest is not None:
            self._ingest.reject(reason, message.topic)

    def _remark(self, remark: str, message: Received) -> None:
        if self._ingest is not None:
            self._ingest.remark(remark, message.topic)

    # Settings

    def _client_settings(self, values: Mapping[str, Any]) -> Any:
        return client_settings(values, f"bssci-{self._center.eui}-source")

    def _read_settings(self, values: Mapping[str, Any]) -> None:
        zone = ZoneInfo(values["SOURCE_MQTT_TIMEZONE"])
        rules: Sequence[EnvelopeRule] = values["SOURCE_MQTT_RULES"]
        filters = [*values["SOURCE_MQTT_TOPICS"], *(rule.filter for rule in rules)]
        different = list(dict.fromkeys(filters))
        wide = {
            each: [other for other in different if other != each and covers(other, each)]
            for each in different
        }
        self._topics = [each for each, by in wide.items() if not by]
        self._covered = {each: next(top for top in by if not wide[top]) for each, by in wide.items() if by}
        """filters that are not subscribed to, and those that cover them"""
        self._wanted = [each.split("/") for each in self._topics]
        # Rules come first: a rule is a deliberate choice, even if another form would match.
        self._forms: tuple[Form, ...] = (
            *(rule_form(rule, zone) for rule in rules),
            *scanner.FORMS,
            controller_form(zone),
        )

    def _reconfigure(self, settings: Settings) -> None:
        values = {name: settings.value(name) for name in NAMES}
        before, covered = self._topics, self._covered
        self._read_settings(values)
        self._telegrams.clear()
        gone = [each for each in (*before, *covered) if each not in self._topics]
        if gone:
            self._client.unsubscribe(gone)
        self._client.subscribe([each for each in self._topics if each not in before])
        self._client.reconfigure(self._client_settings(values)).addErrback(
            lambda failure: self.log.failure("change of settings failed", failure)
        )


@implementer(IPlugin, ISourceFactory)
class MqttSourceFactory:
    """Builds the one MQTT source of a service."""

    name = NAME
    description = "receives scanners, controllers and other devices from an MQTT broker"
    settings = GROUP

    def build(self, settings: Mapping[str, Any], center: Any) -> MqttSource:
        from twisted.internet import reactor

        return MqttSource(reactor, settings, center)
