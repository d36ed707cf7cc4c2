"""Sensors in memory and their file: wrong entries, changes by somebody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from bssci.center.devices import sensors as module
from bssci.center.devices.endpoints import EndpointsError
from bssci.center.devices.sensors import Changes, Sensors, _by_itself
from bssci.model import EUI, parse_sensor

KEY = "00112233445566778899AABBCCDDEEFF"


def eui(number: int) -> EUI:
    return EUI(f"70B3D5677011{number:04X}")


def entry(number: int, **fields: Any) -> dict[str, Any]:
    return {"eui": eui(number), "nwKey": KEY, "shortAddr": "1505", "bidi": False} | fields


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "endpoints.json"
    path.write_text(json.dumps([entry(1), entry(2)]))
    return path


def result_of(deferred: Deferred[Any]) -> Any:
    results: list[Any] = []
    deferred.addBoth(results.append)
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def make(path: Path) -> Sensors:
    return Sensors(path, maybeDeferred)


def test_one_bad_entry_among_many_keeps_nothing_from_the_start(path: Path) -> None:
    path.write_text(json.dumps([entry(1), entry(2, bidi="yes"), entry(3)]))
    with capturedLogs() as told:
        sensors = make(path)
    assert [sensor.eui for sensor in sensors] == [eui(1), eui(3)]
    assert [str(each) for each in sensors.wrong] == [f"entry 2 ({eui(2)}): bidi: must be true or false"]
    assert [(event["log_level"].name, event["eui"]) for event in told] == [("error", eui(2))]


def test_a_sensor_whose_entry_becomes_wrong_stays_in_force(path: Path) -> None:
    sensors = make(path)
    path.write_text(json.dumps([entry(1, nwKey="typo"), entry(2), entry(3)]))
    changes: Changes = result_of(sensors.reload())
    assert (changes.attach, changes.detach) == ([eui(3)], [])
    assert eui(1) in sensors and len(sensors.wrong) == 1
    result_of(sensors.put([parse_sensor(entry(4))], _by_itself))
    assert [each["nwKey"] for each in json.loads(path.read_text())] == ["typo", KEY, KEY, KEY]
    assert eui(1) not in make(path)


def test_a_sensor_that_is_put_takes_the_place_of_its_wrong_entry(path: Path) -> None:
    path.write_text(json.dumps([entry(1, nwKey="typo"), entry(2), entry(2, name="again")]))
    sensors = make(path)
    result_of(sensors.put([parse_sensor(entry(1))], _by_itself))
    assert [each.eui for each in sensors.wrong] == [eui(2)]
    result_of(sensors.remove([eui(2)], _by_itself))
    assert sensors.wrong == ()
    assert [each["eui"] for each in json.loads(path.read_text())] == [eui(1)]


def test_a_file_without_one_good_entry_changes_nothing(path: Path) -> None:
    sensors = make(path)
    path.write_text('[1, {"eui": "x"}]')
    with pytest.raises(EndpointsError, match="entry 1: entry: must be an object"):
        result_of(sensors.reload())
    assert len(sensors) == 2 and sensors.wrong == ()
    path.write_text("[]")
    assert result_of(sensors.reload()).detach == [eui(1), eui(2)]


def test_changes_of_others_are_seen_and_our_own_are_not(path: Path) -> None:
    sensors = make(path)
    assert result_of(sensors.is_changed()) is False
    result_of(sensors.put([parse_sensor(entry(4))], _by_itself))
    assert result_of(sensors.is_changed()) is False
    path.write_text(path.read_text() + "\n")
    assert result_of(sensors.is_changed()) is True
    path.unlink()
    assert result_of(sensors.is_changed()) is True


def test_many_entries_are_freed_in_a_thread_some_at_a_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLICE", 2)
    path.write_text(json.dumps([entry(number) for number in range(5)]))
    lengths: list[int] = []

    def in_thread(function: Any, *values: Any) -> Deferred[Any]:
        done = maybeDeferred(function, *values)
        if function is module._free:
            lengths.append(len(values[0]))
        return done

    sensors = Sensors(path, in_thread)
    result_of(sensors.remove([eui(1)], _by_itself))
    assert lengths == []
    result_of(sensors.remove([eui(2), eui(3), eui(4)], _by_itself))
    assert lengths == [0] and [sensor.eui for sensor in sensors] == [eui(0)]


def test_all_sensors_are_the_same_object_until_one_changes(path: Path) -> None:
    sensors = make(path)
    changes: list[Callable[[], Deferred[Changes]]] = [
        lambda: sensors.put([parse_sensor(entry(3))], _by_itself),
        lambda: sensors.remove([eui(1)], _by_itself),
        sensors.reload,
    ]
    euis = []
    for change in changes:
        before = sensors.all()
        assert sensors.all() is before
        result_of(change())
        assert sensors.all() is not before
        assert list(sensors) == list(sensors.all()) == [sensors.get(each) for each in sensors.euis()]
        euis.append([sensor.eui for sensor in sensors.all()])
    assert euis == [[eui(1), eui(2), eui(3)], [eui(2), eui(3)], [eui(2), eui(3)]]


def test_a_file_that_was_put_back_is_no_trouble(path: Path) -> None:
    sensors, text = make(path), path.read_text()
    path.write_text("[")
    with pytest.raises(EndpointsError):
        result_of(sensors.reload())
    assert sensors.trouble and result_of(sensors.is_changed()) and sensors.trouble
    path.write_text(text)
    assert not result_of(sensors.is_changed()) and sensors.trouble == ""


def test_a_file_that_could_not_be_stored_is_trouble_until_it_is(path: Path) -> None:
    sensors = make(path)
    path.write_text(json.dumps([entry(3)]))
    sensors.not_stored("endpoints.json: the disk is full")
    assert result_of(sensors.is_changed()) and sensors.trouble == "endpoints.json: the disk is full"
    result_of(sensors.reload())
    assert sensors.trouble == "" and sensors.euis() == [eui(3)]
