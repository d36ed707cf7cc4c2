from __future__ import annotations

from bssci.model import EUI
from bssci.sinks.testing_events import every_event
from bssci.web.live.event_json import event_dict, parties, uplink_dict
from tests.support.journal import online, reception, uplink


def test_every_event_says_what_it_is_in_a_sentence() -> None:
    for number, event in enumerate(every_event(), 1):
        told = event_dict(number, event)
        assert told["seq"] == number
        assert told["timestamp"] == event.at
        assert told["title"] and told["kind"]
        assert told["names"] == {}


def test_names_are_those_of_who_is_in_it() -> None:
    event = uplink(1)
    names = {event.end_point_eui: "cellar", reception(1).base_station_eui: "roof", EUI("00" * 8): "nobody"}
    assert event_dict(1, event, lambda eui: names.get(eui, ""))["names"] == {
        event.end_point_eui: "cellar",
        reception(1).base_station_eui: "roof",
    }


def test_the_parties_of_an_event() -> None:
    assert parties(uplink(1)) == (uplink(1).end_point_eui, [reception(1).base_station_eui])
    assert parties(online()) == (None, [online().base_station_eui])


def test_bytes_of_an_uplink_are_integers_and_hexadecimal_digits() -> None:
    told = uplink_dict(uplink(1))
    assert bytes(told["data"]) == bytes.fromhex(told["dataHex"]) == reception(1).payload
    assert told["size"] == len(reception(1).payload)
