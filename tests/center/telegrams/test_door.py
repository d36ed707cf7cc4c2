"""One source's door: what cannot be kept costs itself, and too much is refused and counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bssci.center.telegrams import door as doors
from bssci.center.telegrams.door import SourceDoor, TelegramsRefused
from bssci.model import Telegram, decode_event, encode_event
from bssci.model.strict_json import DEEPEST, read_json
from tests.support.center import House, result_of
from tests.support.log_lines import log_lines
from tests.support.telegrams import telegram

__all__ = ["log_lines"]


@pytest.fixture
def house(tmp_path: Path, whole_service: None) -> Iterator[House]:
    house = House(tmp_path, **{"source-rate": "10"})
    yield house
    house.close()


@pytest.fixture
def door(house: House) -> SourceDoor:
    return house.center.sources.door("mqtt")


def kept(house: House) -> list[str]:
    return [event.id for _, event in house.events if isinstance(event, Telegram)]


def test_what_it_takes_is_on_disk_and_counted(house: House, door: SourceDoor, log_lines: list[str]) -> None:
    done = door([telegram(1), telegram(2)])
    assert not done.called and door.figures()["waiting"] == 2
    house.settle()
    assert done.called and kept(house) == ["telegram-1", "telegram-2"]
    again = door([telegram(2)])
    assert again.called
    assert door([telegram(1)]).called
    assert len([line for line in log_lines if "messages again" in line]) == 1
    figures = door.figures()
    assert (figures["kept"], figures["repeated"], figures["waiting"]) == (2, 2, 0)
    assert figures["journal_bytes"] > 0 or not house.center.deliveries.statistics()


def nested(levels: int) -> dict[str, Any]:
    """Return an object of this many levels."""
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def tupled(levels: int) -> tuple[Any, ...]:
    """Return a tuple in a tuple, of this many levels: JSON has lists in their place."""
    value: tuple[Any, ...] = ()
    for _ in range(levels - 1):
        value = (value,)
    return value


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": ""}, "an id is empty"),
        ({"device": "ble:A B"}, "an id is empty"),
        ({"device": "ble:#"}, "an id is empty"),
        ({"gateway": "x" * 201}, "an id is empty"),
        ({"id": 7}, "an id is empty"),
        ({"id": "\u202eabc"}, "an id is empty"),
        ({"device": "plain"}, "a telegram's device is not an id with its kind in front"),
        ({"device": "mioty:xyz"}, "a telegram's device is not an id with its kind in front"),
        ({"at": "now"}, "a telegram's at is not in Unix seconds from 1970 to 2500"),
        ({"at": float("nan")}, "a telegram's at is not in Unix seconds from 1970 to 2500"),
        ({"at": -1.0}, "a telegram's at is not in Unix seconds from 1970 to 2500"),
        ({"at": 1_796_006_170_437.7}, "a telegram's at is not in Unix seconds from 1970 to 2500"),
        ({"payload": "01FF"}, "a telegram's payload is not bytes"),
        ({"device_time": "12:00"}, "a telegram's device_time is not a number"),
        ({"rssi": True}, "a telegram's rssi is not a number"),
        ({"rssi": float("inf")}, "a telegram's rssi is not a number"),
        ({"source": None}, "a telegram's source is not a text"),
        ({"envelope": []}, "a telegram's envelope is not an object"),
        ({"payload": bytes(70_000)}, "larger than 65536 bytes"),
        ({"envelope": {"a": [[] for _ in range(6000)]}}, "too many values"),
        ({"envelope": {"a": object()}}, "it cannot be stored"),
        ({"rssi": 1 << 70}, "it cannot be stored"),
        ({"envelope": {1 << 70: 1}}, "it cannot be stored"),
        ({"source": "\ud800"}, "it cannot be stored"),
        ({"envelope": nested(DEEPEST + 1)}, "an envelope of more than 500 levels"),
        ({"envelope": nested(950)}, "an envelope of more than 500 levels"),
        ({"envelope": nested(2000)}, "an envelope of more than 500 levels"),
        ({"envelope": nested(501) | {"b": [[] for _ in range(6000)]}}, "an envelope of more than 500 levels"),
        ({"envelope": {"b": "\ud800"} | nested(2000)}, "an envelope of more than 500 levels"),
        ({"envelope": {"a": tupled(501)}}, "an envelope of more than 500 levels"),
    ],
)
def test_one_that_cannot_be_kept_costs_itself(
    house: House, door: SourceDoor, changes: dict[str, object], reason: str
) -> None:
    done = door([telegram(1), telegram(9, **changes), telegram(2)])
    house.settle()
    assert done.called and kept(house) == ["telegram-1", "telegram-2"]
    [said] = door.figures()["reasons"]
    assert said["reason"].startswith(reason) and said["count"] == 1 and not said["taken"]


def test_a_number_of_more_than_64_bits_costs_its_digits_and_is_named(house: House, door: SourceDoor) -> None:
    door([telegram(1, envelope={"values": [["serial", 1 << 70, None], ["t", 20.5, "°C"]]})])
    house.settle()
    [stored] = [event for _, event in house.events if isinstance(event, Telegram)]
    assert stored.envelope == {"values": [["serial", float(1 << 70), None], ["t", 20.5, "°C"]]}
    [said] = door.figures()["reasons"]
    assert said["reason"] == "values[0][1] is rounded, because it is a whole number of more than 64 bits"
    assert (said["taken"], said["count"], said["example"]) == (True, 1, "ble:AA:BB:CC:DD:EE:FF")


def test_half_a_character_costs_itself(house: House, door: SourceDoor) -> None:
    door([telegram(1, envelope={"name": "a\ud800", "t": 20.5})])
    house.settle()
    [stored] = [event for _, event in house.events if isinstance(event, Telegram)]
    assert stored.envelope == {"name": "a\ufffd", "t": 20.5}
    [said] = door.figures()["reasons"]
    assert said["taken"] and said["reason"].startswith("name is not all UTF-8")


def test_an_envelope_may_be_as_deep_as_json_that_is_read(house: House, door: SourceDoor) -> None:
    assert read_json(json.dumps(nested(DEEPEST)))
    done = door([telegram(1, envelope=nested(DEEPEST))])
    house.settle()
    assert done.called and kept(house) == ["telegram-1"]


def test_a_device_is_known_under_one_id_however_it_is_spelled(house: House, door: SourceDoor) -> None:
    door([telegram(1, device="ble:aabbccddeeff"), telegram(2, device="mioty:70b3d56770110001")])
    house.settle()
    family = "zigbee:\U0001f468\u200d\U0001f469"  # joined by a character that has no width
    door([telegram(3, device=family)])
    house.settle()
    devices = [event.device for _, event in house.events if isinstance(event, Telegram)]
    assert devices == ["ble:AA:BB:CC:DD:EE:FF", "mioty:70B3D56770110001", family]


def test_what_is_no_telegram_costs_itself(house: House, door: SourceDoor) -> None:
    done = door([telegram(1), {"device": "ble:A"}, telegram(2)])  # type: ignore[list-item]
    house.settle()
    assert done.called and kept(house) == ["telegram-1", "telegram-2"]
    [said] = door.figures()["reasons"]
    assert (said["reason"], said["example"]) == ("it is not a Telegram", "dict")


def test_an_envelope_is_what_it_will_be_on_the_disk(house: House, door: SourceDoor) -> None:
    at = datetime(2026, 11, 30, tzinfo=UTC)
    odd = {5: {7: [at]}, "set": {1}, "bytes": b"a", "text": "a", "pair": (1, 2)}
    done = door([telegram(1, envelope=odd)])
    house.settle()
    assert done.called
    [event] = [event for _, event in house.events if isinstance(event, Telegram)]
    assert event.envelope == {
        "5": {"7": ["2026-11-30T00:00:00Z"]},
        "set": [1],
        "bytes": "YQ==",
        "text": "a",
        "pair": [1, 2],
    }
    assert decode_event(encode_event(event)) == event


@pytest.mark.parametrize(
    "positions", [5, {"a": "x"}, {"a": 1 << 63}, {"a": -1}, {5: 5}, {"a": True}, {"x" * 201: 1}]
)
def test_positions_that_cannot_be_stored_cost_their_telegrams_only(
    house: House, door: SourceDoor, positions: Any
) -> None:
    with pytest.raises(ValueError, match="positions are not names"):
        result_of(door([telegram(1)], positions))
    done = door([telegram(2)], {"a": (1 << 63) - 1})
    house.settle()
    assert done.called and kept(house) == ["telegram-2"] and door.cursors == {"a": (1 << 63) - 1}
    assert door.figures()["rejected"] == 1


def test_far_too_many_at_once_are_refused_before_they_are_looked_at(
    house: House, door: SourceDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "encode_event", None)
    endless = map(telegram, count())
    with pytest.raises(TelegramsRefused, match="more than 10000 telegrams were offered at once"):
        result_of(door(endless))  # type: ignore[arg-type]
    assert next(endless).id == "telegram-10001"
    assert door.figures()["refused"] == 10001 and "10000" in door.trouble


def test_more_than_so_many_a_second_wait_in_their_order(house: House, door: SourceDoor) -> None:
    first = door([telegram(number) for number in range(15)])
    second = door([telegram(100)])
    third = door([telegram(101)])
    house.settle()
    assert first.called and not second.called
    house.advance(1.0)
    assert second.called and third.called
    assert kept(house)[-2:] == ["telegram-100", "telegram-101"]


def test_the_rate_can_be_changed_meanwhile(house: House, door: SourceDoor) -> None:
    house.center.sources.configure(1000, 0.25)
    door([telegram(number) for number in range(100)])
    done = door([telegram(100)])
    house.settle()
    assert done.called and door.figures()["rate_limit"] == 1000


def test_it_is_held_back_while_telegrams_wait_for_the_rate(house: House, door: SourceDoor) -> None:
    door([telegram(number) for number in range(10)])
    assert not door.figures()["held_back"]
    door([telegram(10)])
    assert door.figures()["held_back"]
    house.advance(2)
    assert not door.figures()["held_back"]


def test_a_flood_is_refused_and_said_once(
    house: House, door: SourceDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "WAITING", 20)
    waiting = [door([telegram(number) for number in range(first, first + 10)]) for first in (0, 10)]
    refused = door([telegram(99)])
    with pytest.raises(TelegramsRefused, match="at most 10 per second"):
        result_of(refused)
    assert door.trouble and door.figures()["refused"] == 1
    house.advance(3)
    assert all(each.called for each in waiting)
    assert door([telegram(99)]) is not None and not door.trouble


def test_a_journal_that_cannot_store_is_told(house: House, door: SourceDoor) -> None:
    house.journal.broken = True
    done = door([telegram(1)])
    house.settle()
    assert isinstance(result_of_failure(done), Exception)
    house.journal.broken = False
    assert door.figures()["waiting"] == 0
    again = door([telegram(1)])
    house.settle()
    assert again.called and kept(house) == ["telegram-1"]


def result_of_failure(done) -> Exception:
    failures: list[Exception] = []
    done.addErrback(lambda failure: failures.append(failure.value))
    return failures[0]


def test_blocked_devices_are_counted_and_not_kept(house: House) -> None:
    sources = house.center.sources
    sources._judge = lambda telegram: "blocked" if telegram.device == "ble:B" else "kept"
    door = sources.door("mqtt")
    done = door([telegram(1, device="ble:B"), telegram(2)])
    house.settle()
    assert done.called and kept(house) == ["telegram-2"] and door.figures()["blocked"] == 1


def test_a_blocked_device_does_not_show_that_more_is_taken_again(
    house: House, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]
) -> None:
    sources = house.center.sources
    sources._judge = lambda telegram: "blocked" if telegram.device == "ble:B" else "kept"
    door = sources.door("mqtt")
    monkeypatch.setattr(doors, "WAITING", 20)
    door([telegram(number) for number in range(20)])
    for number in range(30, 40):
        with pytest.raises(TelegramsRefused):
            result_of(door([telegram(number)]))
        door([telegram(number, device="ble:B")])
    assert door.trouble
    assert len([line for line in log_lines if "source mqtt" in line]) == 1


def test_reasons_are_bounded_and_examples_short(door: SourceDoor) -> None:
    for number in range(100):
        door.reject(f"reason {number}", "x" * 1000)
    door.remark("odd", "example")
    said = door.figures()["reasons"]
    assert len(said) <= doors.REASONS + 2
    assert all(len(each["example"]) <= doors.EXAMPLE for each in said)
    assert said[-1] == {"reason": "odd", "count": 1, "taken": True, "example": "example"}


def test_reasons_and_examples_of_any_type_are_shown(door: SourceDoor) -> None:
    door.reject(None, b"b")  # type: ignore[arg-type]
    door.remark("two\nlines " + "x" * 1000, 5)  # type: ignore[arg-type]
    first, second = door.figures()["reasons"]
    assert (first["reason"], first["example"]) == ("None", "b'b'")
    assert second["reason"].startswith("two lines x") and len(second["reason"]) == 500


def test_a_door_that_is_closed_takes_nothing(house: House, door: SourceDoor) -> None:
    door([telegram(number) for number in range(20)])
    waits = door([telegram(50)])
    door.close()
    for done in (waits, door([telegram(51)])):
        with pytest.raises(TelegramsRefused, match="stops"):
            result_of(done)
