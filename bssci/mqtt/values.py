"""Values of the MQTT client: its settings, messages, connections, errors and trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer, ITCPTransport

from bssci.model.counts import many


class IStream(ITCPTransport, IConsumer, IPushProducer):
    """A stream with flow control both ways, as Twisted's TCP and TLS transports are."""


class MqttOffline(Exception):
    """There is no connection to the broker, or it was lost before everything was acknowledged.

    Nothing is kept for later: whoever published still has the messages and
    publishes them again. The text says why, and holds no secret.

    :ivar taken: number of messages, from the first on, that the broker had acknowledged; None: unknown.
    """

    def __init__(self, reason: str, taken: int | None = None) -> None:
        super().__init__(reason)
        self.taken = taken


class MessageNotTaken(Exception):
    """A received message is not taken now: the broker delivers it again on the next connection."""


class PublishRefusal(NamedTuple):
    """The broker's reason for not taking a message (MQTT 5)."""

    code: int
    """reason code, 0x80 or above"""
    words: str


class MessagesRefused(Exception):
    """The broker refused some of the messages that were published together; it took all others.

    :ivar refused: the refusals by the positions of the messages.
    """

    def __init__(self, refused: Mapping[int, PublishRefusal]) -> None:
        first = next(iter(refused.values()))
        super().__init__(f"the broker refused {many(len(refused), 'message')}: {first.words}")
        self.refused = refused


class About(NamedTuple):
    """Facts that MQTT 5 carries beside a payload."""

    schema: str = ""
    """name of the payload's schema"""
    id: str = ""
    """the same at every delivery of the same content"""
    correlation: bytes = b""
    """correlation data of the request that this answers"""


class ReplyTo(NamedTuple):
    """Topic on which a request wants its answer, besides the usual one (MQTT 5)."""

    topic: str
    """empty: nowhere else"""
    correlation: bytes = b""


class Publication(NamedTuple):
    """Something to publish."""

    topic: str
    payload: bytes
    retain: bool = False
    about: About | None = None
    """facts that only MQTT 5 carries"""


class Received(NamedTuple):
    """A message that came with a subscription."""

    topic: str
    payload: bytes
    retained: bool = False
    """the broker had kept it from an earlier time"""
    packet_id: int = 0
    """the broker's number of a message that is to be acknowledged; 0: it is not (QoS 0)"""
    repeated: bool = False
    """the broker has sent it before, and knows of no acknowledgement"""
    reply: ReplyTo | None = None
    expires_in: int | None = None
    """s that it is good for; None: forever"""


MessageReceived = Callable[[Received], "Deferred[None] | None"]
"""Called with each message, which is acknowledged when the Deferred fires; None: at once.

If the Deferred fails with :class:`MessageNotTaken`, neither the message is acknowledged nor are those that
come after it. Any other failure is a fault that the next delivery would meet again: it is logged, and the
message acknowledged.
"""
MessageSkipped = Callable[[str, int, bool], None]
"""Called with topic, bytes of the payload and whether the broker had retained it."""


@dataclass(frozen=True)
class MqttSettings:
    """Settings of a connection to a broker.

    ``ca_file``, ``cert_file`` and ``key_file`` are PEM files, read again for every connection so that
    renewed certificates need no restart; without
    ``ca_file`` the system's authorities are trusted. ``path`` matters for
    websockets only. ``will`` is what the broker publishes with QoS 1, retained if
    ``retained_will`` says so, when the connection ends without a goodbye: (topic, payload).
    """

    host: str = "localhost"
    port: int = 1883
    username: str = ""
    password: str = field(default="", repr=False)
    qos: Literal[0, 1, 2] = 1
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    transport: Literal["tcp", "websockets"] = "tcp"
    path: str = "/mqtt"
    client_id: str = ""
    version: Literal["auto", "3.1.1", "5"] = "3.1.1"
    """auto: 5 where the broker speaks it"""
    will: tuple[str, bytes] | None = None
    retained_will: bool = True
    persistent: bool = True
    """the broker keeps what comes for this client identifier while we are away"""
    starts_with_us: bool = False
    """the broker is started when the service is, so that it may not be there at once"""
    prefix: str = "MQTT_"
    """begins the names of these settings, for messages"""


@dataclass
class ConnectionHistory:
    """The connections of a client."""

    reconnects: int = 0
    """connections that were made after the first"""
    last_error: str | None = None
    """why the last attempt failed or the last connection ended; no secrets"""


TrialOutcomeKind = Literal[
    "accepted",
    "taken",
    "refused",
    "silent",
    "closed",
    "unreachable",
    "untrusted",
    "other name",
    "tls",
    "busy",
    "failed",
]
"""outcomes of a trial; ``busy``: it was not made; ``failed``: its process failed"""


class TrialOutcome(msgspec.Struct, frozen=True):
    """Outcome of a trial."""

    kind: TrialOutcomeKind
    text: str = ""
    """reason in words, for some kinds"""
