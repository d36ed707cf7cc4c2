"""The decoders of the service as one: nothing that fails in them stops a delivery."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from bssci.center.decoding.decoders import DECODE_TIME, Decoders
from bssci.center.decoding.folder import INTERVAL
from bssci.center.decoding.wanted import ChosenDecoder
from bssci.model import EUI, AnyEvent, Decoded, Reading, Sensor, StationStatus
from bssci.system.clock import STEPS
from tests.support.journal import SENSOR, STATION, uplink
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]

TYPE_EUI = EUI("70B3D59CD0000095")
STATUS = StationStatus(at=1.0, base_station_eui=STATION)


def blueprint(factor: int = 1, version: str = "1") -> str:
    payload = [{"name": "temp", "size": 16, "type": "int", "unit": "°C", "func": f"$ * {factor}"}]
    return json.dumps({"version": version, "typeEui": TYPE_EUI, "uplink": [{"payload": payload}]})


class House:
    """Decoders of a folder, and one sensor."""

    def __init__(self, directory: Path, **fields: Any) -> None:
        self.clock = Clock()
        self.directory = directory
        self.sensor = Sensor(
            eui=SENSOR, network_key=bytes(16), short_address=1, bidirectional=False, **fields
        )
        self.sensors = {SENSOR: self.sensor}
        self.decoders = Decoders(
            self.clock,
            lambda call, *args: call(*args),
            maybeDeferred,
            directory,
            [],
            ["decoder acme: ACME_KEY: is missing"],
            self.sensors.get,
        )

    def decode(self, *events: AnyEvent) -> list[AnyEvent]:
        found: list[list[AnyEvent]] = []
        self.decoders.decode(events).addCallback(found.append)
        assert len(found) == 1
        return found[0]

    def decoded(self, counter: int = 1) -> Decoded | None:
        (event,) = self.decode(uplink(counter))
        decoded: Decoded | None = event.decoded  # type: ignore[union-attr]
        return decoded


def temperature(value: int, version: str = "1") -> Decoded:
    return Decoded(decoder=f"meter@{version}", readings=(Reading("temperature", value, "°C"),))


def test_plugins_that_were_refused_are_logged_at_the_start(tmp_path: Path, log_lines: list[str]) -> None:
    House(tmp_path).decoders.load()
    assert any("decoder acme: ACME_KEY: is missing" in line for line in log_lines)


@pytest.mark.parametrize("exists", [False, True])
def test_without_files_everything_stays_raw(tmp_path: Path, exists: bool) -> None:
    directory = tmp_path / "decoders"
    if exists:
        directory.mkdir()
    house = House(directory, type_eui=TYPE_EUI)
    house.decoders.load()
    assert house.decoded() is None
    assert house.decoders.report() == {
        "directory": str(directory),
        "decoders": {},
        "problems": ["decoder acme: ACME_KEY: is missing"],
        "resting": [],
    }


@pytest.mark.parametrize("fields", [{"decoder": "meter"}, {"type_eui": TYPE_EUI}])
def test_a_sensor_names_its_decoder_or_its_type(tmp_path: Path, fields: Mapping[str, Any]) -> None:
    (tmp_path / "meter.json").write_text(blueprint())
    house = House(tmp_path, **fields)
    house.decoders.load()
    assert house.decode(STATUS, uplink())[0] is STATUS
    assert house.decoded() == temperature(0x0102)
    assert house.decoders.report()["decoders"] == {
        "meter": {"version": "1", "decoded": 1, "failed": 0, "failing": False}
    }


def test_an_entry_that_changes_or_goes_counts_at_once(tmp_path: Path) -> None:
    house = House(tmp_path, decoder="meter")
    device = f"mioty:{SENSOR}"
    assert house.decoders.wanted(device) == house.decoders.wanted(device) == ChosenDecoder("meter")
    house.sensors[SENSOR] = replace(house.sensor, decoder="other")
    assert house.decoders.wanted(device).decoder == "other"
    del house.sensors[SENSOR]
    assert house.decoders.wanted(device) == ChosenDecoder()


def test_a_file_that_changes_is_used_at_once_and_a_wrong_one_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "meter.json"
    house = House(tmp_path, decoder="meter")
    house.decoders.load()
    failed = house.decoded()
    assert failed is not None and failed.failure is not None and failed.failure.code == "no_decoder"
    house.decoders.start()
    file.write_text(blueprint(2, "2"))
    house.clock.advance(INTERVAL)
    assert house.decoded() == temperature(0x0204, "2")
    file.write_text("{")
    house.clock.advance(INTERVAL)
    assert house.decoded(2) == temperature(0x0204, "2")
    (_, problem) = house.decoders.report()["problems"]
    assert problem.startswith("meter.json, line 1: ")
    stopped = house.decoders.stop()
    assert stopped.called
    file.write_text(blueprint(3, "3"))
    house.clock.advance(INTERVAL)
    assert house.decoded(3) == temperature(0x0204, "2")


def test_what_a_decoder_cannot_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "meter.json").write_text(blueprint().replace("16", "64"))
    house = House(tmp_path, decoder="meter")
    house.decoders.load()
    decoded = house.decoded()
    assert decoded is not None and decoded.failure is not None and not decoded.readings
    figures = house.decoders.report()["decoders"]["meter"]
    assert figures["failing"] and figures["last_error"]["code"] == decoded.failure.code


def _raise(*_: object) -> Deferred[list[AnyEvent]]:
    raise ZeroDivisionError


@pytest.mark.parametrize("hangs", [True, False])
def test_decoding_that_fails_or_never_ends_leaves_raw_uplinks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure], hangs: bool
) -> None:
    house = House(tmp_path)
    house.decoders.load()
    monkeypatch.setattr(house.decoders.decoding, "decode", (lambda *_: Deferred()) if hangs else _raise)
    found: list[list[AnyEvent]] = []
    house.decoders.decode([STATUS, uplink()]).addCallback(found.append)
    house.clock.pump([DECODE_TIME / STEPS] * STEPS)
    assert expected_errors.pop().type is (DeferredTimeout if hangs else ZeroDivisionError)
    ((status, event),) = found
    assert status is STATUS
    assert event.decoded.failure.code == "not_decoded"  # type: ignore[union-attr]
    assert event.payload == uplink().payload  # type: ignore[union-attr]


def test_a_fault_in_reading_the_folder_keeps_nothing_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    house = House(tmp_path)
    monkeypatch.setattr(house.decoders.folder, "load_now", _raise)
    house.decoders.load()
    assert house.decoded() is None
    assert expected_errors.pop().type is ZeroDivisionError


def test_the_choice_of_a_sensor_that_is_removed_and_not_heard_again_is_not_kept_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bssci.center.decoding.decoders.MAX_CHOSEN", 3)
    house = House(tmp_path, type_eui=TYPE_EUI)
    for number in range(10):
        eui = EUI(f"{number:016X}")
        house.sensors[eui] = replace(house.sensor, eui=eui)
        assert house.decoders.wanted_of_sensor(eui).type_eui == TYPE_EUI
    assert len(house.decoders._chosen) <= 3
