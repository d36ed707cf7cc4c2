"""bssci.wire.frame: bytes in, payloads out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bssci.wire.errors import ErrorCode, FramingError
from bssci.wire.frame import DEFAULT_MAX_SIZE, IDENTIFIER, FrameDecoder, encode_frame

HEADER_OF_3 = bytes.fromhex("4d494f545942303103000000")


def test_frame_is_identifier_little_endian_size_and_payload() -> None:
    assert encode_frame(b"abc") == HEADER_OF_3 + b"abc"
    assert encode_frame(bytes(258))[8:12] == b"\x02\x01\x00\x00"


def test_a_whole_frame_is_one_payload() -> None:
    assert FrameDecoder().feed(HEADER_OF_3 + b"abc") == [b"abc"]


def test_frames_arrive_merged_and_split() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(encode_frame(b"one") + encode_frame(b"") + encode_frame(b"last")[:-1]) == [
        b"one",
        b"",
    ]
    assert decoder.feed(b"") == []
    assert decoder.feed(b"t" + IDENTIFIER) == [b"last"]
    assert decoder.feed(b"\x01\x00\x00\x00!") == [b"!"]


def test_a_frame_in_single_bytes() -> None:
    decoder = FrameDecoder()
    frame = encode_frame(b"xyz")
    assert [decoder.feed(frame[i : i + 1]) for i in range(len(frame))] == [[]] * (len(frame) - 1) + [[b"xyz"]]


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(0, 400), max_size=12))
def test_any_cut_gives_the_same_payloads(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(encode_frame, payloads))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    decoder = FrameDecoder(max_size=40)
    pieces = [stream[start:end] for start, end in pairwise(edges)]
    seen = [payload for piece in pieces for payload in decoder.feed(piece)]
    assert seen == payloads


def test_the_first_wrong_byte_of_an_identifier_is_enough() -> None:
    decoder = FrameDecoder()
    decoder.feed(b"MIO")
    with pytest.raises(FramingError, match="4d494f58"):
        decoder.feed(b"X")


@pytest.mark.parametrize(
    "garbage", [b"G", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"MIOTYB02\0\0\0\0"]
)
def test_a_wrong_identifier_is_refused_at_once(garbage: bytes) -> None:
    with pytest.raises(FramingError) as caught:
        FrameDecoder().feed(garbage)
    assert (caught.value.code, caught.value.op_id) == (ErrorCode.EPROTO, None)


def test_an_oversize_frame_is_refused_from_its_header() -> None:
    decoder = FrameDecoder(max_size=100)
    assert decoder.feed(encode_frame(bytes(100))) == [bytes(100)]
    with pytest.raises(FramingError, match="101 bytes is announced, 100 are allowed"):
        decoder.feed(IDENTIFIER + b"\x65\x00\x00\x00")


def test_the_default_limit_is_one_mebibyte() -> None:
    assert DEFAULT_MAX_SIZE == 1024 * 1024
    with pytest.raises(FramingError):
        FrameDecoder().feed(IDENTIFIER + b"\x01\x00\x10\x00")


def test_what_was_whole_before_the_fault_is_not_lost() -> None:
    decoder = FrameDecoder()
    decoder.feed(encode_frame(b"one")[:5])
    with pytest.raises(FramingError) as caught:
        decoder.feed(encode_frame(b"one")[5:] + encode_frame(b"two") + b"garbage")
    assert caught.value.completed == [b"one", b"two"]
    with pytest.raises(FramingError) as caught:
        decoder.feed(encode_frame(b"three"))
    assert caught.value.completed == []


def test_a_large_frame_in_thousands_of_pieces_is_copied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    cut = FrameDecoder._cut

    def counted(decoder: FrameDecoder, data: bytes, payloads: list[bytes]) -> int:
        looks.append(len(data))
        return cut(decoder, data, payloads)

    monkeypatch.setattr(FrameDecoder, "_cut", counted)
    decoder = FrameDecoder()
    frame = encode_frame(bytes(range(256)) * 2048)
    pieces = [decoder.feed(frame[i : i + 100]) for i in range(0, len(frame), 100)]
    assert pieces[-1] == [frame[12:]]
    assert sum(looks) <= len(frame) + 100
