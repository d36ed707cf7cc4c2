"""One payload through one decoder, whatever the decoder does."""

from __future__ import annotations

from typing import Any

from bssci.decoders.interfaces import DecodeError, Payload
from bssci.decoders.running import run, try_out
from bssci.model import Reading
from bssci.model.own_words import LONGEST

PAYLOAD = Payload(data=b"\1", kind="uplink", device="mioty:0", received_at=0.0)


class Decoder:
    """Does what a test says."""

    name, version = "own", "7"

    def __init__(self, result: Any) -> None:
        self._result = result

    def decode(self, payload: Payload, parameters: object) -> Any:
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result


def test_readings_carry_the_name_of_their_decoder() -> None:
    decoded = run(Decoder([Reading("temperature", 21.5, "Cel")]), PAYLOAD, {})
    assert decoded.decoder == "own@7" and decoded.failure is None
    assert [reading.value for reading in decoded.readings] == [21.5]


def test_what_a_decoder_says_of_a_payload_is_the_failure_and_is_cut() -> None:
    failure = run(Decoder(DecodeError("too_short", "two\nlines " + "x" * 1000)), PAYLOAD, {}).failure
    assert failure is not None and failure.message.startswith("two lines x")
    assert failure.code == "too_short" and len(failure.message) == LONGEST


def test_what_a_decoder_must_not_raise_is_told_without_its_text() -> None:
    faulty: list[Any] = []
    decoder = Decoder(KeyError("s3cret"))
    failure = run(decoder, PAYLOAD, {"key": "s3cret"}, faulty.append).failure
    assert failure is not None and failure.code == "fault"
    assert failure.message == "the decoder failed: KeyError"
    assert faulty == [decoder]
    left = run(Decoder(SystemExit(1)), PAYLOAD, {}).failure
    assert left is not None and left.message == "the decoder failed: SystemExit"


def test_a_decoder_that_cannot_tell_its_fields_is_tried_all_the_same() -> None:
    attempt = try_out(Decoder([Reading("temperature", 1.0)]), PAYLOAD, {})
    assert attempt.fields == () and attempt.decoded.readings
