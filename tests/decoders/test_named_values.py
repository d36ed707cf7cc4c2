"""Values that came with their names are readings under the names of the table."""

from __future__ import annotations

import pytest

from bssci.decoders.interfaces import DecodeError, Payload
from bssci.decoders.named_values import NamedValuesFactory
from bssci.decoders.quantities import MAX_NAME
from bssci.model import Reading


def payload(envelope: object) -> Payload:
    return Payload(data=b"", kind="telegram", device="zigbee:x", received_at=0.0, envelope=envelope)


def test_each_is_a_reading() -> None:
    decoder = NamedValuesFactory().build({})
    heard = payload({"values": [["Temp", 68, "°F"], ["state", "open", None]]})
    assert decoder.matches(heard)
    assert decoder.decode(heard, {}) == [Reading("temperature", 20.0, "°C"), Reading("state", "open")]


def test_a_name_of_any_length_is_not_kept_whole() -> None:
    decoder = NamedValuesFactory().build({})
    [reading] = decoder.decode(payload({"values": [["x" * 60_000, 1, None]]}), {})
    assert reading == Reading("x" * MAX_NAME, 1)


def test_other_messages_are_not_its_own() -> None:
    decoder = NamedValuesFactory().build({})
    for other in (7, [1, 2], [["a", 1]], [[7, 1, None]], [["a", {}, None]], [["a", 1, 2]], ["abc"]):
        assert not decoder.matches(payload({"values": other}))
    with pytest.raises(DecodeError, match="no values"):
        decoder.decode(payload({}), {})
