"""The guard looks at the whole service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import maybeDeferred
from twisted.python.failure import Failure

from bssci.center.alarms import conditions
from bssci.center.alarms.conditions import Condition
from bssci.center.alarms.guard import AlarmGuard
from bssci.center.storing import WRITE_TIME
from bssci.certificates import bundles
from bssci.journal import StationEntry, StorageError
from bssci.model import EUI
from bssci.stations.causes import Cause
from bssci.stations.station import Station
from tests.support.center import House, Line, sensor_entry
from tests.support.guard import guard_of, watched_of

OTHERS = {"gateway-offline": lambda: [Condition("gateway-offline:x", "warning", "x", "/")]}


@pytest.fixture
def guarded(house: House) -> Iterator[House]:
    with guard_of(house, others=OTHERS):
        yield house


def alarms(house: House) -> set[str]:
    return {each.id for each in house.center.alarms.open()}


def test_a_station_that_went_is_an_alarm_until_it_is_back(guarded: House) -> None:
    line = Line(guarded)
    line.connect()
    line.lose()
    guarded.advance(59, step=1)
    assert alarms(guarded) == {"gateway-offline:x"}
    guarded.advance(10, step=1)
    assert "station-offline:CAFE000000000001" in alarms(guarded)
    Line(guarded).connect()
    guarded.advance(45, step=5)
    assert alarms(guarded) == {"gateway-offline:x"}


@pytest.mark.parametrize("kind", sorted(conditions.LEARNED))
def test_what_was_learned_before_a_restart_is_not_over_because_of_it(house: House, kind: str) -> None:
    bad = Condition(f"{kind}:x", "warning", "It is bad", "/")
    house.center.alarms.evaluate({kind}, [bad])
    house.settle()
    house.crash()
    with guard_of(house, others={"alarms-not-told": list}):
        house.advance(500, step=5)
        assert alarms(house) == {bad.id}
        house.advance(200, step=5)
        assert alarms(house) == set()


def test_refusals_and_silent_sensors(make_house) -> None:
    house = make_house(sensors=1, **{"auto-detach-warning-timeout": "100", "auto-detach-timeout": "9999"})
    with guard_of(house):
        house.center.refused_stations.add("192.0.2.1", Cause("it was revoked"), EUI("CAFE000000000009"))
        Line(house).connect()
        sensor = sensor_entry()["eui"]
        house.center.silence.attached([sensor], house.now())
        house.advance(200, step=5)
        assert {f"sensor-silent:{sensor}", "station-refused:CAFE000000000009"} <= alarms(house)


def test_a_refused_station_that_gets_in_is_an_alarm_no_more(guarded: House) -> None:
    station = EUI("CAFE000000000001")
    guarded.center.refused_stations.add("192.0.2.1", Cause("it was revoked"), station)
    guarded.advance(10, step=5)
    assert f"station-refused:{station}" in alarms(guarded)
    Line(guarded).connect()
    guarded.advance(60, step=5)
    assert f"station-refused:{station}" not in alarms(guarded)


def test_a_journal_that_refuses_uplinks_is_an_alarm_although_others_find_it_writable(guarded: House) -> None:
    storing = guarded.center.storing
    for _ in range(4):
        storing.refused(Failure(StorageError("full")))
        storing.refresh()
        guarded.advance(5, step=1)
    assert "journal-failing" in alarms(guarded)
    guarded.advance(60, step=5)
    assert "journal-failing" not in alarms(guarded)


def test_one_refusal_is_an_alarm_and_one_slow_write_is_none(guarded: House) -> None:
    guarded.advance(5)
    guarded.journal.queues, held = [], guarded.journal.queues
    guarded.center.storing.refresh()
    guarded.clock.advance(WRITE_TIME)
    guarded.journal.queues = held
    assert guarded.center.storing.is_failing()
    guarded.advance(20, step=5)
    assert "journal-failing" not in alarms(guarded)
    guarded.center.storing.refused(Failure(StorageError("full")))
    guarded.advance(20, step=5)
    assert "journal-failing" in alarms(guarded)


def test_a_failed_small_write_is_tried_again_though_nobody_asks(guarded: House) -> None:
    guarded.advance(5)
    guarded.journal.broken = True
    guarded.center.storing.refresh()
    guarded.advance(15, step=5)
    assert "journal-failing" in alarms(guarded)
    guarded.journal.broken = False
    guarded.advance(60, step=5)
    assert "journal-failing" not in alarms(guarded)


def test_certificates_that_end_are_alarms(make_house, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    list(bundles.make_authority(tmp_path / "ca.pem", now))
    list(bundles.make_server(tmp_path / "ca.pem", tmp_path / "s.pem", tmp_path / "k.pem", [], now))
    house = make_house(**{"ca-file": str(tmp_path / "ca.pem"), "cert-file": str(tmp_path / "s.pem")})
    for years, found in ((0, set()), (4.99, {"certificate-ends:server"})):
        house.clock.advance((now.timestamp() - house.now()) + years * 365 * 86400)
        with guard_of(house):
            house.advance(10, step=5)
            assert {each for each in alarms(house) if each.startswith("certificate")} == found


def test_the_certificate_of_a_station_that_is_away_is_an_alarm_by_its_eui(make_house, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    list(bundles.make_authority(tmp_path / "ca.pem", now))
    list(bundles.make_station(tmp_path / "ca.pem", tmp_path, None, now))
    [pem] = tmp_path.rglob("station_cert.pem")
    der = x509.load_pem_x509_certificate(pem.read_bytes()).public_bytes(Encoding.DER)
    house = make_house(**{"alarm-certificate-days": "3000"})
    house.clock.advance(now.timestamp() - house.now())
    line = Line(house)
    line.connect()
    line.station.remember(replace(line.station.record, certificate=der))
    line.lose()
    alarm = "certificate-ends:CAFE000000000001"
    with guard_of(house):
        house.advance(10, step=5)
        assert alarm in alarms(house)
        entry = StationEntry(base_station_eui=EUI("CAFE000000000001"), blocked_at=1.0, entered_at=1.0)
        house.center.entries.put([entry])
        house.advance(150, step=5)
        assert alarm not in alarms(house)


def test_a_station_that_is_away_is_watched_by_the_bundle_that_was_made_since(
    make_house, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    eui = EUI("CAFE000000000001")
    list(bundles.make_authority(tmp_path / "ca.pem", now))
    list(bundles.make_station(tmp_path / "ca.pem", tmp_path / "shown", eui, now - timedelta(days=100)))
    list(bundles.make_station(tmp_path / "ca.pem", tmp_path / "stations", eui, now))
    pem = (tmp_path / "shown" / eui / "station_cert.pem").read_bytes()
    house = make_house(**{"alarm-certificate-days": "3000", "cert-file": str(tmp_path / "server.pem")})
    house.clock.advance(now.timestamp() - house.now())
    line = Line(house)
    line.certificate = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    line.connect()
    with guard_of(house):
        house.advance(10, step=5)
        assert f"certificate-ends:{eui}" in alarms(house)
        line.lose()
        house.advance(150, step=5)
        assert f"certificate-ends:{eui}" not in alarms(house)


def test_a_check_that_fails_is_reported_once_and_keeps_no_other_from_being_made(
    house: House, expected_errors: list[Failure]
) -> None:
    calls = []

    def broken() -> list[Condition]:
        calls.append(1)
        if len(calls) > 3:
            return []
        raise ZeroDivisionError

    watched = watched_of(house, others={"a": broken, **OTHERS}, listening=lambda: False)
    guard = AlarmGuard(house.clock, house.center.alarms, watched, house.now, maybeDeferred)
    guard.start()
    house.advance(20, step=5)
    assert {"gateway-offline:x", "not-listening"} <= alarms(house)
    assert [failure.check(ZeroDivisionError) for failure in expected_errors] == [ZeroDivisionError]
    expected_errors.clear()
    guard.stop()


@pytest.mark.parametrize("name", ["of_stations", "of_sensor", "of_certificates"])
def test_so_does_one_of_those_that_take_long(
    make_house: Callable[..., House],
    monkeypatch: pytest.MonkeyPatch,
    expected_errors: list[Failure],
    name: str,
) -> None:
    def broken(*_: object) -> list[Condition]:
        raise ZeroDivisionError

    house = make_house(sensors=1)
    Line(house).connect()
    monkeypatch.setattr(conditions, name, broken)
    checked: list[str] = []
    monkeypatch.setattr(house.center.alarms, "evaluate", lambda kinds, _: checked.extend(kinds))
    watched = watched_of(house, listening=lambda: False)
    guard = AlarmGuard(house.clock, house.center.alarms, watched, house.now, maybeDeferred)
    guard.start()
    house.advance(200, step=5)
    assert len({"station-offline", "sensor-silent", "certificate-ends", "not-listening"} & {*checked}) == 3
    assert [failure.check(ZeroDivisionError) for failure in expected_errors] == [ZeroDivisionError]
    expected_errors.clear()
    guard.stop()


def test_many_stations_are_checked_in_slices(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bssci.center.alarms.guard.STATIONS", 3)
    for number in range(7):
        line = Line(house, eui=0xCAFE000000000001 + number)
        line.connect()
        line.lose()
    seen: list[int] = []
    of_stations = conditions.of_stations

    def counted(stations: Sequence[Station], *more: Any) -> Iterator[Condition]:
        seen.append(len(stations))
        return of_stations(stations, *more)

    monkeypatch.setattr(conditions, "of_stations", counted)
    with guard_of(house):
        house.advance(100, step=5)
    assert seen[:3] == [3, 3, 1]
    assert len([each for each in alarms(house) if each.startswith("station-offline:")]) == 7
