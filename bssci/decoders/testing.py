"""Tests that every decoder must pass, to be inherited by a decoder's own tests: see ``docs/plugins.md``.

They need pytest. A decoder's test module consists of a class::

    class TestTank(DecoderConformance):
        examples = (KnownPayload("A5 03E8 50", {"distance": 1, "battery": 80}),)
        unreadable = ("", "A5", "00 03E8 50")

        def make_decoder(self):
            return TankDecoder()
"""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from zope.interface.verify import verifyObject

from bssci.decoders.examples import parse_hex
from bssci.decoders.interfaces import IDecoder, Payload, PayloadKind
from bssci.decoders.running import run
from bssci.model import Decoded

LONGEST = 0.01
"""s that a payload may take"""
TRIES = 5
"""tries of which the fastest counts, as the machine may be busy"""
ODD_PARAMETERS: tuple[Mapping[str, Any], ...] = ({}, {"unknown": 1})
ODD_VALUES: tuple[Any, ...] = (None, "", "x", -1, 0, 1e300, True, [], {})
FAULTS = ("fault", "bad_reading", "too_many_readings")
"""codes of failures that are the decoder's own"""


class KnownPayload(NamedTuple):
    """A payload with its readings."""

    payload: str
    """hexadecimal digits; spaces are allowed"""
    readings: Mapping[str, float | int | bool | str]
    """values of all readings by their names, both as the service's table of names and units has them"""
    parameters: Mapping[str, Any] = {}
    """``decoderParameters`` of the sensor"""
    format: int = 0


class DecoderConformance:
    """Tests of a decoder, by its interface.

    :cvar kind: kind of the payloads that the decoder is for.
    :cvar examples: payloads with their readings.
    :cvar unreadable: payloads, in hexadecimal digits, for which the decoder must raise DecodeError.
    """

    kind: PayloadKind = "uplink"
    examples: Sequence[KnownPayload] = ()
    unreadable: Sequence[str] = ()

    def make_decoder(self) -> Any:
        """Build the decoder."""
        raise NotImplementedError

    def test_it_provides_the_interface(self) -> None:
        decoder = self.make_decoder()
        verifyObject(IDecoder, decoder)
        assert isinstance(decoder.name, str) and decoder.name, "name must be a text"
        assert isinstance(decoder.version, str) and decoder.version, "version must be a text"

    def test_examples_have_their_readings(self) -> None:
        if not self.examples:
            pytest.skip("there are no examples")
        for example in self.examples:
            decoded = self._decode(parse_hex(example.payload), example.parameters, example.format)
            assert decoded.failure is None, f"{example.payload}: {decoded.failure}"
            assert {each.name: each.value for each in decoded.readings} == example.readings, example.payload

    def test_equal_bytes_give_equal_readings(self) -> None:
        decoder = self.make_decoder()
        for data, parameters in self._payloads():
            first = self._decode(data, parameters, decoder=decoder)
            assert self._decode(data, parameters, decoder=decoder) == first, data.hex(" ")

    def test_what_is_unreadable_is_refused_with_a_reason(self) -> None:
        for text in self.unreadable:
            decoded = self._decode(parse_hex(text), {})
            assert decoded.failure is not None, f"{text!r} gave readings: {decoded.readings}"
            assert decoded.failure.code and decoded.failure.message, f"{text!r}: {decoded.failure}"

    def test_any_bytes_and_parameters_are_read_or_refused(self) -> None:
        for data, parameters in self._payloads():
            self._decode(data, parameters)

    def test_any_bytes_match_or_do_not(self) -> None:
        decoder = self.make_decoder()
        for data, _ in self._payloads():
            assert isinstance(decoder.matches(self._payload(data)), bool), data.hex(" ")

    def test_it_is_fast(self) -> None:
        decoder = self.make_decoder()
        for data, parameters in self._payloads():
            took = min(self._seconds(decoder, data, parameters) for _ in range(TRIES))
            assert took < LONGEST, f"{data.hex(' ')} took {took * 1000:.0f} ms"

    def _payloads(self) -> Iterator[tuple[bytes, Mapping[str, Any]]]:
        """Yield bytes of all lengths, and the examples: whole, cut, longer, changed, with odd parameters."""
        chance = random.Random(1)
        for length in (*range(40), 200, 255):
            yield bytes(length), {}
            yield chance.randbytes(length), {}
        for example in self.examples:
            data = parse_hex(example.payload)
            yield data, example.parameters
            for length in range(len(data)):
                yield data[:length], example.parameters
            yield data + b"\0", example.parameters
            for place in range(len(data)):
                changed = bytearray(data)
                changed[place] ^= 0xFF
                yield bytes(changed), example.parameters
            for parameters in ODD_PARAMETERS:
                yield data, parameters
            for name in example.parameters:
                for value in ODD_VALUES:
                    yield data, {**example.parameters, name: value}

    def _payload(self, data: bytes, format: int = 0) -> Payload:
        return Payload(
            data=data, kind=self.kind, device="mioty:70B3D56770110001", received_at=1.7e9, format=format
        )

    def _decode(
        self, data: bytes, parameters: Mapping[str, Any], format: int = 0, decoder: Any = None
    ) -> Decoded:
        """Return the readings or the failure.

        :raises AssertionError: the decoder raised something else than DecodeError, or gave no readings.
        """
        raised: list[str] = []
        decoder = decoder or self.make_decoder()
        decoded = run(
            decoder, self._payload(data, format), parameters, lambda _: raised.append(traceback.format_exc())
        )
        what = f"{data.hex(' ')!r} with the parameters {dict(parameters)}"
        assert not raised, f"{what} raised:\n{raised[0]}"
        failure = decoded.failure
        assert failure is None or failure.code not in FAULTS, f"{what}: {failure}"
        return decoded

    def _seconds(self, decoder: Any, data: bytes, parameters: Mapping[str, Any]) -> float:
        began = time.perf_counter()
        run(decoder, self._payload(data), parameters)
        return time.perf_counter() - began
