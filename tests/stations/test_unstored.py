"""What stations answer while nothing can be stored: kept, stored later, not asked for again."""

from __future__ import annotations

import pytest
from twisted.internet.defer import ensureDeferred, fail

from bssci.journal import JournalBusy, Registration
from bssci.model import EUI, SensorStatus
from bssci.stations.propagation import BUSY_WAIT
from bssci.stations.read_batch import ReadBatch
from bssci.stations.unstored import Unstored
from bssci.wire.messages import AttPrp, AttPrpRsp, DetPrp, DetPrpRsp, Error, Ping, Status, StatusRsp
from tests.center.downlinks.gateway import DownlinkHouse, Gateway
from tests.support.center import TESTER, Line, result_of, resume, sensor_eui
from tests.support.wire import uplink

SENSOR = EUI(sensor_eui(1))


def registration(at: float) -> Registration:
    return Registration(end_point_eui=SENSOR, fingerprint=b"f", state="attached", at=at)


def news(at: float) -> SensorStatus:
    return SensorStatus(at=at, action="attached", end_point_eui=SENSOR, base_station_eui=EUI("0" * 16))


def test_the_last_answer_about_a_sensor_counts() -> None:
    unstored = Unstored()
    assert not unstored
    for number in (1, 2):
        answered = [registration(number)]
        unstored.put_back(6 + number, ReadBatch(closed=[-number], answered=answered, news=[news(number)]))
    assert unstored and unstored.registrations == [registration(2.0)]
    batch = ReadBatch(closed=[-3], answered=[registration(3.0)], news=[news(3.0)])
    assert unstored.join(batch) == 8
    assert batch.closed == [-1, -2, -3]
    assert batch.answered == [registration(2.0), registration(3.0)]
    assert batch.news == [news(1.0), news(2.0), news(3.0)]
    assert not unstored


@pytest.mark.parametrize("is_lost", [False, True])
def test_an_answer_about_a_sensor_that_could_not_be_stored_is_stored_with_what_comes_next(
    old: Line, is_lost: bool
) -> None:
    house, station = old.house, old.station
    assert station is not None
    detaching = ensureDeferred(house.commands.detach([SENSOR], TESTER))
    house.settle()
    [request] = old.take(DetPrp)
    house.journal.broken = True
    old.say(DetPrpRsp(opId=request.opId))
    house.journal.broken = False
    if is_lost:
        old.lose()
        old.connect()
    else:
        old.say(Ping(opId=1))
    house.advance(1)
    result_of(detaching)
    report = house.do(house.center.sensor_report(SENSOR))
    assert report["registration"]["base_stations"][station.eui]["state"] == "detached"
    assert [event.action for event in house.happened(SensorStatus)] == ["attached", "detached"]
    assert old.take(DetPrp) == []


def test_an_answer_is_published_once_though_what_came_with_it_is_refused_as_too_much(
    old: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = old.house
    ensureDeferred(house.commands.detach([SENSOR], TESTER))
    house.settle()
    [request] = old.take(DetPrp)
    with monkeypatch.context() as patch:
        patch.setattr(house.journal.inbox, "append", lambda *receptions: fail(JournalBusy("too many")))
        old.say(DetPrpRsp(opId=request.opId), uplink(1))
    assert [error.opId for error in old.take(Error)] == [1]
    old.say(uplink(2))
    assert [event.action for event in house.happened(SensorStatus)] == ["attached", "detached"]


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_station_that_was_refused_on_a_full_disk_resumes_its_session_with_a_later_run(
    old: Line, is_lost: bool
) -> None:
    house = old.house
    house.journal.full = True
    old.say(uplink(1))
    house.journal.full = False
    assert [error.opId for error in old.take(Error)] == [1]
    if is_lost:
        old.lose()
    else:
        assert old.station is not None
        old.station.ask_status()
        house.settle()
        old.say(*(StatusRsp(opId=each.opId) for each in old.take(Status)))
    house.crash()
    assert Line(house, old.eui).begin(resume(1, 0)).snResume


def test_an_answer_that_could_neither_be_stored_nor_was_lost_is_not_asked_for_again(old: Line) -> None:
    house = old.house
    ensureDeferred(house.commands.detach([SENSOR], TESTER))
    house.settle()
    [request] = old.take(DetPrp)
    house.journal.full = True
    old.say(DetPrpRsp(opId=request.opId))
    old.lose()
    old.connect()
    house.journal.full = False
    house.advance(BUSY_WAIT + 1)
    assert old.take(DetPrp) == []


def test_a_downlink_goes_to_a_station_whose_answer_about_its_sensor_was_stored_late(
    site: DownlinkHouse,
) -> None:
    station = Gateway(site)
    station.connect()
    requests = [each for each in station.take(AttPrp) if each.epEui == int(SENSOR, 16)]
    station.hear(1)
    site.journal.full = True
    station.say(*(AttPrpRsp(opId=each.opId) for each in requests))
    site.journal.full = False
    site.queue()
    assert station.asked() == []
    station.hear(2)
    assert len(station.asked()) == 1
