"""bssci.mqtt.server.frames: against the client of the library websockets, and bytes that it never sends."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from bssci.mqtt.server import frames
from bssci.mqtt.server.frames import ClientFrames, Control, FrameError, frame_header


def client() -> ClientProtocol:
    return ClientProtocol(parse_uri("ws://service.test/mqtt"), state=OPEN)


def masked(first: int, payload: bytes, mask: bytes = b"\1\2\3\4") -> bytes:
    """A frame of a client."""
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    else:
        length = b"\xfe" + size.to_bytes(2) if size < 0x10000 else b"\xff" + size.to_bytes(8)
    return bytes((first,)) + length + mask + frames.unmask(payload, mask)


@given(st.lists(st.binary(max_size=70_000), max_size=4), st.lists(st.integers(0, 300), max_size=6))
def test_reads_what_a_client_writes_cut_anywhere(messages: list[bytes], cuts: list[int]) -> None:
    machine = client()
    for message in messages:
        machine.send_binary(message)
        machine.send_ping(b"p")
    stream = b"".join(machine.data_to_send())
    reader, data, controls = ClientFrames(), b"", []
    for start, end in pairwise([0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]):
        piece, found = reader.feed(stream[start:end])
        data += piece
        controls += found
    assert data == b"".join(messages)
    assert controls == [Control(False, b"p")] * len(messages)


@given(st.binary(min_size=1, max_size=300))
def test_fragments_of_one_byte(payload: bytes) -> None:
    reader = ClientFrames()
    pieces = [masked(0x02 if not place else 0x00, bytes((byte,))) for place, byte in enumerate(payload)]
    stream = b"".join(pieces) + masked(0x80, b"")
    data = b"".join(reader.feed(bytes((byte,)))[0] for byte in stream)
    assert data == payload


@given(st.sampled_from([0, 1, 125, 126, 65535, 65536]))
def test_a_client_reads_what_is_written(size: int) -> None:
    machine = client()
    machine.receive_data(frame_header(size) + bytes(size) + frames.ping() + frames.pong(b"x"))
    message, *rest = machine.events_received()
    assert (message.opcode, len(message.data)) == (Opcode.BINARY, size)
    assert [each.opcode for each in rest] == [Opcode.PING, Opcode.PONG]


def test_a_client_reads_why_it_is_closed() -> None:
    machine = client()
    machine.receive_data(frames.close(frames.POLICY, "too slow" + "\N{GREEK SMALL LETTER ALPHA}" * 100))
    assert machine.close_rcvd is not None
    assert machine.close_rcvd.code == 1008
    assert machine.close_rcvd.reason.startswith("too slow")


def test_the_end_of_a_client() -> None:
    machine = client()
    machine.send_close(1000, "bye")
    reader = ClientFrames()
    data, controls = reader.feed(b"".join(machine.data_to_send()) + b"more")
    assert (data, controls) == (b"", [Control(True, b"\x03\xe8bye")])
    assert reader.closed
    assert reader.feed(b"anything") == (b"", [])


@pytest.mark.parametrize(
    "data, code, reason",
    [
        (masked(0x81, b"text"), 1003, "text"),
        (masked(0xC2, b"compressed"), 1002, "frame"),
        (masked(0xA2, b""), 1002, "frame"),
        (masked(0x83, b""), 1002, "frame"),
        (masked(0x8F, b""), 1002, "frame"),
        (b"\x82\x04abcd", 1002, "mask"),
        (masked(0x80, b"continued"), 1002, "frame"),
        (masked(0x02, b"a") + masked(0x82, b"b"), 1002, "frame"),
        (masked(0x09, b"in fragments"), 1002, "frame"),
        (masked(0x89, bytes(126)), 1002, "frame"),
        (b"\x82\xff" + (1 << 40).to_bytes(8) + b"mask", 1009, "oversize"),
        (b"\x82\xff\xff" + bytes(7) + b"mask", 1009, "oversize"),
        (b"\x82\xfe\x00\x7d" + b"mask", 1002, "frame"),
        (b"\x82\xff" + (0xFFFF).to_bytes(8) + b"mask", 1002, "frame"),
        (b"GET / HTTP/1.1\r\n", 1002, "frame"),
    ],
)
def test_what_must_not_be_sent(data: bytes, code: int, reason: str) -> None:
    with pytest.raises(FrameError) as refused:
        ClientFrames().feed(data)
    assert (refused.value.code, refused.value.reason) == (code, reason)


@given(st.binary(max_size=300))
def test_any_bytes_are_frames_or_refused(data: bytes) -> None:
    try:
        ClientFrames().feed(data)
    except FrameError as error:
        assert error.code in (1002, 1003, 1009)
