"""Sensors that are heard and not configured are listed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import Clock

from bssci.center.devices.sensors import Sensors
from bssci.center.uplinks import unknown
from bssci.center.uplinks.unknown import UnknownSensors
from bssci.center.write_behind import INTERVAL
from bssci.model import EUI
from bssci.model.over_the_air import AttachRequest
from tests.center.silence.watch import make_uplink, sensor
from tests.support.center import EPOCH
from tests.support.inline_journal import InlineJournal
from tests.support.work import calls

ONE, TWO = "CAFE000000000001", "CAFE000000000002"


def asked_to_attach(station: EUI, counter: int, snr: float) -> AttachRequest:
    return AttachRequest(
        end_point_eui=sensor(1),
        base_station_eui=station,
        attach_counter=counter,
        nonce=bytes(4),
        signature=bytes(4),
        short_address=None,
        dual_channel=True,
        repetition=False,
        wide_carrier_offset=False,
        long_block_distance=False,
        snr=snr,
        rssi=-100.0,
    )


class Desk:
    """An :class:`UnknownSensors` that can crash and come back."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = Clock()
        self.configure()
        self.open()

    def configure(self, *numbers: int) -> None:
        entries = [
            {"eui": sensor(number), "nwKey": "0" * 32, "shortAddr": "0001", "bidi": False}
            for number in numbers
        ]
        (self.directory / "endpoints.json").write_text(json.dumps(entries))

    def open(self) -> None:
        self.journal = InlineJournal(self.directory / "data")
        self.sensors = Sensors(self.directory / "endpoints.json", maybeDeferred)
        self.unknown = UnknownSensors(self.clock, self.journal, self.journal.kept(), self.sensors, self.now)
        self.unknown.start()

    def now(self) -> float:
        return EPOCH + self.clock.seconds()

    def hear(self, number: int, *, known: bool = False, **signals: float) -> None:
        self.unknown.heard([make_uplink(sensor(number), self.now(), known=known, **signals)])

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.journal.commit()

    def kill(self) -> None:
        for call in self.clock.getDelayedCalls():
            call.cancel()
        self.journal.cut()

    def listed(self) -> list[EUI]:
        return [each.end_point_eui for each in self.unknown.listed()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.unknown.stop()
    desk.journal.close()


def test_uplinks_are_counted_with_their_stations_and_signal(desk: Desk) -> None:
    desk.hear(1, **{ONE: 12.0, TWO: 3.0})
    desk.advance(10)
    desk.hear(1, **{TWO: 5.0})
    heard = desk.unknown.get(sensor(1))
    assert heard is not None
    assert (heard.count, heard.uplinks, heard.attach_requests) == (2, 2, 0)
    assert (heard.first_heard_at, heard.last_heard_at) == (EPOCH, EPOCH + 10)
    assert (heard.best.base_station_eui, heard.best.snr, heard.best.rssi) == (ONE, 12.0, -98.0)
    assert (heard.last.base_station_eui, heard.last.snr) == (TWO, 5.0)
    assert {eui: signal.snr for eui, signal in heard.by_station.items()} == {ONE: 12.0, TWO: 5.0}


def test_attach_requests_are_counted_once_for_all_stations(desk: Desk) -> None:
    for counter in (7, 8):
        for station, snr in ((ONE, 1.0), (TWO, 2.0)):
            desk.unknown.asked_to_attach(asked_to_attach(EUI(station), counter, snr))
    heard = desk.unknown.get(sensor(1))
    assert heard is not None
    assert (heard.count, heard.uplinks, heard.attach_requests) == (2, 0, 2)
    assert set(heard.by_station) == {ONE, TWO}
    assert heard.best.base_station_eui == TWO


def test_configured_sensors_are_passed_over(desk: Desk) -> None:
    desk.hear(1, known=True)
    assert desk.listed() == []
    assert len(desk.unknown) == 0


def test_last_heard_comes_first(desk: Desk) -> None:
    for number in (1, 2, 3, 1):
        desk.hear(number)
    assert desk.listed() == [sensor(1), sensor(3), sensor(2)]


def test_oldest_makes_room(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown, "MAX_SENSORS", 3)
    for number in (1, 2, 3, 1):
        desk.hear(number)
    desk.advance(INTERVAL)
    desk.hear(4)
    assert desk.listed() == [sensor(4), sensor(1), sensor(3)]
    desk.advance(INTERVAL)
    assert set(desk.journal.kept().unknown) == {sensor(1), sensor(3), sensor(4)}


def test_stations_of_a_sensor_are_bounded(desk: Desk) -> None:
    for number in range(20):
        desk.hear(1, **{f"CAFE0000000001{number:02X}": 1.0})
    heard = desk.unknown.get(sensor(1))
    assert heard is not None
    assert len(heard.by_station) == unknown.MAX_STATIONS
    assert "CAFE000000000113" in heard.by_station


def test_list_survives_a_crash(desk: Desk) -> None:
    desk.hear(1, **{ONE: 12.0, TWO: 3.0})
    desk.advance(1)
    desk.hear(2)
    before = desk.unknown.listed()
    desk.advance(INTERVAL)
    desk.hear(3)
    desk.kill()
    desk.open()
    assert desk.unknown.listed() == before


def test_clean_stop_forgets_nothing(desk: Desk) -> None:
    desk.hear(1)
    desk.unknown.stop()
    desk.journal.close()
    desk.open()
    assert desk.listed() == [sensor(1)]


def test_who_is_configured_is_off_the_list(desk: Desk) -> None:
    desk.hear(1)
    desk.hear(2)
    desk.advance(INTERVAL)
    desk.configure(1)
    desk.sensors.reload()
    assert desk.listed() == [sensor(2)]
    assert desk.unknown.get(sensor(1)) is None
    desk.advance(INTERVAL)
    desk.configure()
    desk.sensors.reload()
    assert desk.listed() == [sensor(2)]
    assert set(desk.journal.kept().unknown) == {sensor(2)}


def test_what_cannot_be_stored_is_stored_later(desk: Desk) -> None:
    desk.hear(1)
    desk.journal.broken = True
    desk.advance(INTERVAL)
    desk.journal.broken = False
    desk.advance(INTERVAL)
    assert set(desk.journal.kept().unknown) == {sensor(1)}


def test_uplinks_of_configured_sensors_cost_next_to_nothing(desk: Desk) -> None:
    uplinks = [make_uplink(sensor(1), EPOCH)] * 10_000
    assert calls(lambda: desk.unknown.heard(uplinks)) < 10  # for all of them
