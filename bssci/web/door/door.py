"""The live stream as a whole: its clients, the distribution of messages to them, and their sessions."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.service_center import ServiceCenter
from bssci.journal import StorageError
from bssci.journal.kept import LiveSession
from bssci.model import AnyEvent
from bssci.model.counts import many
from bssci.model.device_id import eui_of_device
from bssci.mqtt import payloads
from bssci.mqtt.server import frames
from bssci.mqtt.server.packets import REFUSED_FILTER, ConnectPacket, EncodedMessage, encode_message
from bssci.mqtt.server.topics import FilterTree
from bssci.system.clock import Clock, Ticker
from bssci.web.access.attempts import Attempts
from bssci.web.access.live_tokens import LiveToken
from bssci.web.access.uses import LIVE_TOKENS_FILE, LastUses
from bssci.web.door.admission import Admission, Denial
from bssci.web.door.client import UNAVAILABLE, LiveClient, Outgoing
from bssci.web.door.follower import Follower
from bssci.web.door.last_values import LastValues
from bssci.web.door.messages import Narrator, Telling, gap
from bssci.web.door.past import PastTeller, Present
from bssci.web.door.permission import Permission
from bssci.web.door.sessions import ClientSession, ClientSessions
from bssci.web.http.guard import Guard
from bssci.web.http.site import release
from bssci.web.live.feed import Feed
from bssci.web.outside import Decode

MAX_FILTERS = 100
"""filters of a client; further ones are refused"""
LONGEST_FILTER = 1024
"""characters of a filter; longer ones are refused, as no topic is that long"""
MAX_FILTERS_LENGTH = 16 * 1024
"""characters of all filters of a client; further filters are refused"""
SEND_BUFFER = 128 * 1024
"""bytes that the system buffers for a client; without a limit it would be megabytes"""
TICK = 0.25
"""s between checks of timeouts and of changed tokens"""
SAVE = 5.0
"""s between times at which sessions and uses are stored"""
REPLAY_PATIENCE = 1.0
"""s for which a batch of a replay waits for slow clients"""


class Door:
    """The live stream and all its clients.

    :param kept: sessions of earlier runs, as the journal held them at the start.
    :param decode: adds readings to new events.
    :param decode_stored: adds them to those of the past.
    :param run_in_thread: ``deferToThread``.
    :ivar ended: clients that were refused or closed since the start, by reason.
    :ivar sent: messages that were queued for clients since the start.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        center: ServiceCenter,
        guard: Guard,
        kept: Mapping[str, LiveSession],
        decode: Decode,
        decode_stored: Decode,
        run_in_thread: Callable[..., Deferred[Any]],
        now: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._center = center
        self._guard = guard
        self._now = now
        settings = center.configuration.current
        self._max_clients: int = settings.live_clients
        self._base_topic: str = settings.value("BASE_TOPIC")
        self._decode = decode
        self._clients: set[LiveClient] = set()
        """all connections, until they are lost"""
        self._inside: dict[str, LiveClient] = {}
        """admitted clients, by the key of their session"""
        self._tree: FilterTree[LiveClient] = FilterTree()
        self.uses = LastUses(settings.state_dir / LIVE_TOKENS_FILE, "live tokens", now, run_in_thread)
        self._admission = Admission(lambda: guard.directory, Attempts(clock), now)
        self._sessions = ClientSessions(center.journal, kept, now)
        self._narrator = Narrator(self._base_topic, center.sensors.get)
        self._last_values = LastValues()
        follower = Follower(
            clock, lambda: self._decode if self._inside else None, self._happened, self._skipped
        )
        self._feed = Feed(clock, center.journal, follower)
        self._past = PastTeller(
            clock,
            center,
            self._narrator,
            self._last_values,
            decode_stored,
            Present(lambda: self._feed.position, self._follow),
        )
        self._tickers = (
            Ticker(clock, TICK, self._tick),
            Ticker(clock, SAVE, self._save),
            Ticker(clock, payloads.HEALTH_INTERVAL, self._tell_health),
        )
        self._last_wanted: dict[LiveClient, dict[str, int]] = {}
        """filters whose last values are still to be sent, of each client to which some are being sent"""
        self._sessions_changed = False
        """true if sessions began, ended or have other filters, and must be stored soon"""
        self.ended: Counter[str] = Counter()
        self.sent = 0

    # The whole stream

    def __len__(self) -> int:
        """Return the number of admitted clients."""
        return len(self._inside)

    @property
    def is_open(self) -> bool:
        """True if the live stream is switched on."""
        return self._max_clients > 0

    @property
    def sessions(self) -> int:
        """Number of sessions that outlive their connection."""
        return len(self._sessions)

    def connections_of(self, token_id: str) -> int:
        """Return the number of admitted clients with a token."""
        return sum(
            client.token is not None and client.token.id == token_id for client in self._inside.values()
        )

    def start(self) -> None:
        self._feed.start()
        for ticker in self._tickers:
            ticker.start()

    def stop(self) -> Deferred[Any]:
        """Tell every client that the service stops, close all connections, and store the sessions; fires
        when they are stored.
        """
        for ticker in self._tickers:
            ticker.stop()
        self._feed.stop()
        message = payloads.service_status(
            self._base_topic, "offline", self._center.version, self._center.started_at
        )
        self._publish([Telling(message.topic, message.payload, ())])
        for client in list(self._clients):
            client.close(frames.GOING_AWAY, "stopped", "the service stops")
        saving = [each for each in (self._sessions.save(), self.uses.save()) if each is not None]
        return gatherResults(saving)

    def seconds(self) -> float:
        return self._clock.seconds()

    def enter(self, address: str) -> LiveClient:
        """Return the protocol for a connection that has become a WebSocket."""
        client = LiveClient(self, address)
        self._clients.add(client)
        return client

    # Requests of clients

    def connect(self, client: LiveClient, wish: ConnectPacket) -> None:
        """Admit or refuse a client: at once, or when changed tokens have been read."""
        if self._guard.is_stale():
            self._begin(self._refreshed(client, wish))
        else:
            self._decide(client, wish)

    async def _refreshed(self, client: LiveClient, wish: ConnectPacket) -> None:
        await self._guard.refresh()
        if not client.gone:
            self._decide(client, wish)
            client.read(b"")

    def _decide(self, client: LiveClient, wish: ConnectPacket) -> None:
        verdict = self._admission.decide(wish, client.address)
        if isinstance(verdict, LiveToken):
            verdict = self._limit(verdict, wish) or verdict
        if isinstance(verdict, Denial):
            self.log.info(
                "live client refused {address} {reason}", address=client.address, reason=verdict.reason
            )
            client.refuse(*verdict)
            return
        token = verdict
        session, resumed = self._session_for(token, wish)
        self._inside[session.key] = client
        self.uses.used(token.id, client.address)
        permission = Permission(token, self._base_topic, self._tags_of)
        client.accept(session, permission, wish.keep_alive, resumed)
        release(client.transport, SEND_BUFFER)
        self.log.info(
            "live client connected {address} {token} {client} {resumed}",
            address=client.address,
            token=token.name,
            client=session.client_id[:64],
            resumed=resumed,
        )
        if resumed:
            self._begin(self._past.catch_up(client), client)
        else:
            self._follow(client)

    def _limit(self, token: LiveToken, wish: ConnectPacket) -> Denial | None:
        """Close an earlier client with the same identifier; return the reason if one more client is too
        many.
        """
        earlier = self._inside.get(f"{token.id}/{wish.client_id}")
        if earlier is not None:
            # [MQTT-3.1.4-2]
            earlier.close(frames.POLICY, "taken_over", "another client connected with this identifier")
        if len(self._inside) >= self._max_clients:
            return Denial(
                UNAVAILABLE,
                "too_many_clients",
                f"{many(self._max_clients, 'client is', 'clients are')} connected",
            )
        if self.connections_of(token.id) >= token.connections:
            return Denial(
                UNAVAILABLE,
                "token_connections",
                f"the token is for {many(token.connections, 'connection')} at a time",
            )
        return None

    def _session_for(self, token: LiveToken, wish: ConnectPacket) -> tuple[ClientSession, bool]:
        client_id = wish.client_id or f"auto-{secrets.token_hex(8)}"
        kept = self._sessions.find(token.id, client_id)
        if kept is not None and not wish.clean:
            kept.come_back()
            return kept, True
        self._sessions_changed = True
        return self._sessions.begin(token.id, client_id, not wish.clean, self._feed.position), False

    def subscribe(self, client: LiveClient, filters: Iterable[tuple[str, int]]) -> bytes:
        session, permission = client.session, client.permission
        assert session is not None and permission is not None  # other packets are read after CONNECT only
        codes = bytearray()
        granted: dict[str, int] = {}
        for text, wished in filters:
            if not _has_room(session, text) or not permission.grants(text):
                self.ended["refused_filter"] += 1
                codes.append(REFUSED_FILTER)
                continue
            qos = min(wished, 1)
            codes.append(qos)
            granted[text] = session.filters[text] = qos
            if client.follows:
                self._tree.add(text, client, qos)
        session.note_change()
        self._sessions_changed = True
        if granted:
            # After the answer, which is sent before this turn of the reactor ends.
            wanted = self._last_wanted.get(client)
            if wanted is None:
                self._last_wanted[client] = granted
                self._clock.callLater(0, lambda: self._begin(self._show_last(client), client))
            else:
                wanted.update(granted)
        return bytes(codes)

    async def _show_last(self, client: LiveClient) -> None:
        """Send a client the last values that it subscribed to; subscriptions that come meanwhile are next."""
        try:
            while (wanted := self._last_wanted[client]) and not client.gone:
                self._last_wanted[client] = {}
                await self._past.show_last(client, wanted)
        finally:
            del self._last_wanted[client]

    def unsubscribe(self, client: LiveClient, filters: Iterable[str]) -> None:
        session = client.session
        assert session is not None  # other packets are read after CONNECT only
        for text in filters:
            if session.filters.pop(text, None) is not None:
                self._tree.remove(text, client)
        session.note_change()
        self._sessions_changed = True

    def lost(self, client: LiveClient) -> None:
        self._clients.discard(client)

    def left(self, client: LiveClient, reason: str) -> None:
        self.ended[reason] += 1
        session = client.session
        if session is None:
            return
        if self._inside.get(session.key) is client:
            del self._inside[session.key]
        for text in session.filters:
            self._tree.remove(text, client)
        self._note_position(client, session)
        session.leave(self._now())
        self.log.info(
            "live client left {address} {client} {reason}",
            address=client.address,
            client=session.client_id[:64],
            reason=reason,
        )

    def _follow(self, client: LiveClient) -> None:
        session = client.session
        assert session is not None  # it was let in
        client.follow()
        for text, qos in session.filters.items():
            self._tree.add(text, client, qos)

    # Events

    def _happened(self, entries: Sequence[tuple[int, AnyEvent]], events: Sequence[AnyEvent]) -> None:
        """Hand the messages of events to the clients that subscribed to them."""
        touched: set[LiveClient] = set()
        for (seq, raw), event in zip(entries, events, strict=True):
            self._last_values.note(seq, raw)
            if not self._inside:
                continue
            for telling in self._narrator.tell(event, self._is_wanted):
                self._deliver(telling, seq, touched)
        for client in touched:
            client.flush()

    def _is_wanted(self, topic: str) -> bool:
        return bool(self._tree.find(topic))

    def _deliver(self, telling: Telling, seq: int, touched: set[LiveClient]) -> None:
        encoded: EncodedMessage = encode_message(telling.topic, telling.payload)
        deliveries = (Outgoing(encoded, seq, 0), Outgoing(encoded, seq, 1))
        for client, qos in self._tree.find(telling.topic).items():
            permission = client.permission
            if permission is not None and permission.sees(telling.devices) and client.send(deliveries[qos]):
                touched.add(client)
                self.sent += 1

    def _publish(self, tellings: Iterable[Telling]) -> None:
        """Hand out messages that do not come from events."""
        touched: set[LiveClient] = set()
        for telling in tellings:
            self._deliver(telling, self._feed.position + 1, touched)
        for client in touched:
            client.flush()

    def replayed(self, events: Sequence[AnyEvent]) -> Deferred[None]:
        """Hand out the messages of a replay, marked as such; they do not change last values.

        :return: fires when the clients that get them have read most of them, or after 1 s.
        """
        touched: set[LiveClient] = set()
        for event in events if self._inside else ():
            for telling in self._narrator.tell(event, self._is_wanted, replayed=True):
                self._deliver(telling, self._feed.position + 1, touched)
        for client in touched:
            client.flush()
        room = gatherResults([client.room() for client in touched], consumeErrors=True)
        return room.addTimeout(REPLAY_PATIENCE, self._clock, lambda *_: None).addCallback(lambda _: None)  # type: ignore[arg-type]

    def announced(self, topic: str, payload: bytes) -> None:
        """Hand out a message of a sink that does not come from an event."""
        self._publish([Telling(topic, payload, ())])

    def _skipped(self, count: int) -> None:
        """Tell all clients that events were skipped because there were too many; last values may be out of
        date.
        """
        self._last_values.forget()
        told = gap(self._base_topic, 0.0, self._now(), count, "too many events at once")
        encoded, first = encode_message(told.topic, told.payload), self._feed.position - count + 1
        for client in list(self._inside.values()):
            session = client.session
            qos = 0 if session is None else max(session.filters.values(), default=0)
            # With QoS 1, a client that is lost before it has the gap gets the events when it is back.
            if client.follows and client.send(Outgoing(encoded, first, qos)):
                client.flush()

    def _tell_health(self) -> None:
        message = payloads.health_check(self._base_topic, self._center.health())
        self._publish([Telling(message.topic, message.payload, ())])

    def _tags_of(self, device: str) -> Sequence[str]:
        eui = eui_of_device(device)
        sensor = self._center.sensors.get(eui) if eui is not None else None
        return () if sensor is None else sensor.tags

    # Time

    def _tick(self) -> None:
        if self._guard.is_stale():
            self._begin(self._guard.refresh())
        self.check_tokens()
        if self._sessions_changed:
            self._sessions_changed = False
            self._sessions.save()
        now = self._clock.seconds()
        for client in list(self._clients):
            client.check(now)

    def check_tokens(self) -> None:
        """Close the connections of clients whose token was revoked or has expired."""
        now = self._now()
        valid = {token.id: token.expires_at for token in self._guard.directory.live_tokens}
        for client in list(self._inside.values()):
            token = client.token
            expires_at = None if token is None else valid.get(token.id)
            if expires_at is None:
                client.close(frames.POLICY, "revoked", "the token is revoked")
            elif now >= expires_at:
                client.close(frames.POLICY, "expired", "the token has expired")

    def _save(self) -> None:
        tokens = {token.id for token in self._guard.directory.live_tokens}
        for client in self._inside.values():
            if client.session is not None and client.session.stays:
                self._note_position(client, client.session)
        self._sessions.sweep(tokens)
        self.uses.keep(tokens)
        self._sessions.save()
        self.uses.save()

    def _note_position(self, client: LiveClient, session: ClientSession) -> None:
        position = client.position
        if position is None:
            position = self._feed.position if client.follows else client.reached
        session.move(position)

    def _begin(self, work: Coroutine[Any, Any, None], client: LiveClient | None = None) -> None:
        """Do what takes time.

        :param client: client that it is for, which has to connect again if stored messages cannot be read.
        """
        ensureDeferred(work).addErrback(self._failed, client)

    def _failed(self, failure: Failure, client: LiveClient | None) -> None:
        is_storage = failure.check(StorageError) is not None
        if is_storage:
            self.log.error("live stream failed {error}", error=failure.value)
        else:
            self.log.failure("live stream failed", failure)
        # Without last values a client still gets what is new; one that never follows would get nothing.
        if client is not None and (is_storage or not client.follows):
            client.close(frames.TRY_LATER, "not_read", "stored messages cannot be read now, connect again")


def _has_room(session: ClientSession, text: str) -> bool:
    """Return whether a client may have one more filter."""
    if text in session.filters:
        return True
    if len(session.filters) >= MAX_FILTERS or len(text) > LONGEST_FILTER:
        return False
    return len(text) + sum(map(len, session.filters)) <= MAX_FILTERS_LENGTH
