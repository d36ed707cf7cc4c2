"""One payload format of a blueprint, compiled: where each field's bits are, and how they become readings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import NamedTuple

import msgspec

from bssci.decoders.bits import BitValue, Interpret, is_number
from bssci.decoders.expressions import Evaluate, Number, fault
from bssci.decoders.interfaces import DecodeError
from bssci.decoders.plain_layouts import PlainField, PlainLayout, ReadFields
from bssci.decoders.quantities import QuantityRule
from bssci.decoders.units import Conversion
from bssci.model import Reading
from bssci.model.counts import many

DECIMALS = 10
"""decimals of computed values: 22.1, not 22.099999999999966"""
MAX_BYTES = 4096
"""bytes of a payload; a mioty telegram has 245 at most"""
_LARGEST = 2**64


class FieldTrace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field as a decoder read it, for trying out a payload."""

    name: str
    """name that the vendor gives to the field"""
    first_bit: int | None = None
    """0 is the highest bit of the first byte; None for a field computed from others"""
    bits: int = 0
    raw: int | None = None
    """the bits of the payload as an unsigned integer; None if there are more than 64"""
    reading: Reading | None = None
    """None: the field is hidden, or its value is not a number (NaN)"""
    absent: bool = False
    """its condition is not met, so it takes no bits; or a field that it is computed from is missing"""


class FieldStep(NamedTuple):
    """The reading of one field."""

    name: str
    size: int
    """bits; 0 for a virtual one"""
    mask: int
    offset: int | None
    """bit at which it begins; None: where the previous field ends"""
    interpret: Interpret | None
    """function from the bits to the value; None: the unsigned integer as it is"""
    condition: Evaluate | None
    compute: Evaluate | None
    """function from the raw value to the reading's; None: the value as it is"""
    enum: Mapping[Number, BitValue] | None
    """words for numbers"""
    out_name: str | None
    """name of the reading; None: hidden"""
    out_unit: str | None
    convert: Callable[[BitValue], BitValue] | None
    """conversion to the unit of the table of quantities; None: the value as it is"""
    rule: QuantityRule
    may_be_nan: bool
    alone: bool
    """true if no other field has the same name"""
    independent: bool
    """true if the value follows from the field's own bits"""


class Taken(NamedTuple):
    """The part of a payload that a field took."""

    step: FieldStep
    end: int
    """number of the first bit after it"""
    raw: int
    before: int
    """number of readings before it"""


