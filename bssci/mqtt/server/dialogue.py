"""The order in which a client's packets may come.

        CONNECT                     accept()
NEW ---------------> CONNECTING ---------------> OPEN ---DISCONNECT, PUBLISH, CONNECT---> OVER
 |                                                ^ |
 +---- anything else ----> OVER                   +-+ SUBSCRIBE, UNSUBSCRIBE, PUBACK, PINGREQ
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

from bssci.mqtt.server.packets import (
    Acknowledge,
    ConnectPacket,
    Disconnect,
    Packet,
    PacketError,
    PacketReader,
    Publish,
)

MAX_FIRST = 8 * 1024
"""bytes of a CONNECT"""
MAX_PACKET = 66 * 1024
"""bytes of any other packet: enough for a SUBSCRIBE with the longest possible filter (65 535 bytes)"""
MAX_WAITING = 2 * MAX_PACKET
"""bytes that may wait for the decision whether the client is let in"""


class DialogueStage(Enum):
    """Stage of a client's connection."""

    NEW = auto()
    """nothing has come; only a CONNECT may [MQTT-3.1.0-1]"""
    CONNECTING = auto()
    """no decision yet whether the client is let in; what it sends meanwhile waits"""
    OPEN = auto()
    """the client is in"""
    OVER = auto()
    """nothing more is read"""


class Dialogue:
    """The packets of one client, in a permitted order."""

    __slots__ = ("_reader", "stage")

    def __init__(self) -> None:
        self.stage = DialogueStage.NEW
        self._reader = PacketReader(MAX_FIRST)

    def receive(self, data: bytes) -> Iterator[Packet]:
        """Take bytes, and yield the packets that may be acted on, until a decision about the client is due.

        :raises PacketError: the connection is to be closed.
        """
        if self.stage is DialogueStage.OVER:
            return
        self._reader.add(data)
        try:
            if self.stage is DialogueStage.CONNECTING and len(self._reader) > MAX_WAITING:
                raise PacketError("oversize", f"more than {MAX_WAITING} bytes before the answer to a CONNECT")
            while self.stage in (DialogueStage.NEW, DialogueStage.OPEN):
                packet = self._reader.next()
                if packet is None:
                    return
                if self.stage is not DialogueStage.OPEN or not isinstance(packet, Acknowledge):
                    self._check(packet)
                yield packet
        except PacketError:
            self.stage = DialogueStage.OVER
            raise

    def accept(self) -> None:
        """Let the client in; what it has sent meanwhile comes with the next :meth:`receive`."""
        self.stage = DialogueStage.OPEN
        self._reader.take_packets_of(MAX_PACKET)

    def end(self) -> None:
        """Read nothing more."""
        self.stage = DialogueStage.OVER

    def _check(self, packet: Packet) -> None:
        if isinstance(packet, ConnectPacket):
            if self.stage is not DialogueStage.NEW:
                raise PacketError("unexpected", "a second CONNECT")
            self.stage = DialogueStage.CONNECTING
        elif self.stage is DialogueStage.NEW:
            raise PacketError("unexpected", f"{type(packet).__name__} before CONNECT")
        elif isinstance(packet, Publish):
            raise PacketError("publish", "this stream is read-only, nothing can be published")
        elif isinstance(packet, Disconnect):
            self.stage = DialogueStage.OVER
