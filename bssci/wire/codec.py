"""Conversion of payloads to messages and back, in the encoding of the connection's first payload.

The fast and strict way comes first: msgspec decodes directly to the message. Only a payload that it refuses
is read as plain objects, unless it is large, repaired where real stations are known to need it
(``bssci.wire.repair``), and converted::

    payload -> msgspec ----------------------------> rules -> message
                  | refused                            ^
                  v                                    |
               plain objects -> mend -> convert -------+
                  |                        | 71 missing or mistyped, 22 out of range
                  |                        v
                  +-- not a map: FramingError; malformed: 71; unknown command: 95 --> ProtocolError

``decode`` raises ProtocolError (FramingError is one) and nothing else, whatever the bytes are.
"""

from __future__ import annotations

from enum import Enum
from functools import reduce
from operator import or_
from typing import Any

import msgspec

from bssci.wire.checks import RULES, WIDE_RULES
from bssci.wire.errors import ErrorCode, FramingError, ProtocolError
from bssci.wire.frame import encode_frame
from bssci.wire.messages import AttPrp, AttPrp11, Message, command_of
from bssci.wire.operations import MESSAGES
from bssci.wire.plain import BROKEN, holds_extension, read_msgpack, read_plain
from bssci.wire.repair import mend

MAX_REPAIRED = 1 << 15
"""bytes of the largest payload that is read as plain objects, which takes up to two milliseconds for each KB;
the longest uplink of a sensor fits, with all its subpackets"""
_ANY_MESSAGE = reduce(or_, MESSAGES)
_BY_COMMAND = {command_of(kind): kind for kind in MESSAGES}
_MSGPACK_MAPS = frozenset((*range(0x80, 0x90), 0xDE, 0xDF))
_INT64 = range(-(2**63), 2**63)


class _Head(msgspec.Struct):
    """The one field that is needed to answer a message, whatever else it holds."""

    opId: object = None


class Encoding(Enum):
    """Encoding of a connection's maps."""

    MESSAGEPACK = "messagepack"
    """used by every station known so far"""
    JSON = "json"
    """allowed by the specification"""


def detect_encoding(payload: bytes) -> Encoding | None:
    """Return the encoding in which ``payload`` begins a map; None if it does not begin one."""
    if payload[:1] == b"{":
        return Encoding.JSON
    return Encoding.MESSAGEPACK if payload and payload[0] in _MSGPACK_MAPS else None


