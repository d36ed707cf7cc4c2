from __future__ import annotations

import json

import pytest

from bssci.settings import parsers
from bssci.sinks.json_events import KINDS, encode_batch, parse_kinds, reader
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
    assert parse_kinds(text) == kinds


def test_an_unknown_kind_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match="uplink"):
        parse_kinds("uplink,rumour")


def test_the_error_of_a_setting_says_what_is_allowed() -> None:
    parse = reader(parsers.integer(1, 5))
    assert parse("5") == 5
    with pytest.raises(ValueError, match="^allowed is a whole number from 1 to 5$"):
        parse("6")
