"""A connection of a simulated base station: conversion of bytes to messages and back, and ``con`` (§5.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as Interface

import msgspec
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from bssci.simulator.quirks import Quirks
from bssci.wire.codec import Codec, Encoding
from bssci.wire.errors import FramingError, ProtocolError
from bssci.wire.frame import FrameDecoder, encode_frame
from bssci.wire.messages import AttPrp11, Con, ConCmp, ConRsp, Error, ErrorAck, Message

MAX_FRAME = 16 * 1024 * 1024
"""Largest payload in bytes that a station accepts in one frame."""


CODECS = {encoding: Codec(encoding) for encoding in Encoding}
_ATTACH_1_1: dict[Encoding, msgspec.msgpack.Decoder[AttPrp11] | msgspec.json.Decoder[AttPrp11]] = {
    Encoding.MESSAGEPACK: msgspec.msgpack.Decoder(AttPrp11),
    Encoding.JSON: msgspec.json.Decoder(AttPrp11),
}


class ConnectionOwner(Interface):
    """The station that owns a connection, as the connection uses it."""

    quirks: Quirks

    def build_con(self) -> Con: ...
    def established(self, answer: ConRsp) -> None: ...
    def refused_connection(self, error: Error) -> None: ...
    def received_message(self, message: Message) -> None: ...
    def received_garbage(self, error: ProtocolError) -> None: ...
    def lost(self, connection: StationConnection, reason: Failure) -> None: ...


class StationConnection(Protocol):
    """Sends ``con`` as soon as it is open, and passes everything after ``conCmp`` to its owner."""

    transport: ITCPTransport

    def __init__(self, owner: ConnectionOwner) -> None:
        self._owner = owner
        self._frames = FrameDecoder(MAX_FRAME)
        self._codec = codec_for(owner.quirks)
        self._pack = packer(owner.quirks, self._codec)
        self._is_established = False

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        con = self._owner.build_con()
        self.send(con)
        if "con-twice" in self._owner.quirks:
            self.send(con)

    def dataReceived(self, data: bytes) -> None:
        try:
            payloads = self._frames.feed(data)
        except FramingError as error:
            self._owner.received_garbage(error)
            self.transport.abortConnection()
            return
        for payload in payloads:
            try:
                message = self._decode(payload)
            except ProtocolError as error:
                self._owner.received_garbage(error)
            else:
                self._receive(message)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._owner.lost(self, reason)

    def send(self, message: Message) -> None:
        """Encode a message with the quirks of this station, and write it."""
        self.transport.write(self._pack(message))

    def _decode(self, payload: bytes) -> Message:
        if "version-1.1" in self._owner.quirks:
            try:
                return _ATTACH_1_1[self._codec.encoding].decode(payload)
            except msgspec.MsgspecError:
                pass  # all other messages are the same in both versions
        return self._codec.decode(payload)

    def _receive(self, message: Message) -> None:
        if self._is_established:
            if not isinstance(message, ConRsp):
                self._owner.received_message(message)
        elif isinstance(message, ConRsp):
            self._is_established = True
            self.send(ConCmp(opId=0))
            self._owner.established(message)
        elif isinstance(message, Error):
            self.send(ErrorAck(opId=message.opId))
            self._owner.refused_connection(message)
            self.transport.loseConnection()


def codec_for(quirks: Quirks) -> Codec:
    """Return the codec of a station, which chooses the encoding of its connections."""
    return CODECS[Encoding.JSON if "json" in quirks else Encoding.MESSAGEPACK]


def packer(quirks: Quirks, codec: Codec) -> Callable[[Message], bytes]:
    """Return the function that encodes a message as a frame, as a station with these quirks does."""
    if not quirks.change_messages:
        return codec.encode
    pack = msgspec.json.encode if "json" in quirks else msgspec.msgpack.encode

    def encode(message: Message) -> bytes:
        return encode_frame(pack(quirks.apply(msgspec.to_builtins(message))))

    return encode
