from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bssci.decoders import bits


@given(st.binary(min_size=1, max_size=40), st.data())
def test_a_field_is_cut_as_its_bits_stand(data: bytes, draw: st.DataObject) -> None:
    written = "".join(f"{byte:08b}" for byte in data)
    first = draw.draw(st.integers(0, len(written) - 1))
    size = draw.draw(st.integers(1, len(written) - first))
    assert bits.cut(data, first, size) == int(written[first : first + size], 2)


def test_a_field_beyond_the_end_cannot_be_cut() -> None:
    with pytest.raises(IndexError):
        bits.cut(b"\x00", 4, 5)


@given(st.integers(1, 64), st.data())
def test_a_signed_field_of_any_size_is_the_number_that_was_written(size: int, draw: st.DataObject) -> None:
    number = draw.draw(st.integers(-(1 << size - 1), (1 << size - 1) - 1))
    assert bits.signed(size)(number & (1 << size) - 1) == number


@given(st.integers(1, 64), st.data())
def test_little_endian_fields(size: int, draw: st.DataObject) -> None:
    number = draw.draw(st.integers(0, (1 << size) - 1))
    whole, rest = divmod(size, 8)
    written = "".join(f"{number >> 8 * place & 0xFF:08b}" for place in range(whole))
    if rest:
        written += f"{number >> 8 * whole:0{rest}b}"
    swap = bits.swapped(size) or (lambda field: field)
    assert swap(int(written, 2)) == number


@pytest.mark.parametrize("size", sorted(bits.FLOATS))
def test_a_float_of_each_size_is_read_and_nan_is_no_number(size: int) -> None:
    assert bits.floating(size)(int.from_bytes(struct.pack(bits.FLOATS[size], -1.5))) == -1.5
    assert not bits.is_number(bits.floating(size)((1 << size) - 1))


def test_texts_and_bytes() -> None:
    assert bits.text(48)(int.from_bytes(b"caf\xc3\xa9\0")) == "café"
    assert bits.text(16)(0xFF00) == "\ufffd"
    assert bits.octets(24)(0x00AB01) == "00ab01"
    assert bits.boolean(0b100) is True
