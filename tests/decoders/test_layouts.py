from __future__ import annotations

import json
from typing import Any

import pytest

from bssci.decoders.blueprint_fields import Defaults, compile_layout
from bssci.decoders.commented_json import parse
from bssci.decoders.interfaces import DecodeError
from bssci.decoders.layouts import MAX_BYTES, Layout, Taken
from bssci.model import Reading

BYTE = {"size": 8, "type": "uint"}
FIELDS = [{"name": "kind", **BYTE}, {"name": "more", **BYTE, "condition": "$kind > 0"}]


def layout(**changes: Any) -> Layout:
    """Eight bits, and eight more that are there if the first are not zero."""
    text = {"version": "1.0", "component": {}, "uplink": [{"id": 0, "payload": FIELDS}]}
    document = parse(json.dumps(text))
    (form,) = document.need("uplink").items()
    found = compile_layout(form, Defaults({}, frozenset(), False), 0)
    return Layout(found.number, found.name, found.steps, found.virtual, **changes)


def test_fields_follow_each_other_bit_by_bit() -> None:
    taken: list[Taken] = []
    assert layout().read(b"\x01\x02", {}, taken) == [Reading("kind", 1), Reading("more", 2)]
    assert [(each.step.name, each.end, each.raw) for each in taken] == [("kind", 8, 1), ("more", 16, 2)]


def test_a_field_whose_condition_is_not_met_takes_no_bits() -> None:
    assert layout().read(b"\x00", {}) == [Reading("kind", 0)]


@pytest.mark.parametrize(
    ("data", "changes", "code"),
    [
        (b"\x01", {}, "too_short"),
        (b"\x01\x02\x03", {}, "too_long"),
        (bytes(MAX_BYTES + 1), {"rest_allowed": True}, "too_long"),
        (b"\x00", {"encrypted": 5}, "encrypted"),
    ],
)
def test_a_payload_of_another_length_or_one_that_is_encrypted_is_not_read(
    data: bytes, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(DecodeError) as caught:
        layout(**changes).read(data, {})
    assert caught.value.code == code


def test_a_rest_may_be_allowed() -> None:
    assert layout(rest_allowed=True).read(b"\x00\x07", {}) == [Reading("kind", 0)]
