"""Fields of any number of bits: how the bits of a field become a value.

A field is cut out of the payload as an unsigned integer, most significant bit first. In a little-endian field
of several bytes, bytes are swapped; bits that do not fill a byte stand last and count most.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

BitValue = int | float | str
"""bool is an int"""
Interpret = Callable[[int], BitValue]
"""function from the bits of one field, as an unsigned integer, to its value"""

LARGEST = 64
"""bits of a number"""
FLOATS = {16: ">e", 32: ">f", 64: ">d"}
"""sizes in bits"""


def cut(data: bytes, first: int, size: int) -> int:
    """Return ``size`` bits from bit ``first`` on, 0 being the highest of the first byte, as an unsigned
    integer.

    :raises IndexError: the data ends before the field does.
    """
    shift = len(data) * 8 - first - size
    if shift < 0:
        raise IndexError
    return int.from_bytes(data) >> shift & (1 << size) - 1


def swapped(size: int) -> Interpret | None:
    """Return the function from a little-endian field of so many bits to its number; None if there is none."""
    if size <= 8:
        return None
    whole, rest = divmod(size, 8)
    if rest == 0:
        return lambda bits: int.from_bytes(bits.to_bytes(whole), "little")
    mask = (1 << rest) - 1
    return lambda bits: (
        int.from_bytes((bits >> rest).to_bytes(whole), "little") | (bits & mask) << (size - rest)
    )


def signed(size: int) -> Interpret:
    """Return the function from two's complement of ``size`` bits to its number."""
    sign, range_ = 1 << size - 1, 1 << size
    return lambda bits: bits - range_ if bits & sign else bits


def floating(size: int) -> Interpret:
    """Return the function from IEEE 754 bits to their number, which may be NaN or infinite; see
    :data:`FLOATS`."""
    layout, length = struct.Struct(FLOATS[size]), size // 8
    return lambda bits: layout.unpack(bits.to_bytes(length))[0]


def boolean(bits: int) -> bool:
    """Return whether any bit is set."""
    return bits != 0


def octets(size: int) -> Interpret:
    """Return the function from bits to hexadecimal digits, two for each byte."""
    length = size // 8
    return lambda bits: bits.to_bytes(length).hex()


def text(size: int) -> Interpret:
    """Return the function from bits to UTF-8 text up to the first zero byte; invalid bytes are replaced."""
    length = size // 8
    return lambda bits: bits.to_bytes(length).split(b"\0", 1)[0].decode("utf-8", "replace")


def is_number(value: BitValue) -> bool:
    """Return whether a float is a number: a sensor sends NaN for a failed measurement."""
    return math.isfinite(value)  # type: ignore[arg-type]


def after_swap(swap: Interpret | None, then: Interpret | None) -> Interpret | None:
    """Return a function that applies both, one after the other; None if both are None."""
    if swap is None:
        return then
    if then is None:
        return swap
    return lambda bits: then(swap(bits))  # type: ignore[arg-type]
