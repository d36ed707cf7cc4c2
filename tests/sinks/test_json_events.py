from __future__ import annotations

import json

import pytest

from bssci.sinks.json_events import EVENT_KINDS, KINDS, encode_batch
from bssci.sinks.set_aside import SetAside
from bssci.sinks.testing_events import every_event, odd_events, uplink


def test_each_event_is_an_object_on_one_line() -> None:
    batch = encode_batch(every_event(), frozenset())
    assert not batch.refused
    for each in batch.events:
        assert b"\n" not in each.json
        assert json.loads(each.json)["kind"] in KINDS


def test_only_events_of_wanted_kinds_are_encoded() -> None:
    batch = encode_batch(every_event(), frozenset({"uplink"}))
    assert {json.loads(each.json)["kind"] for each in batch.events} == {"uplink"}


def test_what_cannot_be_written_is_refused_and_counted_later() -> None:
    class Nothing:
        at = 0.0

    batch = encode_batch([uplink(1), Nothing()], frozenset())
    assert len(batch.events) == len(batch.refused) == 1
    by = SetAside("test")
    assert by.count == 0
    batch.set_aside(by)
    assert by.count == 1
    assert encode_batch(odd_events(), frozenset()).events


@pytest.mark.parametrize(
    ("text", "kinds"),
    [("", set()), ("uplink", {"uplink"}), (" uplink ,station-state,", {"uplink", "station-state"})],
)
def test_kinds_are_named_with_commas(text: str, kinds: set[str]) -> None:
    assert EVENT_KINDS(text) == kinds


def test_an_unknown_kind_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match="uplink"):
        EVENT_KINDS("uplink,rumour")
