"""The kit for decoders passes whole ones, and finds what is wrong with one."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from typing import Any

import pytest
from zope.interface import implementer

from bssci.decoders.cayenne import CayenneDecoder
from bssci.decoders.interfaces import DecodeError, IDecoder, Payload
from bssci.decoders.testing import DecoderConformance, KnownPayload
from bssci.model import Reading

FAULTS = {
    "number as version": "test_it_provides_the_interface",
    "wrong value": "test_examples_have_their_readings",
    "counts": "test_equal_bytes_give_equal_readings",
    "reads anything": "test_what_is_unreadable_is_refused_with_a_reason",
    "no reason": "test_what_is_unreadable_is_refused_with_a_reason",
    "no check of the length": "test_any_bytes_and_parameters_are_read_or_refused",
    "no check of a parameter": "test_any_bytes_and_parameters_are_read_or_refused",
    "no list": "test_any_bytes_and_parameters_are_read_or_refused",
    "matches with bytes": "test_any_bytes_match_or_do_not",
    "slow": "test_it_is_fast",
}
COUNT = itertools.count()


@implementer(IDecoder)
class Gauge:
    """Reads a mark and a length in mm; with one fault, or none."""

    name = "gauge"

    def __init__(self, fault: str = "") -> None:
        self._fault = fault
        self.version: Any = 2 if fault == "number as version" else "2"

    def matches(self, payload: Payload) -> Any:
        return payload.data[:1] if self._fault == "matches with bytes" else payload.data[:1] == b"\x52"

    def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> Any:
        data = payload.data
        if self._fault == "slow":
            time.sleep(0.011)
        if self._fault == "no check of the length":
            return [Reading("level", data[2], "m")]
        if self._fault != "reads anything" and (len(data) != 3 or data[0] != 0x52):
            raise DecodeError("no_gauge", "" if self._fault == "no reason" else "byte 0: 52 is expected")
        zero = parameters.get("zero", 0)
        if self._fault != "no check of a parameter" and not (
            isinstance(zero, (int, float)) and 0 <= zero < 99
        ):
            raise DecodeError("parameter", "zero: a number from 0 to 99 is expected")
        value = int.from_bytes(data[1:3]) + zero
        if self._fault == "no list":
            return Reading("level", value, "m")
        return [Reading("level", value + (next(COUNT) if self._fault == "counts" else 0), "m")]


class TestGauge(DecoderConformance):
    examples = (
        KnownPayload("52 0010", {"level": 16}),
        KnownPayload("520010", {"level": 20}, {"zero": 4}),
    )
    unreadable = ("", "52", "53 0010")
    fault = ""

    def make_decoder(self) -> Any:
        return Gauge(self.fault)


class TestCayenne(DecoderConformance):
    examples = (KnownPayload("01 67 00FF", {"temperature_1": 25.5}),)
    unreadable = ("01 67 00",)

    def make_decoder(self) -> Any:
        return CayenneDecoder()


@pytest.mark.parametrize(("fault", "test"), FAULTS.items())
def test_a_fault_is_found(fault: str, test: str) -> None:
    kit = TestGauge()
    kit.fault = fault
    if fault == "wrong value":
        kit.fault, kit.examples = "", (KnownPayload("52 0010", {"level": 17}),)  # type: ignore[assignment]
    with pytest.raises(AssertionError):
        getattr(kit, test)()


def test_a_kit_without_examples_skips_them() -> None:
    class Bare(DecoderConformance):
        pass

    with pytest.raises(pytest.skip.Exception):
        Bare().test_examples_have_their_readings()
