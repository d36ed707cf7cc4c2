"""Changes of entries about base stations: their names in the audit log, and their bounds."""

from __future__ import annotations

import pytest
from twisted.internet.defer import ensureDeferred

from bssci.center import station_entries
from bssci.model import EUI
from bssci.model.base_station import parse_station_change
from bssci.model.commands import CommandError
from bssci.stations.causes import BLOCKED
from tests.support.center import STATION, TESTER, House, result_of

NAME = f"{STATION:016X}"


def enter(house: House, *entries: dict[str, object]) -> None:
    changes = [parse_station_change(entry) for entry in entries]
    changing = ensureDeferred(house.commands.stations.import_(changes, TESTER))
    house.settle()
    result_of(changing)


def test_each_change_has_its_name(house: House) -> None:
    entries = house.commands.stations._entries
    block = parse_station_change({"eui": NAME, "blocked": True})
    assert entries.action_of(parse_station_change({"eui": NAME})) == "station.register"
    assert entries.action_of(block) == "station.block"
    enter(house, {"eui": NAME, "blocked": True})
    assert entries.action_of(block) == "station.update"
    assert entries.action_of(parse_station_change({"eui": NAME, "blocked": False})) == "station.unblock"


def test_a_second_block_keeps_since_when_and_by_whom(house: House) -> None:
    enter(house, {"eui": NAME, "blocked": True})
    first = house.center.entries.get(NAME)
    house.advance(10)
    enter(house, {"eui": NAME, "blocked": True, "note": "stolen"})
    second = house.center.entries.get(NAME)
    assert (second.blocked_at, second.blocked_by) == (first.blocked_at, TESTER.name)
    assert (second.note, second.entered_at) == ("stolen", first.entered_at)


def test_refusals_of_who_is_unblocked_are_forgotten(house: House) -> None:
    enter(house, {"eui": NAME, "blocked": True})
    house.center.refused_stations.add("192.0.2.1", BLOCKED, NAME)
    enter(house, {"eui": NAME, "blocked": False})
    assert house.center.refused_stations.listed() == []


def test_too_many_are_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(station_entries, "MAX_STATIONS", 1)
    enter(house, {"eui": NAME})
    with pytest.raises(CommandError) as failed:
        enter(house, {"eui": NAME}, {"eui": f"{STATION + 1:016X}"})
    assert failed.value.code == "conflict" and len(house.center.entries) == 1


def test_changes_at_the_same_time_are_all_made(house: House) -> None:
    changing = [
        ensureDeferred(
            house.commands.stations.import_([parse_station_change({"eui": NAME, **entry})], TESTER)
        )
        for entry in ({"name": "Roof"}, {"note": "north"}, {"tags": ["high"]})
    ]
    house.settle()
    for each in changing:
        result_of(each)
    entry = house.center.entries.get(NAME)
    assert (entry.name, entry.note, list(entry.tags)) == ("Roof", "north", ["high"])


def test_a_station_that_is_blocked_meanwhile_is_not_forgotten(house: House) -> None:
    enter(house, {"eui": NAME})
    block = parse_station_change({"eui": NAME, "blocked": True})
    blocking = ensureDeferred(house.commands.stations.change(block, TESTER))
    forgetting = ensureDeferred(house.commands.stations.forget(EUI(NAME), TESTER))
    house.settle()
    result_of(blocking)
    with pytest.raises(CommandError, match="unblock it first"):
        result_of(forgetting)
    assert house.center.entries.is_blocked(EUI(NAME))
