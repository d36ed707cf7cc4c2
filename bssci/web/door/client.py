"""A client of the live stream, from the upgrade of its connection to its end.

    bytes --> frames --> packets --> requests --> the door
    the door --> queue --> [window] --> packets --> one frame for each write --> transport

Messages that a client has not read wait in its queue. When that is full, or the client reads nothing for too
long, its connection is closed with the reason, and counted; no other client waits for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple
from typing import Protocol as Interface

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IPushProducer, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from bssci.mqtt.server import frames
from bssci.mqtt.server.dialogue import Dialogue, DialogueStage
from bssci.mqtt.server.frames import ClientFrames, FrameError
from bssci.mqtt.server.packets import (
    PING_ANSWER,
    Acknowledge,
    ConnectPacket,
    Disconnect,
    EncodedMessage,
    Packet,
    PacketError,
    PingRequest,
    Subscribe,
    UnknownVersion,
    Unsubscribe,
    connect_answer,
    subscribe_answer,
    unsubscribe_answer,
)
from bssci.mqtt.server.window import Window
from bssci.web.access.live_tokens import LiveToken
from bssci.web.door.permission import Permission
from bssci.web.door.sessions import ClientSession

MAX_QUEUE = 4000
"""messages that may wait for a client"""
MAX_QUEUE_BYTES = 16 * 1024 * 1024
"""bytes of them"""
LOW = 200
"""messages in the queue up to which more of the past is read"""
WINDOW = 256
"""messages of QoS 1 that may be unacknowledged by a client"""
WRITE = 32 * 1024
"""bytes that are written at a time; Twisted buffers 64 KB before it pauses the producer"""
CONNECT_TIME = 10.0
"""s from the upgrade within which a CONNECT must arrive"""
PATIENCE = 30.0
"""s without room in the send buffer after which a client counts as too slow"""
CLOSE_TIME = 3.0
"""s in which a client can read why its connection is closed"""
PING_TIME = 60.0
"""s of silence after which a client without keep-alive is pinged"""
LONGEST_SILENCE = 180.0
"""s of silence after which a client without keep-alive is closed"""

VERSION, IDENTIFIER, UNAVAILABLE, NOT_AUTHORIZED = 1, 2, 3, 5
"""return codes of a CONNACK"""


class Outgoing(NamedTuple):
    """A message on its way to clients, which share the object."""

    encoded: EncodedMessage
    seq: int
    """number of the event that it reports"""
    qos: int
    retained: bool = False
    repeated: bool = False


class ClientOwner(Interface):
    """The door, as clients use it."""

    def seconds(self) -> float: ...

    def connect(self, client: LiveClient, wish: ConnectPacket) -> None:
        """Admit or refuse a client, now or later."""

    def subscribe(self, client: LiveClient, filters: Iterable[tuple[str, int]]) -> bytes:
        """Subscribe a client; return the codes for the SUBACK. The last values are sent afterwards."""

    def unsubscribe(self, client: LiveClient, filters: Iterable[str]) -> None: ...

    def left(self, client: LiveClient, reason: str) -> None:
        """Remove a client that leaves; called once."""

    def lost(self, client: LiveClient) -> None:
        """Remove the connection of a client that has left."""


@implementer(IPushProducer)
class LiveClient(Protocol):
    """A client. It has few attributes, as there may be thousands of clients.

    :ivar address: address of the client.
    :ivar session: None until the client is admitted.
    :ivar follows: true if it gets new events; false while it still gets those that it missed.
    :ivar reached: number of the last event that was examined for it while it did not follow.
    """

    __slots__ = (
        "_closing",
        "_deadline",
        "_dialogue",
        "_door",
        "_frames",
        "_full_since",
        "_pinged",
        "_queue",
        "_queued_bytes",
        "_room",
        "_window",
        "address",
        "connected",
        "factory",
        "follows",
        "gone",
        "permission",
        "reached",
        "session",
        "silence",
        "transport",
    )
    transport: Any

    def __init__(self, door: ClientOwner, address: str) -> None:
        self._door = door
        self.address = address
        self._frames = ClientFrames()
        self._dialogue = Dialogue()
        self._queue: deque[Outgoing] = deque()
        self._queued_bytes = 0
        self._window = Window(WINDOW)
        self._room: Deferred[None] | None = None
        self._full_since: float | None = None
        self._closing: float | None = None
        """time at which the connection is cut, if the client does not read why it is closed"""
        self._pinged = False
        self.silence = CONNECT_TIME
        """s for which the client may be silent"""
        self._deadline = door.seconds() + CONNECT_TIME
        self.session: ClientSession | None = None
        self.permission: Permission | None = None
        self.follows = False
        self.reached = 0
        self.gone = False

    @property
    def token(self) -> LiveToken | None:
        """The token with which the client was admitted."""
        return None if self.permission is None else self.permission.token

    # Called by the transport

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        if self._closing is not None:
            return
        self._deadline = self._door.seconds() + self.silence
        self._pinged = False
        try:
            payload, controls = self._frames.feed(data)
        except FrameError as error:
            self.close(error.code, error.reason, str(error))
            return
        if payload:
            self.read(payload)
        for control in controls:
            if control.is_close:
                self.close(frames.NORMAL, "closed by the client")
            elif self._closing is None:
                self.transport.write(frames.pong(control.payload))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._leave("connection lost")
        self._door.lost(self)

    def pauseProducing(self) -> None:
        """Stop reading, too: a client that does not read gets no answers."""
        if self._full_since is None:
            self._full_since = self._door.seconds()
            if self._closing is None:
                self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        if self._full_since is not None:
            self._full_since = None
            self._deadline = self._door.seconds() + self.silence
            self.transport.resumeProducing()
        self.flush()

    def stopProducing(self) -> None:
        """Do nothing: the connection ends."""

    # Packets

    def read(self, data: bytes) -> None:
        """Handle packets, including those that waited for the decision on the client."""
        try:
            for packet in self._dialogue.receive(data):
                self._handle(packet)
        except UnknownVersion as error:
            self.refuse(VERSION, error.reason, str(error))
        except PacketError as error:
            self.close(frames.POLICY, error.reason, str(error))

    def _handle(self, packet: Packet) -> None:
        if isinstance(packet, Acknowledge):
            if self._window.acknowledge(packet.packet_id) and self._queue:
                self.flush()
        elif isinstance(packet, PingRequest):
            self._answer(PING_ANSWER)
        elif isinstance(packet, Subscribe):
            self._answer(subscribe_answer(packet.packet_id, self._door.subscribe(self, packet.filters)))
        elif isinstance(packet, Unsubscribe):
            self._door.unsubscribe(self, packet.filters)
            self._answer(unsubscribe_answer(packet.packet_id))
        elif isinstance(packet, ConnectPacket):
            self._door.connect(self, packet)
        elif isinstance(packet, Disconnect):
            self.close(frames.NORMAL, "disconnected")

    def accept(self, session: ClientSession, permission: Permission, keep_alive: int, resumed: bool) -> None:
        """Admit the client.

        :param keep_alive: s; 0: none.
        :param resumed: an earlier session is continued.
        """
        self.session, self.permission = session, permission
        self.silence = keep_alive * 1.5 if keep_alive else LONGEST_SILENCE  # [MQTT-3.1.2-24]
        self._deadline = self._door.seconds() + self.silence
        self._dialogue.accept()
        self._answer(connect_answer(0, resumed))

    def refuse(self, code: int, reason: str, message: str) -> None:
        """Answer a CONNECT with a return code, and close."""
        self._answer(connect_answer(code))
        self.close(frames.POLICY, reason, message)

    def _answer(self, packet: bytes) -> None:
        if self._closing is None and not self.gone:
            self.transport.write(frames.frame_header(len(packet)) + packet)

    # Messages

    @property
    def waiting(self) -> int:
        """Number of messages in the queue."""
        return len(self._queue)

    @property
    def position(self) -> int | None:
        """Number of the last event before the first that is not acknowledged; None if all are
        acknowledged.
        """
        oldest = self._window.oldest
        if oldest is None and self._queue:
            oldest = self._queue[0].seq
        return None if oldest is None else oldest - 1

    def follow(self) -> None:
        """Send new events from now on."""
        self.follows = True

    def reach(self, position: int) -> None:
        """Record the last event that was examined for the client while it does not follow."""
        self.reached = position

    def send(self, delivery: Outgoing) -> bool:
        """Queue a message, which leaves with :meth:`flush`; return whether there was room."""
        if len(self._queue) >= MAX_QUEUE or self._queued_bytes >= MAX_QUEUE_BYTES:
            self.close(frames.POLICY, "slow", f"too slow: {len(self._queue)} messages wait")
            return False
        self._queue.append(delivery)
        self._queued_bytes += len(delivery.encoded)
        return True

    def flush(self) -> None:
        """Write as many messages as possible."""
        queue, window = self._queue, self._window
        while queue and self._full_since is None and self._closing is None and not self.gone:
            packets: list[bytes] = []
            size = 0
            while queue and size < WRITE:
                encoded, seq, qos, retained, repeated = queue[0]
                if qos:
                    if window.is_full:
                        break
                    packet = encoded.packet(window.send(seq), retained=retained, repeated=repeated)
                else:
                    packet = encoded.packet(retained=retained)
                queue.popleft()
                self._queued_bytes -= len(encoded)
                packets.append(packet)
                size += len(packet)
            if not packets:
                break
            self.transport.write(frames.frame_header(size) + b"".join(packets))
        if self._room is not None and len(queue) <= LOW:
            room, self._room = self._room, None
            room.callback(None)

    def room(self) -> Deferred[None]:
        """Return a Deferred that fires when the queue is short, or the client is gone."""
        if self.gone or len(self._queue) <= LOW:
            return succeed(None)
        if self._room is None:
            self._room = Deferred()
        waiting: Deferred[None] = Deferred()
        self._room.addCallback(lambda _: waiting.callback(None))
        return waiting

    # Timeouts and closing

    def check(self, now: float) -> None:
        """Check timeouts; called several times a second."""
        if self._closing is not None:
            if now >= self._closing:
                self.transport.abortConnection()
            return
        if self._full_since is not None:
            if now - self._full_since >= PATIENCE:
                self.close(frames.POLICY, "slow", f"too slow: nothing was read for {PATIENCE:.0f} s")
        elif now >= self._deadline:
            if self._dialogue.stage is DialogueStage.NEW:
                self.close(frames.POLICY, "silent", f"no CONNECT within {CONNECT_TIME:.0f} s")
            else:
                self.close(frames.POLICY, "silent", f"silent for more than {self.silence:.0f} s")
        elif self.silence == LONGEST_SILENCE and not self._pinged and now >= self._deadline - PING_TIME * 2:
            self._pinged = True
            self.transport.write(frames.ping())

    def close(self, code: int, reason: str, message: str = "") -> None:
        """Close the connection and tell the client why. Waiting messages are not sent.

        :param reason: short and stable name of the reason, for counting.
        """
        if self._closing is not None or self.gone:
            return
        self._closing = self._door.seconds() + CLOSE_TIME
        self._dialogue.end()
        self.transport.write(frames.close(code, message))
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self._leave(reason)

    def _leave(self, reason: str) -> None:
        if self.gone:
            return
        self.gone = True
        self._door.left(self, reason)
        self.follows = False
        self._queue.clear()
        self._queued_bytes = 0
        room, self._room = self._room, None
        if room is not None:
            room.callback(None)