class Codec:
    """Decodes and encodes messages. It has no state, so one codec can serve any number of connections."""

    def __init__(self, encoding: Encoding) -> None:
        self.encoding = encoding
        if encoding is Encoding.MESSAGEPACK:
            self._strict = msgspec.msgpack.Decoder(_ANY_MESSAGE).decode
            self._pack = msgspec.msgpack.Encoder().encode
            self._read = read_msgpack
            self._head = msgspec.msgpack.Decoder(_Head).decode
            self._rules = RULES
        else:
            self._strict = msgspec.json.Decoder(_ANY_MESSAGE).decode
            self._pack = msgspec.json.Encoder().encode
            self._read = read_plain
            self._head = msgspec.json.Decoder(_Head).decode
            self._rules = WIDE_RULES

    @classmethod
    def detect(cls, first_payload: bytes) -> Codec:
        """Return the codec for a connection with this first payload.

        :raises FramingError: it begins a map in neither encoding.
        """
        encoding = detect_encoding(first_payload)
        if encoding is None:
            raise FramingError(f"a MessagePack or JSON map is expected, not {first_payload[:1].hex()!r}")
        return cls(encoding)

    def encode(self, message: Message) -> bytes:
        """Return the message as a whole frame, ready to write."""
        return encode_frame(self._pack(message))

    def encode_payload(self, message: Message) -> bytes:
        """Return the message without a frame header, as ``decode`` takes it; for storage."""
        return self._pack(message)

    def decode(self, payload: bytes) -> Message:
        """Return the message in a payload, whichever side may send such a message.

        :raises ProtocolError: with ``op_id`` if that can be read: 71 for a malformed map and for a missing or
            mistyped field, 22 for a value out of range, 95 for an unknown command.
        :raises FramingError: the payload does not begin a map in this codec's encoding.
        """
        try:
            message = self._strict(payload)
        except BROKEN as error:
            if len(payload) > MAX_REPAIRED:
                raise self._too_long(payload, error) from error
            message = self._repaired(payload)
            return WIDE_RULES[type(message)](message)
        rule = self._rules.get(type(message))
        return message if rule is None else rule(message)

    def _repaired(self, payload: bytes) -> Message:
        if detect_encoding(payload) is not self.encoding:
            raise FramingError(f"a {self.encoding.value} map is expected, not {payload[:1].hex()!r}")
        fields, fault, code = self._read(payload)
        op_id = _op_id(fields.get("opId"))
        if fault is not None:
            raise ProtocolError(code, fault, self._op_id_anywhere(payload) if op_id is None else op_id)
        kind = _kind(fields, op_id)
        mended = mend(fields, kind)
        try:
            return msgspec.convert(mended, kind)
        except msgspec.ValidationError as error:
            raise _extension(kind, mended, op_id) or _named(kind, str(error), op_id) from error
        except BROKEN as error:
            raise ProtocolError(ErrorCode.EPROTO, "a value is malformed", op_id, command_of(kind)) from error

    def _too_long(self, payload: bytes, error: Exception) -> ProtocolError:
        """Return the refusal of a payload that is not examined any further."""
        code = ErrorCode.EINVAL if isinstance(error, msgspec.ValidationError) else ErrorCode.EPROTO
        text = f"{len(payload)} bytes, but a message of more than {MAX_REPAIRED} has to be correct: {error}"
        return ProtocolError(code, text.replace(" - at `$.", " at `"), self._op_id_anywhere(payload))

    def _op_id_anywhere(self, payload: bytes) -> int | None:
        """Return the opId of a payload that could not be read to its end; it may come after the fault."""
        try:
            return _op_id(self._head(payload).opId)
        except BROKEN:
            return None


def _op_id(op_id: object) -> int | None:
    """Return a value as an opId; None if it is not a whole number of 64 bits."""
    if isinstance(op_id, float) and op_id.is_integer():
        op_id = int(op_id)
    return op_id if type(op_id) is int and op_id in _INT64 else None


def _kind(fields: dict[str, Any], op_id: int | None) -> type[Message]:
    """Return the class of a map's ``command``; ``attPrp`` has two, which differ by the field ``epClass``."""
    command = fields.get("command")
    if not isinstance(command, str):
        raise ProtocolError(ErrorCode.EPROTO, "command is missing or not a string", op_id)
    kind = _BY_COMMAND.get(command)
    if kind is None:
        command = command[:40]
        raise ProtocolError(ErrorCode.ENOTSUP, f"command {command!r} is not supported", op_id, command)
    return AttPrp11 if kind is AttPrp and "epClass" in fields else kind


def _extension(kind: type[Message], fields: dict[str, Any], op_id: int | None) -> ProtocolError | None:
    """Return the refusal of a message that holds a MessagePack extension, whatever else is wrong with it."""
    for name, value in fields.items():
        if holds_extension(value):
            text = f"{command_of(kind)}: a MessagePack extension, such as a timestamp, stands at `{name}`"
            return ProtocolError(ErrorCode.EINVAL, text, op_id, command_of(kind))
    return None


def _named(kind: type[Message], refusal: str, op_id: int | None) -> ProtocolError:
    """Return msgspec's refusal, which names field and expected type, as an error: 71 for a missing field or a
    wrong type, 22 for anything else.
    """
    structural = "missing required" in refusal or ", got `" in refusal
    code = ErrorCode.EPROTO if structural else ErrorCode.EINVAL
    text = refusal.replace(" - at `$.", " at `")
    return ProtocolError(code, f"{command_of(kind)}: {text}", op_id, command_of(kind))
