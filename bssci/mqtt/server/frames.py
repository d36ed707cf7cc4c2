"""WebSocket frames between a server and its clients (RFC 6455 §5), after the handshake.

MQTT is a stream of bytes: packets may be spread over frames, and frames hold several packets (MQTT 3.1.1
§6). So messages are not put together here, and a fragment is passed on as it comes.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_CONTROL = 125
"""bytes of a control frame"""
MAX_FRAME = 1 << 20
"""bytes of a data frame that a client may announce; they are passed on as they come"""
MAX_REASON = 123
"""bytes of the reason of a close frame"""
_SMALL = b"\x82\x84"
_CONTINUED, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

NORMAL, GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED, POLICY, TOO_BIG, TRY_LATER = (
    1000, 1001, 1002, 1003, 1008, 1009, 1013,
)  # fmt: skip
"""codes of a close frame (RFC 6455 §7.4.1, and the registry of IANA)"""


class FrameError(Exception):
    """A client has sent bytes that are not a permitted frame.

    :ivar code: for the close frame.
    :ivar reason: short and stable, for counting.
    """

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class Control(NamedTuple):
    """A ping or a close frame from the client."""

    is_close: bool
    payload: bytes


class ClientFrames:
    """Splits the frames of a client's stream as they arrive.

    :ivar closed: the client has sent its close frame; nothing more is read.
    """

    __slots__ = ("_buffer", "_left", "_mask", "_within", "closed")

    def __init__(self) -> None:
        self._buffer = b""
        self._left = 0
        """bytes of a data frame that are still to come"""
        self._mask = b""
        """the mask for these, rotated to the next of them"""
        self._within = False
        """the last frame of a fragmented message has not begun"""
        self.closed = False

    def feed(self, data: bytes) -> tuple[bytes, list[Control]]:
        """Return what the frames hold: the bytes of data, and pings and the close frame.

        :raises FrameError: the rest of the stream cannot be read.
        """
        buffer = self._buffer + data if self._buffer else data
        pieces: list[bytes] = []
        controls: list[Control] = []
        position, size = 0, len(buffer)
        while position < size and not self.closed:
            if buffer[position : position + 2] == _SMALL and not self._left and not self._within:
                # A packet of four bytes in a frame of its own: acknowledgements, most of what clients send.
                end = position + 10
                if size < end:
                    break
                _, _, m0, m1, m2, m3, b0, b1, b2, b3 = buffer[position:end]
                pieces.append(bytes((m0 ^ b0, m1 ^ b1, m2 ^ b2, m3 ^ b3)))
                position = end
                continue
            if self._left:
                end = min(position + self._left, size)
                pieces.append(self._unmasked(buffer[position:end]))
                self._left -= end - position
                position = end
                continue
            header = self._header(buffer, position)
            if header is None:
                break
            opcode, length, start = header
            if opcode < _CLOSE:
                self._left, self._mask, position = length, buffer[start - 4 : start], start
                continue
            if size < start + length:
                break
            position = start + length
            payload = unmask(buffer[start:position], buffer[start - 4 : start])
            if opcode == _CLOSE:
                self.closed = True
                controls.append(Control(True, payload))
            elif opcode == _PING:
                controls.append(Control(False, payload))
        self._buffer = b"" if self.closed else buffer[position:]
        return b"".join(pieces), controls

    def _header(self, buffer: bytes, position: int) -> tuple[int, int, int] | None:
        """Return opcode, length and where the payload begins; None if the header is not complete."""
        available = len(buffer) - position
        if available < 2:
            return None
        first, second = buffer[position], buffer[position + 1]
        opcode, length = first & 0x0F, second & 0x7F
        is_last = first >= 0x80
        _check(first, second)
        if opcode < _CLOSE and (opcode == _CONTINUED) is not self._within:
            raise FrameError(PROTOCOL_ERROR, "frame", "a fragment out of order")
        if opcode >= _CLOSE and (length > MAX_CONTROL or not is_last):
            raise FrameError(PROTOCOL_ERROR, "frame", "a control frame that is long or in fragments")
        extended = 2 if length == 126 else 8 if length == 127 else 0
        start = position + 6 + extended
        if len(buffer) < start:
            return None
        if extended:
            length = int.from_bytes(buffer[position + 2 : position + 2 + extended])
            if length < (126 if extended == 2 else 0x10000):
                raise FrameError(PROTOCOL_ERROR, "frame", "a length in more bytes than it needs")
            if length > MAX_FRAME:
                raise FrameError(TOO_BIG, "oversize", f"a frame of {length} bytes, {MAX_FRAME} are allowed")
        if opcode < _CLOSE:
            self._within = not is_last
        return opcode, length, start

    def _unmasked(self, data: bytes) -> bytes:
        mask = self._mask
        turn = len(data) % 4
        if turn:
            self._mask = mask[turn:] + mask[:turn]
        return unmask(data, mask)


def _check(first: int, second: int) -> None:
    if first & 0x70:
        # No extension was negotiated, so nothing is compressed either.
        raise FrameError(PROTOCOL_ERROR, "frame", "reserved bits of a frame are set")
    opcode = first & 0x0F
    if opcode == _TEXT:
        raise FrameError(UNSUPPORTED, "text", "a text frame: MQTT comes in binary frames")
    if opcode not in (_CONTINUED, _BINARY, _CLOSE, _PING, _PONG):
        raise FrameError(PROTOCOL_ERROR, "frame", f"a frame of type {opcode}")
    if second < 0x80:
        raise FrameError(PROTOCOL_ERROR, "mask", "a frame that is not masked")


def unmask(data: bytes, mask: bytes) -> bytes:
    """Return ``data`` XOR ``mask``: what was masked is unmasked, what was not is masked."""
    size = len(data)
    if not size:
        return b""
    pattern = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data) ^ int.from_bytes(pattern)).to_bytes(size)


def frame_header(length: int, opcode: int = _BINARY) -> bytes:
    """Return the header of a whole message from the server, which masks nothing."""
    if length < 126:
        return bytes((0x80 | opcode, length))
    if length < 0x10000:
        return bytes((0x80 | opcode, 126)) + length.to_bytes(2)
    return bytes((0x80 | opcode, 127)) + length.to_bytes(8)


def ping() -> bytes:
    """Return a ping."""
    return frame_header(0, _PING)


def pong(payload: bytes) -> bytes:
    """Return the answer to a ping."""
    return frame_header(len(payload), _PONG) + payload


def close(code: int, reason: str = "") -> bytes:
    """Return a close frame; a reason that is too long is cut."""
    text = reason.encode()[:MAX_REASON].decode(errors="ignore").encode()
    return frame_header(2 + len(text), _CLOSE) + code.to_bytes(2) + text
