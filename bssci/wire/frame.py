"""Frames: an identifier, the payload's size, the payload.

::

    4d 49 4f 54 59 42 30 31 | size: u32 little endian | payload
"""

from __future__ import annotations

import struct

from bssci.wire.errors import FramingError

IDENTIFIER = b"MIOTYB01"
DEFAULT_MAX_SIZE = 1024 * 1024
"""bytes of payload; the specification sets no limit"""

_HEADER = struct.Struct("<8sI")
HEADER_SIZE = _HEADER.size


def encode_frame(payload: bytes) -> bytes:
    """Return the payload with its header, ready to write."""
    return _HEADER.pack(IDENTIFIER, len(payload)) + payload


class FrameDecoder:
    """Splits a stream of bytes, which arrives in pieces of any size, into payloads.

    It buffers less than one frame plus the piece just fed, and copies every byte a constant number of times.

    :param max_size: bytes of the largest payload that is accepted.
    """

    def __init__(self, max_size: int = DEFAULT_MAX_SIZE) -> None:
        self._max_size = max_size
        self._buffer = bytearray()
        self._needed = 0  # bytes that the buffer must hold before it is worth parsing
        self._fault: str | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Take the bytes that arrived; return the payloads that they complete, in order.

        :raises FramingError: a header has a wrong identifier or too large a size; raised again by every later
            call. Its ``completed`` holds the payloads that this call completed before the fault.
        """
        if self._fault is not None:
            raise FramingError(self._fault)
        buffer = self._buffer
        if buffer:
            buffer += data
            if len(buffer) < self._needed:
                return []
            data = bytes(buffer)
        payloads: list[bytes] = []
        position = self._cut(data, payloads)
        if self._fault is not None:
            buffer.clear()
            raise FramingError(self._fault, payloads)
        buffer[:] = data[position:]
        return payloads

    def _cut(self, data: bytes, payloads: list[bytes]) -> int:
        """Append every complete payload in ``data``; return the position of the first incomplete frame."""
        unpack, max_size, available = _HEADER.unpack_from, self._max_size, len(data)
        start = 0
        while available - start >= HEADER_SIZE:
            identifier, size = unpack(data, start)
            if identifier != IDENTIFIER:
                break
            if size > max_size:
                self._fault = f"a payload of {size} bytes is announced, {max_size} are allowed"
                return start
            end = start + HEADER_SIZE + size
            if end > available:
                self._needed = end - start
                return start
            payloads.append(data[start + HEADER_SIZE : end])
            start = end
        if IDENTIFIER.startswith(data[start : start + len(IDENTIFIER)]):
            # An incomplete identifier is checked with every further byte, to refuse the first wrong one.
            self._needed = HEADER_SIZE if available - start >= len(IDENTIFIER) else 0
        else:
            found = data[start : start + len(IDENTIFIER)]
            self._fault = f"a frame begins with {IDENTIFIER.hex()}, not with {found.hex()}"
        return start