class Layout:
    """The fields of one format in the order of their bits, then the virtual ones.

    :param number: the telegram's format byte.
    :param encrypted: number of the application layer's cipher; encrypted payloads are not read.
    :param rest_allowed: whether a payload may have more bytes than the fields take.
    """

    def __init__(
        self,
        number: int,
        name: str,
        steps: Sequence[FieldStep],
        virtual: Sequence[FieldStep] = (),
        encrypted: int = 0,
        rest_allowed: bool = False,
    ) -> None:
        self.number = number
        self.name = name
        self.steps = steps
        self.virtual = virtual
        self.encrypted = encrypted
        self._rest_allowed = rest_allowed
        # Plain tuples: Python takes these apart several times faster than named ones.
        self._rows = tuple(
            (
                step, step.name, step.size, step.mask, step.condition is None and step.offset is None,
                step.interpret, step.compute, step.out_name, step.out_unit, step.convert,
            )
            for step in steps
        )  # fmt: skip
        self._plain = None if encrypted or virtual else _plain(steps)

    @property
    def plain(self) -> PlainLayout | None:
        """Fast path with the same result as :meth:`read` without parameters; None: there is none."""
        return self._plain

    def read(self, data: bytes, values: dict[str, Number], taken: list[Taken] | None = None) -> list[Reading]:
        """Return the readings in a payload.

        :param values: values that expressions may refer to besides fields; the fields' values are added.
        :param taken: a list to which the bits of each field are added, even if this raises.
        :raises DecodeError: with the field and its bits.
        """
        if self.encrypted:
            raise DecodeError("encrypted", f"format {self.number} is encrypted (crypto {self.encrypted})")
        if len(data) > MAX_BYTES:
            raise DecodeError("too_long", f"byte {MAX_BYTES}: longer payloads are not read")
        readings = self._read_bits(data, values, taken)
        if self.virtual:
            self._compute_virtual(values, readings)
        return readings

    def _read_bits(self, data: bytes, values: dict[str, Number], taken: list[Taken] | None) -> list[Reading]:
        payload = int.from_bytes(data)
        total = len(data) * 8
        position = end = 0
        readings: list[Reading] = []
        for step, name, size, mask, plain, interpret, compute, out_name, out_unit, convert in self._rows:
            if not plain:
                if step.condition is not None and not _met(step, values):
                    continue
                end = max(end, position)
                position = position if step.offset is None else step.offset
            position += size
            if position > total:
                raise _too_short(step, position, data)
            value: BitValue = payload >> (total - position) & mask
            if taken is not None:
                taken.append(Taken(step, position, payload >> (total - position) & mask, len(readings)))
            if interpret is not None:
                value = interpret(value)  # type: ignore[arg-type]
                if step.may_be_nan and not is_number(value):
                    continue
            if compute is not None:
                try:
                    value = compute(value, values)  # type: ignore[arg-type]
                except (ArithmeticError, ValueError, KeyError) as error:
                    raise _not_computed(step, value, error) from error
            values[name] = value  # type: ignore[assignment]  # nothing refers to a text: compiling refuses it
            if out_name is not None:
                shown = value if convert is None else _converted(step, convert, value)
                readings.append(
                    Reading(out_name, shown, out_unit) if step.enum is None else _named(step, value)
                )
        end = max(end, position)
        if total - end >= 8 and not self._rest_allowed:
            raise _too_long(end, data)
        return readings

    def _compute_virtual(self, values: dict[str, Number], readings: list[Reading]) -> None:
        for step in self.virtual:
            if step.condition is not None and not _met(step, values):
                continue
            assert step.compute is not None  # a virtual field without a func is refused
            try:
                value = step.compute(0, values)
            except KeyError:
                continue  # nothing is computed from a field that is not in this payload
            except (ArithmeticError, ValueError) as error:
                raise _not_computed(step, 0, error) from error
            values[step.name] = value
            if step.enum is not None:
                readings.append(_named(step, value))
            elif step.out_name is not None:
                shown = value if step.convert is None else _converted(step, step.convert, value)
                readings.append(Reading(step.out_name, shown, step.out_unit))

    def traces(self, taken: Sequence[Taken], readings: Sequence[Reading]) -> list[FieldTrace]:
        """Return every field with the bits that it took and its reading."""
        found = {id(one.step): one for one in taken}
        traces = []
        for step in self.steps:
            one = found.get(id(step))
            if one is None:
                traces.append(FieldTrace(name=step.name, absent=True))
                continue
            follower = readings[one.before] if one.before < len(readings) else None
            mine = follower is not None and follower.name in {step.out_name, step.rule.name}
            traces.append(
                FieldTrace(
                    name=step.name,
                    first_bit=one.end - step.size,
                    bits=step.size,
                    raw=one.raw if step.size <= 64 else None,
                    reading=follower if mine and step.out_name is not None else None,
                )
            )
        by_name = {reading.name: reading for reading in readings}
        for step in self.virtual:
            reading = by_name.get(step.rule.name)
            traces.append(FieldTrace(name=step.name, reading=reading, absent=reading is None))
        return traces


def _plain(steps: Sequence[FieldStep]) -> PlainLayout | None:
    """Return the fast path; None if a field's position or value depends on other fields."""
    fields: list[PlainField] = []
    position = end = 0
    for step in steps:
        if step.condition is not None or not step.independent:
            return None
        position = (position if step.offset is None else step.offset) + step.size
        end = max(end, position)
        if step.out_name is not None or step.compute is not None:
            made = step.compute is not None or step.convert is not None or step.enum is not None
            remembered = made or step.size <= 8
            fields.append(PlainField(position, step.size, _reader(step), remembered))
    length = (end + 7) // 8
    return PlainLayout(length, fields) if length <= MAX_BYTES else None


