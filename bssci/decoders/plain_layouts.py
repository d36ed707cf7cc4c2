"""The fast path for payloads of one length whose fields have fixed positions and are independent of each
other.

Most sensors send such payloads. A payload with anything unusual (its length, a number that cannot be
computed) is left to the slow path, :class:`bssci.decoders.layouts.Layout`, which says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bssci.model import Reading

REMEMBERED_BITS = 16
"""bits of the fields whose readings are remembered: temperatures repeat, counters do not"""
REMEMBERED = 4096
"""readings that one format remembers for all its fields, roughly"""

ReadFields = Callable[[int], Reading | None]
"""function from a field's bits, as an unsigned integer, to its reading; None: there is none"""


class PlainField(NamedTuple):
    """One field at its place."""

    end: int
    """number of the first bit after it"""
    size: int
    """bits of the field"""
    read: ReadFields
    """may raise ArithmeticError or ValueError"""
    remembered: bool
    """true if looking up a reading is faster than making it again"""


class PlainLayout:
    """The fields of one format.

    :param length: bytes of a payload.
    :param fields: in order, those that have readings or whose value may be refused.
    """

    def __init__(self, length: int, fields: Sequence[PlainField]) -> None:
        self._length = length
        few = [field.remembered and field.size <= REMEMBERED_BITS for field in fields]
        most = max(1, REMEMBERED // max(1, sum(few)))
        # Each row has the get method of its memory, which is asked first, or None if the field is not
        # remembered.
        self._rows = tuple(
            (8 * length - field.end, (1 << field.size) - 1, *_ways(field, short, most))
            for field, short in zip(fields, few, strict=True)
        )

    def read(self, data: bytes) -> list[Reading] | None:
        """Return the readings in a payload; None: it needs the slow path."""
        if len(data) != self._length:
            return None
        payload = int.from_bytes(data)
        readings: list[Reading] = []
        try:
            for shift, mask, known, read in self._rows:
                raw = payload >> shift & mask
                reading = (known(raw) or read(raw)) if known is not None else read(raw)
                if reading is not None:
                    readings.append(reading)
        except (ArithmeticError, ValueError):
            return None
        return readings


def _ways(field: PlainField, remembered: bool, most: int) -> tuple[ReadFields | None, ReadFields]:
    if not remembered:
        return None, field.read
    memory: dict[int, Reading] = {}
    make = field.read

    def read(raw: int) -> Reading | None:
        reading = make(raw)
        if reading is not None:
            if len(memory) >= most:
                memory.clear()
            memory[raw] = reading
        return reading

    return memory.get, read
