"""Mioty blueprints: JSON files of vendors that describe the payloads of a sensor type bit by bit.

What a blueprint may hold::

    {
      "version": "1.0",
      "typeEui": "70B3D59CD0000095",
      "meta": {"name": "...", "vendor": "..."},
      "littleEndian": false,
      "calibration": {"factor": 1},
      "component": {"temp": {"size": 16, "type": "int", "func": "$ / 10", "unit": "°C"}},
      "uplink": [
        {
          "id": 0,
          "payload": [
            {"name": "Temperature", "component": "temp"},
            {"name": "Fix", "size": 1, "type": "bool", "hidden": true},
            {"name": "Lat", "size": 31, "type": "int", "condition": "$Fix", "func": "$ / 1e7", "unit": "°"}
          ],
          "virtual": [{"name": "Dew point", "func": "$Temperature - 5", "unit": "°C"}]
        }
      ],
      "examples": [{"payload": "00D7 00000000", "readings": {"temperature": 21.5}}]
    }

- ``id`` is the telegram's format byte. An entry of ``payload`` inherits missing members from its
  ``component``, and that from another. ``littleEndian`` may stand at every level; the nearest counts.
- A field whose ``condition`` is not met takes no bits; neither does one whose condition refers to such a
    field.
- ``offset`` is the bit, from the payload's first, at which a field begins; the next follows it.
- The bits become a number by ``type`` (``uint``, ``int``, ``float``, ``bool``, ``enum``). Then come, in this
  order: ``* scale``, ``+ bias``, ``* calibration`` (a key of the file's ``calibration``, which the sensor's
  ``decoderParameters`` may override: ``{"calibration": {"factor": 1.02}}``), ``func``, ``enum`` (words),
  and last the name and unit of the table of quantities (:mod:`bssci.decoders.quantities`).
- ``bytes`` (or ``binary``) and ``string`` are texts, and no expression can refer to them.
- A field that is used twice in a format needs conditions that exclude each other, or is hidden.
- Files from registries wrap all this in ``{"spec": …}``; ``examples`` may then be inside or beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from zope.interface import implementer

from bssci.decoders.blueprint_fields import Defaults, compile_layout
from bssci.decoders.commented_json import Node, parse
from bssci.decoders.examples import Example, read_examples
from bssci.decoders.expressions import Number
from bssci.decoders.interfaces import DecodeError, IDecoder, Payload
from bssci.decoders.layouts import FieldTrace, Layout, Taken
from bssci.model import EUI, Reading, parse_eui

MAX_FORMATS = 256
MAX_COMPONENTS = 1000
"""definitions of a file, and fields of a format"""
_ENVELOPES = ("spec", "blueprint")


@implementer(IDecoder)
class Blueprint:
    """A compiled blueprint.

    :ivar examples: examples in its file.
    :ivar title: vendor and product, for people.
    """

    def __init__(
        self,
        name: str,
        version: str,
        type_eui: EUI | None,
        layouts: Sequence[Layout],
        calibration: Mapping[str, Number],
        examples: tuple[Example, ...] = (),
        title: str = "",
    ) -> None:
        self.name = name
        self.version = version
        self.type_eui = type_eui
        self.examples = examples
        self.title = title
        self._layouts = {layout.number: layout for layout in layouts}
        self._plain = {layout.number: layout.plain.read for layout in layouts if layout.plain is not None}
        self._calibration = {f"calibration.{key}": value for key, value in calibration.items()}

    def matches(self, payload: Payload) -> bool:
        """Return whether the sensor's ``typeEui`` is the blueprint's."""
        return self.type_eui is not None and payload.type_eui == self.type_eui and payload.kind == "uplink"

    def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> list[Reading]:
        """Return the readings. See :class:`bssci.decoders.interfaces.IDecoder`."""
        return self.read(payload.data, payload.format, parameters)

    def read(self, data: bytes, format: int, parameters: Mapping[str, Any]) -> list[Reading]:
        """Return the readings as :meth:`decode` does.

        :param format: the telegram's format byte.
        :raises DecodeError: the bytes cannot be read.
        """
        if not parameters:
            plain = self._plain.get(format)
            readings = None if plain is None else plain(data)
            if readings is not None:
                return readings
        layout = self._layouts.get(format)
        if layout is None:
            raise self._unknown(format)
        return layout.read(data, self._values(parameters))

    def trace(
        self, payload: Payload, parameters: Mapping[str, Any]
    ) -> tuple[list[FieldTrace], DecodeError | None]:
        """Return the bits that each field takes, and the error at which reading stops, if any."""
        layout = self._layouts.get(payload.format)
        if layout is None:
            return [], self._unknown(payload.format)
        taken: list[Taken] = []
        readings: list[Reading] = []
        failure = None
        try:
            readings = layout.read(payload.data, self._values(parameters), taken)
        except DecodeError as error:
            failure = error
        return layout.traces(taken, readings), failure

    def _values(self, parameters: Mapping[str, Any]) -> dict[str, Number]:
        values = self._calibration.copy()
        if parameters:
            own = parameters.get("calibration")
            if isinstance(own, Mapping):
                for key, value in own.items():
                    if isinstance(value, bool) or not isinstance(value, int | float):
                        message = f"decoderParameters: calibration.{key} is not a number"
                        raise DecodeError("calibration", message)
                    values[f"calibration.{key}"] = value
        return values

    def _unknown(self, number: int) -> DecodeError:
        known = ", ".join(map(str, sorted(self._layouts)))
        return DecodeError("unknown_format", f"format {number} is not in the blueprint; there are: {known}")


def parse_blueprint(name: str, text: str) -> Blueprint:
    """Compile a blueprint's file.

    :param name: by which sensors refer to it in their ``decoder``.
    :raises DefinitionError: with line and reason.
    """
    return compile_blueprint(name, parse(text), text)


def is_blueprint(document: Node) -> bool:
    """Return whether a document looks like a blueprint, right or wrong."""
    root = _unwrapped(document)
    return isinstance(root.value, dict) and ("uplink" in root.value or "typeEui" in root.value)


def compile_blueprint(name: str, document: Node, text: str) -> Blueprint:
    """Compile a parsed document, as :func:`parse_blueprint` does."""
    root = _unwrapped(document)
    definitions = root.get("component")
    known = {} if definitions is None else definitions.members()
    if definitions is not None and len(known) > MAX_COMPONENTS:
        raise definitions.error(f"more than {MAX_COMPONENTS} definitions")
    calibration = _calibration(root.get("calibration"))
    defaults = Defaults(known, frozenset(calibration), _little_endian(root))
    uplink = root.need("uplink")
    formats = uplink.items()
    if not 1 <= len(formats) <= MAX_FORMATS:
        raise uplink.error(f"needs 1 to {MAX_FORMATS} formats")
    layouts: dict[int, Layout] = {}
    for node in formats:
        layout = compile_layout(node, defaults, _format_number(node, only=len(formats) == 1))
        if layout.number in layouts:
            raise node.error(f"id {layout.number} appears twice")
        layouts[layout.number] = layout
    return Blueprint(
        name,
        _version(root, text),
        _type_eui(root.get("typeEui")),
        list(layouts.values()),
        calibration,
        read_examples(root.get("examples") or document.get("examples")),
        _title(root),
    )


def _unwrapped(document: Node) -> Node:
    """Return a blueprint without the envelope of a registry."""
    members = document.members()
    if "uplink" not in members:
        for key in _ENVELOPES:
            if key in members and isinstance(members[key].value, dict):
                return members[key]
    return document


def _format_number(node: Node, only: bool) -> int:
    if only and node.get("id") is None:
        return 0
    return node.need("id").integer(0, 255)


def _little_endian(root: Node) -> bool:
    own = root.get("littleEndian")
    return own is not None and own.flag()


def _version(root: Node, text: str) -> str:
    """Return the blueprint's own version, or a short hash of the file."""
    own = root.get("version")
    if own is None:
        return hashlib.sha256(text.encode()).hexdigest()[:8]
    if isinstance(own.value, int | float) and not isinstance(own.value, bool):
        return str(own.value)
    return own.text(50) or hashlib.sha256(text.encode()).hexdigest()[:8]


def _type_eui(node: Node | None) -> EUI | None:
    if node is None or node.text() == "":
        return None
    try:
        return parse_eui(node.text())
    except ValueError as error:
        raise node.error("must be 16 hexadecimal digits") from error


def _calibration(node: Node | None) -> dict[str, Number]:
    return {} if node is None else {key: member.number() for key, member in node.members().items()}


def _title(root: Node) -> str:
    meta = root.get("meta")
    if meta is None:
        return ""
    found = (meta.get("vendor"), meta.get("name"))
    return " ".join(node.text() for node in found if node is not None)