def _reader(step: FieldStep) -> ReadFields:
    """Return the function from a field's bits to its reading, of a field that refers to no other."""
    name, unit, interpret, compute, convert = (
        step.out_name, step.out_unit, step.interpret, step.compute, step.convert
    )  # fmt: skip
    if name is not None and compute is None and convert is None and step.enum is None and not step.may_be_nan:
        if interpret is None:
            return lambda raw: Reading(name, raw, unit)
        return lambda raw: Reading(name, interpret(raw), unit)

    def read(raw: int) -> Reading | None:
        value: BitValue = raw if interpret is None else interpret(raw)
        if step.may_be_nan and not is_number(value):
            return None
        if compute is not None:
            value = compute(value, {})  # type: ignore[arg-type]
        if name is None:
            return None
        if step.enum is not None:
            return _named(step, value)
        return Reading(name, value if convert is None else convert(value), unit)

    return read


def _met(step: FieldStep, values: Mapping[str, Number]) -> bool:
    """Return whether a step's condition is met; false if it refers to a field that is not in this payload."""
    assert step.condition is not None  # the caller has checked
    try:
        met = bool(step.condition(0, values))
    except KeyError:
        return False
    except (ArithmeticError, ValueError) as error:
        code, message = fault(error, "condition")
        raise DecodeError(code, f"{step.name}: {message}") from error
    if met and not step.alone and step.name in values:
        raise DecodeError("clash", f"{step.name}: two fields of this name are in one payload")
    return met


def settled(compute: Evaluate) -> Evaluate:
    """Return the function with its results rounded, and never infinite or too large for 64 bits."""

    def settle(raw: Number, values: Mapping[str, Number]) -> Number:
        value = compute(raw, values)
        if value.__class__ is float:
            if not isfinite(value):
                raise ValueError
            return round(value, DECIMALS)
        return value if -_LARGEST < value < _LARGEST else float(value)

    return settle


def converting(conversion: Conversion) -> Callable[[BitValue], BitValue]:
    """Return the function that converts numbers to another unit, rounded; true and false stay.

    It raises OverflowError for a number that is too large in the other unit.
    """

    def convert(value: BitValue) -> BitValue:
        if value.__class__ is bool:
            return value
        number = round(conversion(value), DECIMALS)  # type: ignore[arg-type]
        if not isfinite(number):
            raise OverflowError
        return number

    return convert


def _converted(step: FieldStep, convert: Callable[[BitValue], BitValue], value: BitValue) -> BitValue:
    try:
        return convert(value)
    except OverflowError as error:
        raise DecodeError("overflow", f"{step.name}: the value is too large in {step.out_unit}") from error


def _not_computed(step: FieldStep, raw: BitValue, error: Exception) -> DecodeError:
    if isinstance(error, KeyError):
        return DecodeError("missing_value", f"{step.name}: this payload has no {error.args[0]}")
    code, message = fault(error, f"func of {raw}")
    return DecodeError(code, f"{step.name}: {message}")


def _named(step: FieldStep, value: BitValue) -> Reading:
    """Return the word for a number; the number itself, if there is none for it."""
    assert step.enum is not None  # the caller has checked
    word = step.enum.get(value)  # type: ignore[arg-type]
    return step.rule.reading(value if word is None else word)


def _too_short(step: FieldStep, end: int, data: bytes) -> DecodeError:
    if not data:
        return DecodeError("empty", f"{step.name}: the payload is empty")
    first = end - step.size
    place = f"bit {first}" if step.size == 1 else f"bits {first} to {end - 1}"
    return DecodeError("too_short", f"{step.name}: needs {place}; the payload has {len(data) * 8} bits")


def _too_long(end: int, data: bytes) -> DecodeError:
    used = (end + 7) // 8
    return DecodeError(
        "too_long", f"byte {used}: the format ends before it; the payload has {many(len(data), 'byte')}"
    )
