"""The sink ``mqtt``: events, birth and last will, states of stations, periodic health."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, ensureDeferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from bssci.model import AnyEvent
from bssci.mqtt import payloads
from bssci.mqtt.client import MqttClient, MqttSettings, Publication
from bssci.mqtt.homeassistant import Source
from bssci.mqtt.live import LiveFile
from bssci.mqtt.values import MessagesRefused, MqttOffline, Received
from bssci.settings.table import Settings
from bssci.sinks.interfaces import ISink
from bssci.sinks.mqtt.canary import Canary, none_proven
from bssci.sinks.mqtt.discovery import Discovery, Undo
from bssci.sinks.mqtt.echo import Echo
from bssci.sinks.mqtt.layout import MessageLayout
from bssci.sinks.mqtt.own_broker import OwnBroker, own_port
from bssci.sinks.mqtt.present import PresentStates
from bssci.sinks.mqtt.refusals import PublishRefusals
from bssci.sinks.mqtt.request_desk import RequestDesk
from bssci.sinks.mqtt.second_chance import SecondChance
from bssci.sinks.mqtt.settings import LIVE, NAMES, client_settings
from bssci.sinks.mqtt.states import RetainedStates
from bssci.sinks.mqtt.suspects import Publisher
from bssci.sinks.set_aside import SetAside
from bssci.system.clock import Ticker, pause

TROUBLE_INTERVAL = 2.0
"""s between updates of the file that tells other processes about the connection"""
STOP_TIME = 1.0
"""s for the last acknowledgements and the farewell message"""


@implementer(ISink)
class MqttSink:
    """Publishes under BASE_TOPIC.

    Uplinks and other events come from the journal and wait there while the broker is away.
    ``bs/{EUI}/state`` and ``service/status`` are retained and hold the present state: they are published
    when it changes, and again after every reconnect.
    """

    log = Logger()
    replayable = "asked"

    def __init__(
        self, reactor: Any, values: Mapping[str, Any], center: Any, live: LiveFile | None = None
    ) -> None:
        self.set_aside = SetAside("mqtt")
        self._center = center
        self._base_topic: str = values["BASE_TOPIC"]
        self._live = live
        self._settings = self._client_settings(values)
        self._client = MqttClient(
            reactor,
            self._settings,
            on_online=self._online,
            on_offline=self._offline,
            on_message=self._received,
            on_skipped=self._skipped,
            on_trouble=self._tell_live,
        )
        self._refusals = PublishRefusals()
        self._present = PresentStates(
            self._publish_allowed, self._birth, self._note_refused, self._client.retry_soon
        )
        self._states = RetainedStates(
            reactor,
            center,
            self._base_topic,
            self._client,
            self._publish_allowed,
            self._present,
            lambda: self._retain,
            self._present_not_published,
        )
        found = self._client.retry_soon
        self._publisher = Publisher(self._publish_proven, self._birth, self._refusals, found)
        self._echo = Echo(reactor)
        self._second_chance = SecondChance(
            reactor, self._publish_allowed, self._echo, self._refusals, self._announce
        )
        self._canary = Canary(
            reactor,
            lambda topic: self._client.subscribe([topic], alone=True),
            lambda topic: self._client.unsubscribe([topic]),
        )
        self._layout = MessageLayout(center, values)
        self._discovery = self._make_discovery(values)
        self._confirm: bool = values["MQTT_CONFIRM"]
        self._retain: bool = values["MQTT_RETAIN"]
        self._status_topic = self._service_status("online").topic
        if self._confirm:
            self._client.subscribe([self._status_topic], alone=True)
        self._requests = RequestDesk(
            reactor,
            center,
            self._base_topic,
            lambda messages: ensureDeferred(self._publish_surely(messages)),
            self._client.listens_to,
        )
        self._request_topics = (*self._requests.topics(), *self._layout.downlink_topics())
        self._client.subscribe(self._request_topics)
        self._client.subscribe(self._requests.older_topics(), alone=True)
        self._broker = OwnBroker(reactor, own_port(values), self._client.start)
        self._reactor = reactor
        self._changing = DeferredLock()
        self._waiting: list[Deferred[None]] = []
        self._stopping = False
        self._unwatch_settings: Callable[[], None] | None = None
        self._ticker = Ticker(reactor, payloads.HEALTH_INTERVAL, self._publish_health)
        self._trouble_ticker = Ticker(
            reactor, TROUBLE_INTERVAL, lambda: self._tell_live(self._client.trouble)
        )

    def start(self) -> None:
        self._states.start()
        self._unwatch_settings = self._center.configuration.watch(LIVE, self._reconfigure)
        self._ticker.start()
        if self._discovery is not None:
            self._discovery.start()
        self._tell_live("")
        self._trouble_ticker.start()
        self._second_chance.start()
        self._changing.run(lambda: ensureDeferred(self._resume_and_connect()))

    async def _resume_and_connect(self) -> None:
        """Begin the requests of an earlier run before those that the broker delivers."""
        try:
            await self._requests.resume()
        except Exception:
            self.log.failure("requests of an earlier run were not resumed")
        if self._stopping:
            return
        if self._broker.exists:
            self._broker.start()
        else:
            self._client.start()

    @property
    def trouble(self) -> str:
        """Reason why nothing can be delivered now; empty: it can, or the first attempt is under way."""
        return (
            self._broker.trouble
            or "; ".join(filter(None, [self._client.trouble, self._publisher.hunt]))
            or self._echo.trouble
            or self._canary.trouble
            or self._refusals.trouble
        )

    @property
    def reached(self) -> bool:
        """Return whether the broker has accepted a connection since the start."""
        return self._client.has_connected

    @property
    def warning(self) -> str:
        """Text that says what is wrong although events are delivered; or empty."""
        return self._client.warning or self._present.warning

    def request_figures(self) -> dict[str, Any]:
        """Return the figures of the queue of requests."""
        refused = [topic for topic in self._request_topics if self._client.is_refused(topic)]
        trouble = f"the broker refuses the subscription to {', '.join(refused)}" if refused else ""
        return self._requests.figures() | {"trouble": trouble}

    def deliver(self, batch: Sequence[AnyEvent]) -> Deferred[None]:
        return ensureDeferred(self._deliver(batch))

    def deliver_again(self, batch: Sequence[AnyEvent]) -> Deferred[None]:
        """Publish messages of a replay, marked as such."""
        return ensureDeferred(self._deliver(batch, replayed=True))

    async def _deliver(self, batch: Sequence[AnyEvent], replayed: bool = False) -> None:
        await self._delivering()
        messages: list[Publication] = []
        events: list[AnyEvent] = []
        refused: list[tuple[AnyEvent, str]] = []
        discovery, undo = self._discovery, Undo()
        for event in batch:
            try:
                announced = [] if discovery is None else discovery.announce(event, undo)
                built = self._allowed([*announced, *self._layout.messages(event, replayed)])
            except Exception as error:
                refused.append((event, f"it cannot be written as JSON: {error}"))
            else:
                messages += built
                events += [event] * len(built)
        try:
            skipped = await self._publish_batch(messages)
        except Exception:  # whatever it is, the batch comes again
            if discovery is not None:
                discovery.take_back(undo)
            raise
        for position, reason in skipped.items():
            topic, size = messages[position].topic, len(messages[position].payload)
            refused.append((events[position], f"{reason}: {topic}, {size} bytes"))
        for event, reason in refused:
            self.set_aside.add(event, reason)

    async def _publish_batch(self, messages: Sequence[Publication]) -> Mapping[int, str]:
        """Publish a batch; while the message at fault is looked for, go on at each new connection.

        To deliver anew costs up to half a minute each time, and several attempts belong to each such message.

        :return: why messages were skipped, by their positions.
        """
        while True:
            try:
                return await self._publisher.publish(messages)
            except MqttOffline:
                if not self._publisher.hunt or self._stopping:
                    raise
            await pause(self._reactor, 0)  # by then the client has noticed the end of its connection
            await self._delivering()

    def _allowed(self, messages: Sequence[Publication]) -> list[Publication]:
        """Return messages as MQTT_RETAIN allows them; without retain, those that only clear a topic are
        left out."""
        return [
            self._as_allowed(each)
            for each in messages
            if self._retain or not (each.retain and not each.payload)
        ]

    def _publish_proven(self, messages: Sequence[Publication]) -> Deferred[None]:
        """Publish, and wait for one of the uplinks to come back if none has yet on this connection."""
        if not (self._needs_proof and self._canary.choose(messages)):
            return self._client.publish(messages)
        return self._client.publish(messages).addCallbacks(lambda _: self._canary.wait(), none_proven)

    @property
    def _needs_proof(self) -> bool:
        """Return whether an acknowledged message may have been dropped: in MQTT 5 the broker would say so."""
        return self._confirm and not self._client.says_what_it_refuses and not self._broker.exists

    def stop(self) -> Deferred[None]:
        return ensureDeferred(self._stop())

    async def _stop(self) -> None:
        self._stopping = True
        self._requests.stop()
        self._echo.stop()
        self._canary.lost("the sink stops")
        self._states.stop()
        self._ticker.stop()
        self._trouble_ticker.stop()
        self._second_chance.stop()
        if self._unwatch_settings is not None:
            self._unwatch_settings()
        self._broker.give_up()
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.errback(MqttOffline("the sink stops"))
        await self._client.stop(STOP_TIME, last=self._as_allowed(self._service_status("offline")))
        await self._broker.stop()
        if self._live is not None:
            self._live.close()

    def _client_settings(self, values: Mapping[str, Any]) -> MqttSettings:
        return client_settings(values, self._center.eui, self._service_status("offline").payload)

    def _make_discovery(self, values: Mapping[str, Any]) -> Discovery | None:
        if not values["MQTT_HOMEASSISTANT"]:
            return None
        prefix, status = values["MQTT_HOMEASSISTANT_PREFIX"], self._service_status("online").topic
        return Discovery(
            Source(prefix, status, self._center.version),
            self._center.sensor,
            self._layout.uplink_topic,
            lambda topics: self._client.subscribe(topics, alone=True),
            self._client.unsubscribe,
            self._publish,
            self._center.now,
        )

    def _change_layout(self, values: Mapping[str, Any]) -> None:
        if old := self._layout.downlink_topics():
            self._client.unsubscribe(old)
        self._layout = MessageLayout(self._center, values)
        if new := self._layout.downlink_topics():
            self._client.subscribe(new)
        # Made again even if its settings are the same: the topic of uplinks may have changed.
        self._discovery = self._make_discovery(values)
        if self._discovery is not None:
            self._discovery.start()

    def _reconfigure(self, settings: Settings) -> None:
        """Reconnect after a change of MQTT_*; the embedded broker is started or stopped accordingly.

        Not at once: whoever asked for it by MQTT is answered first.
        """
        values = {name: settings.value(name) for name in NAMES}
        self._reactor.callLater(0, self._begin_change, values)

    def _begin_change(self, values: Mapping[str, Any]) -> None:
        changed: Deferred[None] = self._changing.run(lambda: ensureDeferred(self._change_broker(values)))
        changed.addErrback(self._not_changed)

    async def _change_broker(self, values: Mapping[str, Any]) -> None:
        """Use other settings; one change at a time, as each waits for brokers."""
        port = own_port(values)
        await self._broker.leave(port)
        if self._stopping:
            return
        farewell = self._as_allowed(self._service_status("offline"))
        self._confirm, self._retain = values["MQTT_CONFIRM"], values["MQTT_RETAIN"]
        self._change_layout(values)
        if self._confirm:
            self._client.subscribe([self._status_topic], alone=True)
        else:
            self._canary.not_to_be_had()
            if self._client.online:
                self._echo.not_to_be_had()
        self._settings = self._client_settings(values)
        self._present.forget()
        await self._client.reconfigure(self._settings, last=farewell)
        self._broker.use(port)
        if port is None and not self._stopping:
            # It was never started if the embedded broker before never was.
            self._client.start()

    def _not_changed(self, failure: Failure) -> None:
        self.log.failure("change of MQTT settings failed", failure)

    # The present state

    def _online(self) -> None:
        self._refusals.connected()
        self._canary.connected()
        if self._confirm and not self._client.says_what_it_refuses:
            self._echo.expect(self._birth().payload)
        self._announce(is_forgotten=not self._client.is_remembered)
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def _announce(self, *, is_forgotten: bool = True) -> None:
        """Bring the broker up to date; if ``is_forgotten``, it may hold no announcements of sensors."""
        if self._discovery is not None and is_forgotten:
            self._discovery.announce_again()
        birth = [self._birth()]
        failed = self._present_not_published
        self._client.publish(birth).addCallbacks(self._birth_taken, failed, errbackArgs=(birth,))
        self._states.connected()

    def _birth_taken(self, _: None) -> None:
        if self._client.is_refused(self._status_topic):
            # By now the broker has answered the subscriptions that were sent before.
            self._canary.not_to_be_had()
            self._echo.not_to_be_had()

    def _delivering(self) -> Deferred[None]:
        """Fire when the broker takes what is published; fail when the sink stops."""
        ready = self._connected().addCallback(lambda _: self._present.settled())
        return ready.addCallback(lambda _: self._echo.wait())

    def _received(self, message: Received) -> Deferred[None] | None:
        if message.topic == self._status_topic:
            if not message.retained:
                self._echo.heard(message.payload)
            return None
        if self._states.is_for_us(message.topic):
            self._states.received(message)
            return None
        if self._canary.is_for_us(message.topic):
            self._canary.heard(message.payload)
            return None
        if self._discovery is not None and self._discovery.is_for_us(message.topic):
            self._discovery.received(message)
            return None
        if message.topic.endswith(("/ul", "/uplink")):
            # One of our own uplinks, subscribed to on a connection that was lost meanwhile: not a request.
            self._client.unsubscribe([message.topic])
            return None
        return self._requests.received(message)

    def _skipped(self, topic: str, size: int, retained: bool) -> None:
        self._requests.too_large(topic, size, retained)

    async def _publish_surely(self, messages: Sequence[Publication]) -> None:
        """Publish as soon as the broker can be reached; give up when the sink stops or the broker refuses."""
        while True:
            try:
                await self._connected()
                await self._publish_allowed(messages)
            except MessagesRefused as error:
                self._note_refused(messages, error)
                return
            except MqttOffline:
                if self._stopping:
                    return
            else:
                return

    def _note_refused(self, messages: Sequence[Publication], error: MessagesRefused) -> None:
        """Note refused messages that are not kept and will not be published again."""
        taken = {at: each for at, each in enumerate(messages) if at not in error.refused}
        self._refusals.note(taken, {at: (messages[at], each) for at, each in error.refused.items()})
        self.log.warn(
            "MQTT messages refused {topic} {error}",
            topic=messages[next(iter(error.refused))].topic[:200],
            error=str(error),
        )

    def _connected(self) -> Deferred[None]:
        """Fire as soon as there is a connection; fail when the sink stops."""
        if self._client.online:
            return succeed(None)
        if self._stopping:
            return fail(MqttOffline("the sink stops"))
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def _offline(self, reason: str) -> None:
        self._echo.lost(reason)
        self._canary.lost(reason)
        self.log.info("MQTT delivery waits for the broker: {reason}", reason=reason)

    def _tell_live(self, connection: str) -> None:
        """Tell other processes the state of the connection, and whether the broker takes what is
        published."""
        if self._live is None:
            return
        trouble = connection
        if not self._client.online:
            trouble = connection or "connecting"
        elif not connection and (self.trouble or self.warning):
            trouble = f"connected, but {self.trouble or self.warning}"
        self._live.tell(self._settings, trouble)

    def _publish_health(self) -> None:
        if self._discovery is not None:
            self._discovery.look()
        self._publish([self._health()])

    def _health(self) -> Publication:
        health = self._center.health() | {"requests": self._requests.figures()}
        return payloads.health_check(self._base_topic, health)

    def _birth(self) -> Publication:
        """Return the smallest of all messages, which the broker has taken if there is a connection."""
        return self._as_allowed(self._service_status("online"))

    def _as_allowed(self, message: Publication) -> Publication:
        return message if self._retain else message._replace(retain=False)

    def _publish(self, messages: Sequence[Publication]) -> None:
        if self._client.online:
            self._publish_allowed(messages).addErrback(self._present_not_published, messages)

    def _publish_allowed(self, messages: Sequence[Publication]) -> Deferred[None]:
        allowed = [self._as_allowed(message) for message in messages]
        return self._client.publish(allowed).addCallback(lambda _: self._refusals.replaced(allowed))

    def _present_not_published(self, failure: Failure, messages: Sequence[Publication]) -> None:
        if isinstance(failure.value, MessagesRefused):
            self._note_refused(messages, failure.value)
            return
        self.log.debug(
            "MQTT messages are published again after reconnecting {error}", error=failure.getErrorMessage()
        )

    def _service_status(self, state: str) -> Publication:
        return payloads.service_status(self._base_topic, state, self._center.version, self._center.started_at)
