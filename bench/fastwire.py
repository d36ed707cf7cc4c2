"""Frames packed beforehand and answers recognised by their bytes: for the load generator only.

Packing or decoding a message costs microseconds. Here a frame is packed once, with integers so large that
each takes its full width, and cut around them: from then on a frame is one ``struct`` call. The answers to
uplinks are all alike but for the opId, so that a whole buffer of them is read by one call as well.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import msgspec

from bssci.wire.errors import FramingError
from bssci.wire.frame import IDENTIFIER

FIRST_OP_ID = 1 << 16
"""From here up to 2**32 every opId takes five bytes, in what we send and in what is answered."""
_HEADER = struct.Struct("<8sI")
_U32 = b"\xce"


class Template:
    """A frame with gaps for integers.

    :param frame: packed with ``marks`` where the integers belong.
    :param marks: the value that stands in each gap and its ``struct`` format, in their order in the frame.
    """

    def __init__(self, frame: bytes, marks: Sequence[tuple[int, str]]) -> None:
        layout, start = ">", 0
        self.constants: list[bytes] = []
        """bytes before, between and after the gaps; ``pack`` takes them and the integers in turn"""
        for value, width in marks:
            gap = struct.pack(">" + width, value)
            position = frame.index(gap, start)
            self.constants.append(frame[start:position])
            layout += f"{position - start}s{width}"
            start = position + len(gap)
        self.constants.append(frame[start:])
        self.pack = struct.Struct(f"{layout}{len(frame) - start}s").pack


class Head(msgspec.Struct):
    """As much of any message as the load generator needs."""

    command: str
    opId: int
    code: int = 0


_decode_head = msgspec.msgpack.Decoder(Head).decode


class AnswerReader:
    """Cuts what a service center sends: opIds of ``ulDataRsp`` in bulk, everything else one by one.

    :param other: called with every other message.
    """

    def __init__(self, other: Callable[[Head], None]) -> None:
        self._other = other
        self._rest = b""
        self._size = 0
        self._prefix = self._suffix = b""
        self._answers = struct.Struct("")

    def feed(self, data: bytes) -> list[int]:
        """Return the opIds that are acknowledged by what arrived.

        :raises FramingError: if a frame does not begin as it must.
        """
        if self._rest:
            data = self._rest + data
        if self._size:
            count = len(data) // self._size
            end = count * self._size
            if self._are_answers(data, end, count):
                op_ids = [op_id for (op_id,) in self._answers.iter_unpack(data[:end])]
                # What is left may be a whole message shorter than an answer.
                return op_ids + self._one_by_one(data[end:])
        return self._one_by_one(data)

    def _are_answers(self, data: bytes, end: int, count: int) -> bool:
        return (
            data.startswith(self._prefix)
            and data.count(self._prefix, 0, end) == count
            and (not self._suffix or data.count(self._suffix, 0, end) == count)
        )

    def _one_by_one(self, data: bytes) -> list[int]:
        op_ids = []
        start = 0
        while len(data) - start >= _HEADER.size:
            identifier, size = _HEADER.unpack_from(data, start)
            if identifier != IDENTIFIER:
                raise FramingError(f"a frame begins with {identifier.hex()}")
            end = start + _HEADER.size + size
            if end > len(data):
                break
            head = _decode_head(data[start + _HEADER.size : end])
            if head.command == "ulDataRsp":
                op_ids.append(head.opId)
                if not self._size:
                    self._learn(data[start:end], head.opId)
            else:
                self._other(head)
            start = end
        self._rest = data[start:]
        return op_ids

    def _learn(self, frame: bytes, op_id: int) -> None:
        """Remember what an answer to an uplink looks like."""
        before, mark, self._suffix = frame.partition(_U32 + op_id.to_bytes(4, "big"))
        if mark:
            self._prefix = before + _U32
            self._size = len(frame)
            self._answers = struct.Struct(f">{len(self._prefix)}xI{len(self._suffix)}x")
