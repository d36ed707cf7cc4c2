"""Examples in a decoder's file: a payload and the expected readings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from bssci.decoders.commented_json import Node
from bssci.decoders.interfaces import DecodeError, Payload
from bssci.model import Reading

MAX_EXAMPLES = 100
"""examples of a file"""
MAX_BYTES = 4096
"""bytes of an example's payload"""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A payload, and the expected result of decoding it.

    In a file: ``{"payload": "00D7 1A", "format": 1, "readings": {"temperature": 21.5}}``, or
    ``"error": "too_short"`` instead of ``readings``; ``name``, ``format`` and ``parameters`` may be absent.
    """

    payload: bytes
    readings: Mapping[str, float | bool | str] | None
    """every expected value by name; None: decoding must fail"""
    error: str | None = None
    """code of the failure"""
    format: int = 0
    name: str = ""
    parameters: Mapping[str, Any] = {}
    line: int = 0


class ExampleResult(msgspec.Struct, frozen=True, kw_only=True):
    """Result of an example."""

    example: Example
    readings: tuple[Reading, ...] = ()
    differences: tuple[str, ...] = ()
    """one line each; empty: the result is as expected"""

    @property
    def passed(self) -> bool:
        """Return whether the result is as the example expects."""
        return not self.differences


def read_examples(node: Node | None) -> tuple[Example, ...]:
    """Return the ``examples`` of a file.

    :raises DefinitionError: one is wrong.
    """
    if node is None:
        return ()
    given = node.items()
    if len(given) > MAX_EXAMPLES:
        raise node.error(f"more than {MAX_EXAMPLES}")
    return tuple(_example(one) for one in given)


def run_example(decoder: Any, example: Example) -> ExampleResult:
    """Decode one example and compare the result. An exception of the decoder counts as a difference.

    :param decoder: an :class:`bssci.decoders.interfaces.IDecoder`.
    """
    payload = Payload(
        data=example.payload,
        kind="uplink",
        device="mioty:0000000000000000",
        received_at=0.0,
        format=example.format,
    )
    try:
        readings = tuple(decoder.decode(payload, example.parameters))
    except DecodeError as error:
        if example.error == error.code:
            return ExampleResult(example=example)
        return ExampleResult(example=example, differences=(f"{error.code}: {error.message}",))
    except Exception as error:  # a third party's decoder may raise anything; go on with the next
        return ExampleResult(example=example, differences=(f"{type(error).__name__}: {error}",))
    if example.readings is None:
        differences: tuple[str, ...] = (f"it is decoded; {example.error} was expected",)
    else:
        differences = tuple(_differences(example.readings, readings))
    return ExampleResult(example=example, readings=readings, differences=differences)


def run_examples(decoder: Any, examples: Iterable[Example]) -> list[ExampleResult]:
    """Run the examples of a decoder one after the other, and return the results."""
    return [run_example(decoder, example) for example in examples]


def parse_hex(text: str) -> bytes:
    """Return the bytes of a text in any common notation: ``02 6B``, ``0x026b``, ``02:6B``.

    :raises ValueError: the text is not hexadecimal.
    """
    try:
        return bytes.fromhex(text.strip().removeprefix("0x").replace(":", " ").replace("-", " "))
    except ValueError:
        raise ValueError("must be bytes in hexadecimal digits") from None


def _example(node: Node) -> Example:
    payload = node.need("payload")
    try:
        data = parse_hex(payload.text(MAX_BYTES * 3))
    except ValueError as error:
        raise payload.error(str(error)) from error
    readings, error_code = node.get("readings"), node.get("error")
    if (readings is None) == (error_code is None):
        raise node.error("either readings or error is needed")
    number, name, parameters = node.get("format"), node.get("name"), node.get("parameters")
    return Example(
        payload=data,
        readings=None if readings is None else _expected(readings),
        error=None if error_code is None else error_code.text(),
        format=0 if number is None else number.integer(0, 255),
        name="" if name is None else name.text(),
        parameters={}
        if parameters is None
        else {key: it.plain() for key, it in parameters.members().items()},
        line=node.line,
    )


def _expected(node: Node) -> dict[str, float | bool | str]:
    found: dict[str, float | bool | str] = {}
    for name, member in node.members().items():
        if not isinstance(member.value, str | int | float):
            raise member.error("must be a number, a text, true or false")
        found[name] = member.value
    return found


def _differences(expected: Mapping[str, float | bool | str], readings: Iterable[Reading]) -> Iterable[str]:
    found = {reading.name: reading.value for reading in readings}
    for name, value in expected.items():
        if name not in found:
            yield f"{name}: {value!r} expected, not read"
        elif not _alike(value, found[name]):
            yield f"{name}: {value!r} expected, {found[name]!r} read"
    for name, value in found.items():
        if name not in expected:
            yield f"{name}: {value!r} read, not expected"


def _alike(left: float | bool | str, right: float | bool | str) -> bool:
    if isinstance(left, bool) or isinstance(right, bool) or isinstance(left, str) or isinstance(right, str):
        return type(left) is type(right) and left == right
    return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
