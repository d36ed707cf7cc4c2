"""Sensors brought to a base station: all to a fresh session, several in flight, refusals kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred, maybeDeferred
from twisted.internet.task import Clock

from bssci.journal import Registration, StorageError
from bssci.model import EUI, SensorStatus, StationState
from bssci.stations import propagation
from bssci.stations.propagation import Propagation
from bssci.wire.errors import TooManyOperations
from bssci.wire.messages import (
    AttPrp,
    AttPrp11,
    AttPrpCmp,
    AttPrpRsp,
    DetPrp,
    DetPrpRsp,
    Error,
    ErrorAck,
    Ping,
    PingRsp,
    UlDataRsp,
)
from tests.support.center import KEY, STATION, TESTER, House, Line, result_of, sensor_eui
from tests.support.wire import connect, uplink


@pytest.fixture(autouse=True)
def _files_in_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bssci.center.service_center.deferToThread", maybeDeferred)


def statuses(house: House) -> list[SensorStatus]:
    return [event for _, event in house.events if isinstance(event, SensorStatus)]


def test_a_fresh_session_gets_every_sensor(make_house) -> None:
    house = make_house(sensors=3)
    line = Line(house)
    line.connect()
    asked = line.take(AttPrp)
    assert [f"{request.epEui:016X}" for request in asked] == [sensor_eui(number) for number in (1, 2, 3)]
    assert asked[0] == AttPrp(
        opId=-1,
        epEui=int(sensor_eui(1), 16),
        bidi=False,
        nwkSnKey=list(bytes.fromhex(KEY)),
        shAddr=1,
        lastPacketCnt=0,
        dualChan=True,
        repetition=False,
        wideCarrOff=False,
        longBlkDist=False,
    )
    line.say(*(AttPrpRsp(opId=request.opId) for request in asked))
    assert line.take(AttPrpCmp) == [AttPrpCmp(opId=request.opId) for request in asked]
    assert [(event.action, event.base_station_eui) for event in statuses(house)] == [
        ("attached", f"{STATION:016X}")
    ] * 3


def test_the_answers_may_come_in_any_order(make_house) -> None:
    house = make_house(sensors=3)
    line = Line(house)
    line.connect()
    line.take(AttPrp)
    line.say(AttPrpRsp(opId=-3), AttPrpRsp(opId=-1))
    assert [event.end_point_eui for event in statuses(house)] == [sensor_eui(3), sensor_eui(1)]


def test_several_are_in_flight_but_not_all_and_others_are_served_meanwhile(make_house) -> None:
    house = make_house(sensors=600)
    line = Line(house)
    line.connect()
    first = line.take(AttPrp)
    assert 1 < len(first) < 600
    line.say(Ping(opId=1), uplink(2))
    assert line.take(PingRsp) and line.take(UlDataRsp)
    assert line.take(AttPrp) == []
    line.say(*(AttPrpRsp(opId=request.opId) for request in first))
    rest = line.answer_everything()
    assert len({request.epEui for request in first + rest}) == 600
    assert [request.opId for request in first + rest if request.opId < -600] == []


def test_the_last_counter_that_was_heard_goes_with_it(make_house) -> None:
    house = make_house(sensors=1)
    line = Line(house)
    line.connect()
    line.say(uplink(1, epEui=int(sensor_eui(1), 16), packetCnt=4711))
    house.advance(3)
    line.lose()
    again = Line(house)
    again.connect(connect(bsEui=STATION, snBsUuid=[7] * 16))
    assert [request.lastPacketCnt for request in again.take(AttPrp)] == [4711]


def test_a_refusal_is_reported_kept_and_not_repeated(make_house) -> None:
    house = make_house(sensors=2)
    line = Line(house)
    line.connect()
    line.take(AttPrp)
    line.say(Error(opId=-1, code=22, message="no"), AttPrpRsp(opId=-2))
    assert line.take(ErrorAck) == [ErrorAck(opId=-1)]
    [refused] = [event for event in statuses(house) if event.action == "attach_failed"]
    assert (refused.end_point_eui, refused.code, refused.message) == (sensor_eui(1), 22, "no")
    line.lose()
    again = Line(house)
    assert again.connect().snResume
    house.advance(30)
    assert again.take(AttPrp) == []


def test_a_busy_station_is_asked_again(make_house) -> None:
    house = make_house(sensors=1)
    line = Line(house)
    line.connect()
    line.take(AttPrp)
    line.say(Error(opId=-1, code=11, message="busy"))
    assert line.take(AttPrp) == []
    house.advance(10)
    assert len(line.take(AttPrp)) == 1
    assert statuses(house) == []


def test_a_station_that_was_busy_often_is_asked_again_as_often_the_next_time(make_house) -> None:
    house = make_house(sensors=1)
    line = Line(house)
    line.connect()
    for _ in range(2):
        for _ in range(propagation.BUSY_TRIES - 1):
            [request] = line.take(AttPrp)
            line.say(Error(opId=request.opId, code=11, message="busy"))
            house.advance(10)
        [request] = line.take(AttPrp)
        line.say(AttPrpRsp(opId=request.opId))
        ensureDeferred(house.commands.attach([sensor_eui(1)], TESTER))
        house.settle()
    assert {each.action for each in statuses(house)} == {"attached"}


def test_the_station_is_not_up_to_date_while_it_is_busy(make_house) -> None:
    house = make_house(sensors=1)
    line = Line(house)
    line.connect()
    [request] = line.take(AttPrp)
    line.say(Error(opId=request.opId, code=11, message="busy"))
    [station] = house.center.stations
    assert station.propagation.outstanding == 1
    assert station.propagation.report() is None
    house.advance(10)
    assert len(line.answer_everything()) == 1
    assert station.propagation.outstanding == 0


def test_what_a_busy_station_put_off_is_not_sent_twice_after_it_connected_again(make_house) -> None:
    house = make_house(sensors=1)
    line = Line(house)
    line.connect()
    [request] = line.take(AttPrp)
    line.say(Error(opId=request.opId, code=11, message="busy"))
    line.lose()
    again = Line(house)
    assert again.connect().snResume
    assert len(again.answer_everything()) == 1
    house.advance(propagation.BUSY_WAIT + 1)
    assert again.take(AttPrp) == []


def test_sensors_wait_while_too_many_operations_are_open() -> None:
    clock, issued, open_ = Clock(), list[Any](), [True]

    def issue(requests: Any) -> None:
        if open_[0]:
            raise TooManyOperations("8192 operations are open")
        issued.extend(requests)

    wanted = _Wanted({})
    telling = Propagation(clock, EUI("CAFE000000000001"), wanted, issue, set())
    telling.start("1.0.0", [], [])
    telling.change([EUI(sensor_eui(1))])
    assert (issued, telling.outstanding) == ([], 1)
    open_[0] = False
    clock.advance(propagation.BUSY_WAIT)
    assert [type(request) for request in issued] == [DetPrp]


def test_a_busy_station_is_asked_again_for_what_was_ordered_last(make_house) -> None:
    house = make_house(sensors=1)
    line = Line(house)
    line.connect()
    line.answer_everything()
    station, eui = line.station, EUI(sensor_eui(1))
    assert station is not None
    attachments = house.center.attachments
    ensureDeferred(attachments.detach([eui], at=house.now()))
    house.settle()
    [detach] = line.take(DetPrp)
    ensureDeferred(attachments.attach([eui], at=house.now()))
    house.settle()
    line.say(Error(opId=detach.opId, code=11, message="busy"))
    line.answer_everything()
    house.advance(propagation.BUSY_WAIT + 1)
    assert len(line.answer_everything()) == 1
    house.advance(propagation.BUSY_WAIT + 1)
    assert line.take(DetPrp) == []


def test_what_could_not_be_stored_is_not_sent_and_tried_again(make_house, expected_errors) -> None:
    house = make_house(sensors=2)
    line = Line(house)
    line.begin()
    house.journal.broken = True
    line.complete()
    assert line.take(AttPrp) == []
    house.journal.broken = False
    house.advance(10)
    assert len(line.take(AttPrp)) == 2
    expected_errors[:] = [failure for failure in expected_errors if not failure.check(StorageError)]


@pytest.mark.parametrize(("bidi", "end_point_class"), [(True, "a"), (False, "z")])
def test_a_1_1_station_gets_its_dialect(make_house, bidi: bool, end_point_class: str) -> None:
    house = make_house(sensors=0)
    house.configure(
        [{"eui": sensor_eui(1), "nwKey": KEY, "shortAddr": "0001", "bidi": bidi}],
    )
    house.crash()
    line = Line(house)
    assert line.connect(connect(bsEui=STATION, version="1.1.0")).version.startswith("1.1")
    [request] = line.take(AttPrp11)
    assert (request.epClass, request.syncBurst) == (end_point_class, False)


@pytest.mark.parametrize("refused", [False, True])
def test_what_was_asked_before_the_connection_was_lost_is_not_asked_once_more(
    make_house, refused: bool
) -> None:
    house = make_house(sensors=1)
    line = Line(house)
    line.connect()
    assert len(line.take(AttPrp)) == 1
    line.lose()
    again = Line(house)
    assert again.connect().snResume
    [repeated] = again.take(AttPrp)
    again.say(Error(opId=repeated.opId, code=22, message="no") if refused else AttPrpRsp(opId=repeated.opId))
    house.advance(30)
    assert again.take(AttPrp) == []
    assert [event.action for event in statuses(house)] == ["attach_failed" if refused else "attached"]


def test_what_changed_while_the_connection_was_lost_is_told_after_what_was_asked_before(make_house) -> None:
    house = make_house(sensors=1)
    line = Line(house)
    line.connect()
    line.take(AttPrp)
    line.lose()
    house.configure([])
    ensureDeferred(house.commands.reload_sensors(TESTER))
    house.settle()
    again = Line(house)
    assert again.connect().snResume
    [repeated] = again.take(AttPrp)
    assert again.take(DetPrp) == []
    again.say(AttPrpRsp(opId=repeated.opId))
    assert [request.epEui for request in again.take(DetPrp)] == [repeated.epEui]


def test_a_command_given_while_the_station_is_asked_the_same_is_answered_with_that(make_house) -> None:
    house = make_house(sensors=1)
    line = Line(house)
    line.connect()
    [asked] = line.take(AttPrp)
    attaching = ensureDeferred(house.commands.attach([sensor_eui(1)], TESTER))
    house.settle()
    line.say(AttPrpRsp(opId=asked.opId))
    assert line.take(AttPrp) == []
    assert result_of(attaching).count() == {"done": 1}


# histories are not flooded


def _attached_at(house: House, line: Line) -> int:
    return sum(event.base_station_eui == f"{line.eui:016X}" for event in statuses(house))


def test_what_a_station_that_connects_anew_is_told_is_no_news_but_how_many_it_serves_is(make_house) -> None:
    house = make_house(sensors=3)
    first, second = Line(house), Line(house, STATION + 1)
    heard: list[tuple[str, int | None]] = []
    house.center.watch_stations(lambda state: heard.append((state.base_station_eui, state.attached)))
    first.connect()
    first.answer_everything()
    second.connect()
    second.answer_everything()
    assert (_attached_at(house, first), _attached_at(house, second)) == (3, 0)
    here, there = f"{STATION:016X}", f"{STATION + 1:016X}"
    assert heard == [(here, None), (here, 3), (there, None), (there, 3)]
    online = [event for _, event in house.events if isinstance(event, StationState)]
    assert [event.attached for event in online] == [None, 3, None, 3]
    first.lose()
    again = Line(house)
    assert again.connect().snResume and heard[-1] == (here, 3)


def test_that_is_so_after_a_restart_too(make_house) -> None:
    house = make_house(sensors=2)
    line = Line(house)
    line.connect()
    line.answer_everything()
    house.crash()
    again = Line(house)
    again.connect(connect(bsEui=STATION, snBsUuid=[7] * 16))
    assert len(again.answer_everything()) == 2
    assert _attached_at(house, line) == 2


def test_a_command_is_told_for_each_station(make_house) -> None:
    house = make_house(sensors=1)
    lines = [Line(house), Line(house, STATION + 1)]
    for line in lines:
        line.connect()
        line.answer_everything()
    ensureDeferred(house.commands.attach([sensor_eui(1)], TESTER))
    house.settle()
    for line in lines:
        assert len(line.answer_everything()) == 1
    assert [_attached_at(house, line) for line in lines] == [2, 1]


def test_so_is_one_that_was_given_while_the_station_was_asked_something_else(make_house) -> None:
    house = make_house(sensors=1)
    line = Line(house)
    line.connect()
    [asked] = line.take(AttPrp)
    ensureDeferred(house.commands.detach([sensor_eui(1)], TESTER))
    house.settle()
    line.say(AttPrpRsp(opId=asked.opId))
    [asked] = line.take(DetPrp)
    line.say(DetPrpRsp(opId=asked.opId))
    assert [event.action for event in statuses(house)] == ["attached", "detached"]


def test_a_refusal_of_what_the_station_was_asked_before_a_command_does_not_end_it(make_house) -> None:
    house = make_house(sensors=1)
    line = Line(house)
    line.connect()
    [asked] = line.take(AttPrp)
    ensureDeferred(house.commands.detach([sensor_eui(1)], TESTER))
    house.settle()
    line.say(Error(opId=asked.opId, code=22, message="no"))
    [asked] = line.take(DetPrp)
    line.say(DetPrpRsp(opId=asked.opId))
    assert [event.action for event in statuses(house)] == ["attach_failed", "detached"]


# very many: looked at in slices


@pytest.fixture
def _small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propagation, "SLICE", 2)
    monkeypatch.setattr(propagation, "WINDOW", 100)


@pytest.mark.usefixtures("_small_slices")
def test_a_fresh_session_gets_every_sensor_in_slices(make_house) -> None:
    house = make_house(sensors=7)
    line = Line(house)
    line.connect()
    assert len(line.answer_everything()) == 7
    [station] = house.center.stations
    assert (len(station.propagation.served), station.propagation.outstanding) == (7, 0)
    assert house.events[-1][1].attached == 7


@pytest.mark.usefixtures("_small_slices")
def test_a_resumed_session_with_nothing_to_tell_says_how_many_it_serves(make_house) -> None:
    house = make_house(sensors=7)
    line = Line(house)
    line.connect()
    line.answer_everything()
    line.lose()
    again = Line(house)
    assert again.connect().snResume
    house.advance(1)
    assert again.take(AttPrp) == []
    assert [event.attached for _, event in house.events if isinstance(event, StationState)][-1] == 7


def test_what_changes_while_it_is_found_out_counts() -> None:
    clock, issued = Clock(), list[Any]()
    wanted = _Wanted({EUI(sensor_eui(number)): b"old" for number in range(1, 9)})
    telling = Propagation(clock, EUI("CAFE000000000001"), wanted, issued.extend, set())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(propagation, "SLICE", 2)
        known = [
            Registration(end_point_eui=EUI(sensor_eui(number)), fingerprint=b"old", state="attached", at=0.0)
            for number in range(1, 9)
        ]
        telling.start("1.0.0", [], known)
        gone, left = EUI(sensor_eui(1)), EUI(sensor_eui(8))
        wanted.by_eui.pop(gone)
        telling.change([gone])
        wanted.by_eui.pop(left)
        telling.knows(Registration(end_point_eui=left, fingerprint=b"", state="detached", at=0.0))
        assert telling.report() is None
        for _ in range(20):
            clock.advance(0)
    assert [type(request) for request in issued] == [DetPrp]
    assert telling.served == {EUI(sensor_eui(number)) for number in range(1, 8)}
    assert telling.outstanding == 1


class _Wanted:
    def __init__(self, by_eui: dict[EUI, bytes]) -> None:
        self.by_eui = by_eui

    def fingerprints(self) -> Iterator[tuple[EUI, bytes]]:
        return iter(list(self.by_eui.items()))

    def wanted(self, eui: EUI) -> None:
        """No sensor is attached here."""

    def last_counter(self, eui: EUI) -> int:
        return 0
