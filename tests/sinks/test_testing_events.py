from __future__ import annotations

from typing import get_args

import msgspec

from bssci.model import AnyEvent, decode_event, encode_event
from bssci.model.event_json import event_json
from bssci.sinks.testing_events import every_event, odd_events, unknown_event, uplinks


def test_there_is_an_event_of_every_kind_and_the_journal_can_keep_it() -> None:
    assert {type(each) for each in every_event()} >= set(get_args(AnyEvent))
    for event in every_event():
        assert decode_event(encode_event(event)) == event
    assert odd_events()


def test_uplinks_have_counters_and_ids_of_their_own() -> None:
    made = uplinks(3)
    assert [each.packet_counter for each in made] == [1, 2, 3]
    assert len({each.id for each in made}) == 3


def test_an_event_of_a_later_version_is_of_no_kind_that_is_known() -> None:
    tags = {each.__struct_config__.tag for each in get_args(AnyEvent)}
    assert unknown_event().__struct_config__.tag not in tags
    assert msgspec.json.encode(event_json(unknown_event()))
