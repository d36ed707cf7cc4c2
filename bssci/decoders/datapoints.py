"""Data points: models of devices as a table of the position of each value, in JSON.

::

    {
      "version": "1",
      "model": "Soil probe",
      "check": "modbus",
      "dataPoints": [
        {"name": "temperature", "offset": 3, "length": 2, "encoding": "Int16", "decimals": 1, "unit": "°C"},
        {"name": "moisture", "offset": 5, "length": 2, "encoding": "Uint16", "decimals": 1, "unit": "%"}
      ]
    }

A value is the bytes ``offset`` to ``offset + length``, big-endian unless ``littleEndian``, divided by ten to
the power of ``decimals``, times ``scale``. ``encoding`` says how to read them: ``Int8`` to ``Int64``,
``Uint8`` to ``Uint64``, ``Float32``, ``Float64``, ``Boolean``, ``String``, ``Hex``. The column names of a
table ``DataPoint`` are accepted as well: ``Label``, ``DataEncoding``, ``Append`` (the unit), in upper or
lower case.
``check`` may be ``modbus``: the payload is a Modbus RTU answer, whose checksum at its end must be right.
``typeEui`` assigns a model to a type of mioty sensor; otherwise a device names it as its ``decoder``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from zope.interface import implementer

from bssci.decoders import bits
from bssci.decoders.bits import Interpret
from bssci.decoders.commented_json import Node, parse
from bssci.decoders.examples import Example, read_examples
from bssci.decoders.expressions import Evaluate
from bssci.decoders.interfaces import DecodeError, IDecoder, Payload
from bssci.decoders.layouts import MAX_BYTES, FieldStep, FieldTrace, Layout, Taken, converting, settled
from bssci.decoders.quantities import MAX_NAME, QuantityRule, rules_for
from bssci.model import EUI, Reading, parse_eui

MAX_POINTS = 1000
MAX_DECIMALS = 18
LONGEST_ANSWER = 256
"""bytes of a Modbus RTU answer"""

_ENCODING = re.compile(r"(u?int)(8|16|24|32|40|48|56|64)|float(16|32|64)|boolean|bool|string|hex")
_TEXTS = {"string": bits.text, "hex": bits.octets}
_SAME = {
    "name": ("name", "label"),
    "encoding": ("encoding", "dataencoding", "encodingtype"),
    "unit": ("unit", "append", "units"),
    "scale": ("scale", "scalingfactor"),
}
"""names that files use for a member, without separators"""


@implementer(IDecoder)
class DataPoints:
    """A compiled model. See :class:`bssci.decoders.blueprints.Blueprint` for its attributes."""

    def __init__(
        self,
        name: str,
        version: str,
        type_eui: EUI | None,
        layout: Layout,
        modbus: bool,
        examples: tuple[Example, ...] = (),
        title: str = "",
    ) -> None:
        self.name = name
        self.version = version
        self.type_eui = type_eui
        self.examples = examples
        self.title = title
        self._layout = layout
        self._modbus = modbus

    def matches(self, payload: Payload) -> bool:
        """Return whether the sensor's ``typeEui`` is the model's."""
        return self.type_eui is not None and payload.type_eui == self.type_eui

    def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> list[Reading]:
        """Return the readings. See :class:`bssci.decoders.interfaces.IDecoder`."""
        if self._modbus:
            check_modbus(payload.data)
        return self._layout.read(payload.data, {})

    def trace(
        self, payload: Payload, parameters: Mapping[str, Any]
    ) -> tuple[list[FieldTrace], DecodeError | None]:
        """Return the bits that each data point takes, and the error at which reading stops, if any."""
        taken: list[Taken] = []
        readings: list[Reading] = []
        failure = None
        try:
            if self._modbus:
                check_modbus(payload.data)
            readings = self._layout.read(payload.data, {}, taken)
        except DecodeError as error:
            failure = error
        return self._layout.traces(taken, readings), failure


def parse_datapoints(name: str, text: str) -> DataPoints:
    """Compile a model's file.

    :raises bssci.decoders.commented_json.DefinitionError: with line and reason.
    """
    return compile_datapoints(name, parse(text), text)


def is_datapoints(document: Node) -> bool:
    """Return whether a document looks like a model, right or wrong."""
    return isinstance(document.value, dict) and member_of(document, "datapoints") is not None


def compile_datapoints(name: str, document: Node, text: str) -> DataPoints:
    """Compile a parsed document, as :func:`parse_datapoints` does."""
    points = member_of(document, "datapoints")
    if points is None:
        raise document.error("dataPoints is missing")
    entries = points.items()
    if not 1 <= len(entries) <= MAX_POINTS:
        raise points.error(f"needs 1 to {MAX_POINTS} data points")
    names = [(_name(entry), _unit(entry)) for entry in entries]
    _refuse_clashes(entries, [one for one, _ in names])
    steps = [
        _step(entry, one[0], rule) for entry, one, rule in zip(entries, names, rules_for(names), strict=True)
    ]
    version, model, check = document.get("version"), document.get("model"), document.get("check")
    if check is not None and check.text() != "modbus":
        raise check.error("only modbus is known")
    return DataPoints(
        name,
        hashlib.sha256(text.encode()).hexdigest()[:8] if version is None else version.text(50),
        _type_eui(document.get("typeEui")),
        Layout(0, "", steps, rest_allowed=True),
        check is not None,
        read_examples(document.get("examples")),
        "" if model is None else model.text(),
    )


def check_modbus(data: bytes) -> None:
    """Check a Modbus RTU answer and the checksum at its end.

    :raises DecodeError: it is too short or too long, the checksum is wrong, or the answer is an error.
    """
    if not data:
        raise DecodeError("empty", "the payload is empty")
    if len(data) < 5:
        raise DecodeError("too_short", f"a Modbus answer has 5 bytes or more, the payload {len(data)}")
    if len(data) > LONGEST_ANSWER:
        raise DecodeError(
            "too_long", f"a Modbus answer has {LONGEST_ANSWER} bytes at most, the payload {len(data)}"
        )
    if not ends_with_checksum(data):
        raise DecodeError("checksum", f"byte {len(data) - 2}: the Modbus checksum is wrong")
    if data[1] & 0x80:
        raise DecodeError("modbus_error", f"byte 1: the device answered with Modbus error {data[2]}")


def ends_with_checksum(data: bytes) -> bool:
    """Return whether the last two bytes are the Modbus RTU checksum of those before."""
    checksum = 0xFFFF
    for byte in data[:-2]:
        checksum ^= byte
        for _ in range(8):
            checksum = checksum >> 1 ^ (0xA001 if checksum & 1 else 0)
    return checksum == int.from_bytes(data[-2:], "little")


def member_of(node: Node, wanted: str) -> Node | None:
    """Return a member by any of its names."""
    names = _SAME.get(wanted, (wanted,))
    for key, member in node.members().items():
        if key.replace("_", "").replace("-", "").casefold() in names and member.value is not None:
            return member
    return None


def _name(entry: Node) -> str:
    node = member_of(entry, "name")
    if node is None:
        raise entry.error("name is missing")
    name = node.text(MAX_NAME).strip()
    if not name or not name.isprintable():
        raise node.error("must be a name")
    return name


def _unit(entry: Node) -> str | None:
    node = member_of(entry, "unit")
    return None if node is None else node.text(30).strip() or None


def _refuse_clashes(entries: Sequence[Node], names: Sequence[str]) -> None:
    lines: dict[str, int] = {}
    for entry, name in zip(entries, names, strict=True):
        if name in lines:
            raise entry.error(f"name {name!r} appears twice (line {lines[name]})")
        lines[name] = entry.line


def _step(entry: Node, name: str, rule: QuantityRule) -> FieldStep:
    node = member_of(entry, "encoding")
    if node is None:
        raise entry.error(f"{name}: encoding is missing")
    encoding = node.text(30).casefold()
    match = _ENCODING.fullmatch(encoding)
    if match is None:
        raise node.error(
            f"{node.value!r} is unknown; there are Int8, Uint8, ... Float64, Boolean, String, Hex"
        )
    natural = int(match[2] or match[3] or 8)
    is_text = encoding in _TEXTS
    length = _length(entry, name, None if is_text else natural // 8, exact=match[3] is not None)
    offset = member_of(entry, "offset")
    if offset is None:
        raise entry.error(f"{name}: offset is missing")
    size = length * 8
    return FieldStep(
        name=name,
        size=size,
        mask=(1 << size) - 1,
        offset=offset.integer(0, MAX_BYTES) * 8,
        interpret=_TEXTS[encoding](size) if is_text else _interpretation(entry, match, size),
        condition=None,
        compute=None if is_text else _compute(entry),
        enum=None,
        out_name=rule.name,
        out_unit=None if is_text else rule.unit,
        convert=None if is_text else _converter(rule),
        rule=rule,
        may_be_nan=match[3] is not None,
        alone=True,
        independent=True,
    )


def _length(entry: Node, name: str, natural: int | None, exact: bool) -> int:
    """Return a data point's length in bytes; each encoding has a natural length, from which a number may
    deviate.
    """
    node = member_of(entry, "length")
    if node is None:
        if natural is None:
            raise entry.error(f"{name}: length is missing")
        return natural
    length = node.integer(1, 1024 if natural is None else 8)
    if exact and length != natural:
        raise node.error(f"of this encoding is {natural}")
    return length


def _interpretation(entry: Node, match: re.Match[str], size: int) -> Interpret | None:
    little = member_of(entry, "littleendian")
    swap = bits.swapped(size) if little is not None and little.flag() else None
    then: Interpret | None = None
    if match[1] == "int":
        then = bits.signed(size)
    elif match[3]:
        then = bits.floating(size)
    elif match[1] is None:
        then = bits.boolean
    return bits.after_swap(swap, then)


def _compute(entry: Node) -> Evaluate | None:
    decimals_node, scale_node = member_of(entry, "decimals"), member_of(entry, "scale")
    decimals = 0 if decimals_node is None else decimals_node.integer(0, MAX_DECIMALS)
    scale = 1 if scale_node is None else scale_node.number()
    divisor = 10**decimals
    if scale != 1:
        return settled(lambda raw, values: raw * scale / divisor)
    if decimals:
        return lambda raw, values: raw / divisor
    return None


def _converter(rule: QuantityRule) -> Any:
    if rule.conversion is not None:
        return converting(rule.conversion)
    return rule.value if rule.kind == "bool" else None


def _type_eui(node: Node | None) -> EUI | None:
    if node is None:
        return None
    try:
        return parse_eui(node.text())
    except ValueError as error:
        raise node.error("must be 16 hexadecimal digits") from error
