"""Memory that values of JSON take: lists and objects count for more than their bytes on the wire."""

from __future__ import annotations

import msgspec

from bssci.model.weight import OTHER_EVENT, event_weight, is_json, json_weight, text_weight
from tests.support.journal import uplink
from tests.support.telegrams import telegram


def test_lists_and_objects_count_for_more_than_their_bytes() -> None:
    nested = msgspec.json.decode(b"[" + b"[]," * 999 + b"[]]")
    assert json_weight(nested, 1 << 20) > 50_000
    objects = [{} for _ in range(1000)]
    assert json_weight(objects, 1 << 20) > 50_000


def test_texts_count_with_their_length_and_keys_too() -> None:
    assert 3000 < json_weight({"a": "x" * 1000, "y" * 2000: None}, 1 << 20) < 3500


def test_it_stops_where_the_answer_is_known() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert json_weight(endless, 1000) > 1000


def test_an_event_is_as_heavy_as_what_its_sender_said() -> None:
    assert event_weight(uplink(1), 1 << 20) == OTHER_EVENT
    light = event_weight(telegram(1), 1 << 20)
    assert event_weight(telegram(1, payload=bytes(5000)), 1 << 20) > light + 4900
    assert event_weight(telegram(1, envelope={"a": [[] for _ in range(1000)]}), 1 << 20) > light + 50_000


def test_the_weight_of_a_text_is_known_before_it_is_read() -> None:
    for text in (b"[" + b"[]," * 999 + b"[]]", b"[" + b"{}," * 999 + b"{}]"):
        read = json_weight(msgspec.json.decode(text), 1 << 20)
        assert 0.8 * read < text_weight(text) < 1.5 * read
    assert text_weight(b'"' + b"x" * 1000 + b'"') == 1002


def test_what_json_has_and_what_not() -> None:
    assert is_json({"a": [1, 1.5, "x", True, None, {"b": []}]})
    for odd in ({5: 1}, {"a": {5: 1}}, [b"x"], {"a": {1}}, (1,), [object()]):
        assert not is_json(odd), odd
