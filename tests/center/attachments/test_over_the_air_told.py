"""What base stations are told of an attach or detach by the sensor itself."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred

from bssci.center.attachments.answers import Answers
from bssci.center.attachments.over_the_air import COMPLETION_TIME
from bssci.journal import StorageError
from bssci.model import EUI, StationState, eui_to_int
from bssci.model.commands import DONE
from bssci.stations.propagation import BUSY_WAIT, WINDOW
from bssci.wire.errors import ErrorCode
from bssci.wire.messages import (
    Att,
    AttCmp,
    AttPrp,
    AttPrpRsp,
    AttRsp,
    Det,
    DetCmp,
    DetPrp,
    DetPrpRsp,
    DetRsp,
    DlDataRes,
    Error,
    Message,
    Ping,
)
from tests.stations.air_house import (
    ELSEWHERE,
    HERE,
    KEY,
    SENSOR,
    SESSION_KEY,
    STATIONS,
    THERE,
    AirHouse,
    AirLine,
    att,
    det,
    over_the_air,
    told,
)
from tests.support.center import TESTER, result_of


def test_the_others_are_told_after_the_completion(connected: AirHouse) -> None:
    connected.say(HERE, att())
    connected.obey()
    assert told(connected, THERE) == []
    connected.say(HERE, AttCmp(opId=1))
    connected.obey()
    for station in (THERE, ELSEWHERE):
        (message,) = told(connected, station)
        assert isinstance(message, AttPrp)
        assert (bytes(message.nwkSnKey), message.shAddr, message.lastPacketCnt) == (SESSION_KEY, 0x1505, 0)
    assert told(connected, HERE) == []


def test_no_station_is_told_again_when_it_comes_back(connected: AirHouse) -> None:
    connected.say(HERE, att())
    connected.say(HERE, AttCmp(opId=1))
    connected.obey()
    for station in STATIONS:
        connected.lose(station)
        connected.connect(station)
        assert connected.links[station].of(AttPrp, DetPrp) == []


def test_a_station_that_was_away_is_told_when_it_comes_back(connected: AirHouse) -> None:
    connected.lose(THERE)
    connected.say(HERE, att(), Ping(opId=2))
    connected.connect(THERE)
    (message,) = connected.links[THERE].of(AttPrp)
    assert bytes(message.nwkSnKey) == SESSION_KEY


def test_the_others_are_told_too_if_the_completion_is_lost(connected: AirHouse) -> None:
    connected.say(HERE, att())
    connected.lose(HERE)
    connected.obey()
    assert len(told(connected, THERE)) == len(told(connected, ELSEWHERE)) == 1


def test_the_others_are_told_after_a_while_if_the_completion_never_comes(connected: AirHouse) -> None:
    connected.say(HERE, att(op_id=1))
    connected.say(HERE, det(op_id=2))
    connected.advance(COMPLETION_TIME - 1)
    connected.obey()
    assert told(connected, THERE) == []
    connected.advance(2)
    connected.obey()
    assert [type(each) for each in told(connected, THERE)] == [DetPrp]
    assert told(connected, HERE) == []
    connected.say(HERE, DetCmp(opId=2))
    connected.obey()
    assert len(told(connected, THERE)) == 1


def test_a_station_that_cancels_an_attach_is_told_as_the_others_are(connected: AirHouse) -> None:
    connected.say(HERE, att())
    connected.say(HERE, Error(opId=1, code=5, message="not carried out"))
    connected.obey()
    for station in STATIONS:
        (message,) = told(connected, station)
        assert isinstance(message, AttPrp) and bytes(message.nwkSnKey) == SESSION_KEY


def test_a_station_that_cancels_a_detach_is_told_as_the_others_are(connected: AirHouse) -> None:
    connected.say(HERE, det(op_id=1))
    connected.say(HERE, Error(opId=1, code=5, message="not carried out"))
    connected.obey()
    for station in STATIONS:
        (message,) = told(connected, station)
        assert isinstance(message, DetPrp)


def test_a_station_that_cancels_the_attach_of_an_unknown_sensor_is_told_nothing(connected: AirHouse) -> None:
    connected.say(HERE, att(epEui=1))
    connected.say(HERE, Error(opId=1, code=5, message="not carried out"))
    connected.obey()
    assert not any(message.epEui == 1 for message in connected.links[HERE].of(AttPrp, DetPrp))


def test_a_station_that_answers_a_detach_beside_its_attach_is_told_of_the_attach(connected: AirHouse) -> None:
    ensureDeferred(connected.commands.detach([SENSOR], TESTER))
    connected.settle()
    [order] = told(connected, HERE)
    connected.say(HERE, att(), DetPrpRsp(opId=order.opId))
    connected.say(HERE, AttCmp(opId=1))
    connected.settle()
    last = told(connected, HERE)[-1]
    assert isinstance(last, AttPrp) and bytes(last.nwkSnKey) == SESSION_KEY


def test_a_station_that_answers_an_attach_beside_its_detach_is_told_of_it(connected: AirHouse) -> None:
    connected.say(THERE, att())
    connected.say(THERE, AttCmp(opId=1))
    [order] = told(connected, HERE)
    connected.say(HERE, det(), AttPrpRsp(opId=order.opId))
    connected.say(HERE, DetCmp(opId=2))
    connected.settle()
    assert isinstance(told(connected, HERE)[-1], DetPrp)


def test_a_newer_connection_in_place_of_the_old_loses_the_completion_as_well(connected: AirHouse) -> None:
    connected.say(HERE, att())
    connected.connect(HERE)
    assert len(told(connected, THERE)) == 1


def test_the_others_are_told_of_a_detach_although_an_attach_after_it_cannot_be_stored(
    connected: AirHouse,
) -> None:
    connected.say(HERE, det(op_id=1))
    connected.journal.full = True
    connected.say(THERE, att(op_id=1))
    connected.journal.full = False
    connected.say(HERE, DetCmp(opId=1))
    connected.obey()
    connected.advance(BUSY_WAIT + 1)
    assert [type(each) for each in told(connected, ELSEWHERE)] == [DetPrp]
    assert told(connected, HERE) == []


def test_nobody_is_told_of_two_changes_that_cannot_be_stored(connected: AirHouse) -> None:
    connected.station(HERE).receive([det(op_id=1)])
    connected.journal.full = True
    connected.say(THERE, att(op_id=1))
    connected.journal.full = False
    connected.advance(BUSY_WAIT + 1)
    assert told(connected, ELSEWHERE) == []


def test_a_second_copy_is_answered_and_its_station_not_told(connected: AirHouse) -> None:
    connected.say(HERE, att())
    answers = connected.say(THERE, att(op_id=5))
    assert answers == [AttRsp(opId=5, nwkSnKey=list(SESSION_KEY), shAddr=0x1505)]
    connected.say(HERE, AttCmp(opId=1))
    connected.say(THERE, AttCmp(opId=5))
    connected.obey()
    assert told(connected, THERE) == []
    assert len(told(connected, ELSEWHERE)) == 1
    assert len(over_the_air(connected)) == 1


def test_a_copy_that_comes_while_its_station_is_being_told_costs_nothing_more(connected: AirHouse) -> None:
    connected.links[THERE].silent.add(AttPrp)
    connected.say(HERE, att())
    connected.say(HERE, AttCmp(opId=1))
    assert len(told(connected, THERE)) == 1
    connected.links[THERE].silent.clear()
    assert isinstance(connected.say(THERE, att(op_id=5))[0], AttRsp)
    connected.obey()
    assert len(told(connected, THERE)) == 1


def test_an_older_attach_prp_on_its_way_does_not_win(connected: AirHouse) -> None:
    connected.links[HERE].silent.add(AttPrp)
    station = connected.station(HERE)
    station.propagation.change([SENSOR])
    connected.settle()
    (older,) = told(connected, HERE)
    connected.say(HERE, att())
    link = connected.links[HERE]
    link.silent.clear()
    link.answered = link.sent.index(older)
    connected.obey()
    keys = [bytes(message.nwkSnKey) for message in told(connected, HERE) if isinstance(message, AttPrp)]
    assert keys == [KEY, SESSION_KEY]


def test_a_station_that_was_yet_to_be_told_need_not_be(connected: AirHouse) -> None:
    link, station = connected.links[HERE], connected.station(HERE)
    link.silent.add(DetPrp)
    station.propagation.change([EUI(f"{number:016X}") for number in range(WINDOW)])
    answers = Answers(connected.clock, 30.0, [SENSOR])
    answers.expect(HERE, [SENSOR])
    station.propagation.change([SENSOR], answers)
    outcomes = answers.all()
    connected.say(HERE, att())
    connected.clock.advance(0)
    assert result_of(outcomes).of(SENSOR) == {HERE: DONE}
    link.silent.clear()
    link.answered = 0
    connected.obey()
    assert station.propagation.outstanding == 0
    assert told(connected, HERE) == []


def test_a_station_that_was_yet_to_be_told_of_it_alone_says_how_many_it_serves(house: AirHouse) -> None:
    line = house.links[HERE] = AirLine(house, eui_to_int(HERE))
    line.connect()
    for request in line.take(AttPrp):
        if request.epEui == eui_to_int(SENSOR):
            line.say(Error(opId=request.opId, code=ErrorCode.EAGAIN, message="busy"))
        else:
            line.say(AttPrpRsp(opId=request.opId))
    assert house.happened(StationState)[-1].attached is None
    house.say(HERE, att())
    assert house.station(HERE).state.attached == 2
    assert house.happened(StationState)[-1].attached == 2


def test_a_detached_sensor_stays_detached(connected: AirHouse) -> None:
    connected.say(HERE, det(), Ping(opId=3))
    connected.say(HERE, DetCmp(opId=2))
    connected.obey()
    connected.crash()
    for station in STATIONS:
        connected.connect(station)
        assert connected.links[station].of(AttPrp, DetPrp) == []


@pytest.mark.parametrize(("request_", "ordered"), [(det(), DetPrp), (att(op_id=2), AttPrp)])
def test_a_station_whose_request_could_not_be_stored_is_still_told_what_it_was_too_busy_for(
    connected: AirHouse, request_: Att | Det, ordered: type[Message]
) -> None:
    commands = connected.commands
    orders = [commands.detach] if ordered is DetPrp else [commands.detach, commands.attach]
    for number, order in enumerate(orders, 1):
        if number == len(orders):
            connected.links[HERE].silent = {ordered}
        ensureDeferred(order([SENSOR], TESTER))
        connected.obey()
    connected.links[HERE].silent = set()
    connected.say(HERE, Error(opId=told(connected, HERE)[-1].opId, code=ErrorCode.EAGAIN, message="busy"))
    connected.journal.full = True
    [refusal] = connected.say(HERE, request_)
    assert isinstance(refusal, Error) and refusal.code == ErrorCode.EAGAIN
    connected.journal.full = False
    asked = len(told(connected, HERE))
    connected.advance(2 * BUSY_WAIT)
    connected.obey()
    assert [type(each) for each in told(connected, HERE)[asked:]] == [ordered]


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_station_is_told_nothing_of_a_sensor_before_the_answer_to_its_request(
    connected: AirHouse, is_stored: bool
) -> None:
    """Its answer comes late, as another message of the same read is still being worked on."""
    worker, link = connected.center.downlinks._worker, connected.links[HERE]
    worker.pause()
    sent = DlDataRes(opId=3, epEui=eui_to_int(SENSOR), queId=1, result="expired")
    assert connected.say(HERE, det(), sent) == []
    connected.say(THERE, att())
    connected.say(THERE, AttCmp(opId=1))
    connected.obey()
    assert told(connected, HERE) == []
    connected.journal.full = not is_stored
    worker.wake()
    connected.obey()
    connected.journal.full = False
    connected.advance(BUSY_WAIT + 1)
    connected.obey()
    kinds = [type(each) for each in link.of(DetRsp, Error, AttPrp)]
    assert kinds[-2:] == [DetRsp if is_stored else Error, AttPrp]
    assert link.of(AttPrp)[-1].nwkSnKey == list(SESSION_KEY)


def delete_after_a_lost_answer(house: AirHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A station is lost before it is told that its ``det`` is accepted; the sensor is deleted."""
    monkeypatch.setattr(house.center.sensors, "_run_in_thread", maybeDeferred)
    house.links[HERE].give(det())
    house.lose(HERE)
    ensureDeferred(house.commands.remove([SENSOR], TESTER))
    house.obey()


def test_a_station_whose_answer_was_lost_is_told_what_the_sensor_is_now_if_its_repeated_request_is_refused(
    connected: AirHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete_after_a_lost_answer(connected, monkeypatch)
    connected.connect(HERE)
    [refusal] = [each for each in connected.say(HERE, det()) if isinstance(each, Error)]
    assert refusal.code == ErrorCode.ENOENT
    connected.settle()
    assert [type(each) for each in connected.links[HERE].of(AttPrp, DetPrp)] == [DetPrp]


def test_a_station_that_makes_requests_up_is_not_told_of_more_sensors_than_it_may_have_asked_for(
    connected: AirHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bssci.stations.unstored.MAX_DOUBTS", 3)
    connected.say(HERE, det())
    for first in (1, 21, 41):
        connected.lose(HERE)
        connected.connect(HERE)
        for number in range(first, first + 20):
            connected.links[HERE].give(det(op_id=1, epEui=number))
        connected.obey()
    counted = connected.journal.sessions.count_registrations()
    connected.settle()
    assert result_of(counted)[HERE] == {"attached": 1, "detached": 1 + 3}


def come_back(house: AirHouse, *messages: Message, are_stored: bool = False) -> AirLine:
    """A station resumes its session; these messages come while its registrations are being read.

    :param are_stored: what is read shows what became of them.
    """
    line = house.links[HERE] = AirLine(house, eui_to_int(HERE))
    line.begin()
    assert line.station is not None
    sessions, read = house.journal.sessions, Deferred[Any]()
    with pytest.MonkeyPatch.context() as patch:
        known = sessions.registrations_at(HERE)
        patch.setattr(sessions, "registrations_at", lambda eui: read)
        established = ensureDeferred(house.center.registry.established(line, line.station))
        house.settle()
        line.say(*messages)
        if are_stored:
            patch.undo()
            known = sessions.registrations_at(HERE)
            house.settle()
        read.callback(result_of(known))
        house.settle()
    result_of(established)
    return line


def test_a_station_that_passes_an_attach_on_as_it_comes_back_is_not_told_of_it(connected: AirHouse) -> None:
    connected.lose(HERE)
    line = come_back(connected, att())
    connected.advance(1)
    assert [type(each) for each in line.of(AttRsp, AttPrp, DetPrp)] == [AttRsp]
    assert SENSOR in connected.station(HERE).propagation.served


def test_a_station_whose_attach_as_it_comes_back_cannot_be_stored_is_told_what_changed_before(
    connected: AirHouse,
) -> None:
    connected.lose(HERE)
    ensureDeferred(connected.commands.detach([SENSOR], TESTER))
    connected.obey()
    connected.journal.full = True
    line = come_back(connected, det())
    connected.journal.full = False
    connected.advance(BUSY_WAIT + 1)
    assert [type(each) for each in line.of(DetRsp, AttPrp, DetPrp)] == [DetPrp]


def test_a_station_whose_request_is_refused_as_it_comes_back_is_told_what_the_sensor_is_now(
    connected: AirHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete_after_a_lost_answer(connected, monkeypatch)
    line = come_back(connected, det())
    assert [type(each) for each in line.of(Error, AttPrp, DetPrp)] == [Error, DetPrp]


def test_a_station_whose_repeated_request_cannot_be_stored_is_told_what_the_sensor_is_when_it_is_back(
    connected: AirHouse,
) -> None:
    """The first one was stored, its answer lost; then the journal cannot be read, and the connection ends."""
    connected.links[HERE].give(det())
    connected.lose(HERE)
    line = connected.links[HERE] = AirLine(connected, eui_to_int(HERE))
    line.begin()
    assert line.station is not None
    connected.journal.broken = True
    established = ensureDeferred(connected.center.registry.established(line, line.station))
    established.addErrback(lambda failure: failure.trap(StorageError))
    [refusal] = connected.say(HERE, det())
    assert isinstance(refusal, Error) and refusal.code == ErrorCode.EAGAIN
    connected.journal.broken = False
    connected.lose(HERE)
    connected.connect(HERE)
    assert [type(each) for each in connected.links[HERE].of(AttPrp, DetPrp)] == [DetPrp]


def test_a_station_that_cancels_a_detach_as_it_comes_back_is_told_what_the_sensor_is_now(
    connected: AirHouse,
) -> None:
    connected.lose(HERE)
    line = come_back(connected, det(), Error(opId=2, code=ErrorCode.EIO, message="no"), are_stored=True)
    connected.advance(1)
    assert [type(each) for each in line.of(AttPrp, DetPrp)] == [DetPrp]


@pytest.mark.parametrize(("request_", "ordered"), [(att(), AttPrp), (det(op_id=1), DetPrp)])
def test_a_station_that_cancels_a_request_and_goes_is_told_what_the_sensor_is_when_it_is_back(
    connected: AirHouse, request_: Att | Det, ordered: type[Message]
) -> None:
    """The order that follows the cancellation cannot be stored, and so is not begun."""
    connected.say(HERE, request_)
    connected.journal.full = True
    connected.say(HERE, Error(opId=1, code=ErrorCode.EIO, message="not carried out"))
    connected.journal.full = False
    connected.lose(HERE)
    report = connected.do(connected.center.sensor_report(SENSOR))
    assert report["registration"]["base_stations"][HERE]["state"] == "detached"
    connected.connect(HERE)
    assert [type(each) for each in connected.links[HERE].of(AttPrp, DetPrp)] == [ordered]


def test_the_others_are_told_if_a_station_goes_before_its_registrations_are_read(
    connected: AirHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected.lose(HERE)
    line = AirLine(connected, eui_to_int(HERE))
    line.begin()
    assert line.station is not None
    monkeypatch.setattr(connected.journal.sessions, "registrations_at", lambda eui: Deferred[Any]())
    ensureDeferred(connected.center.registry.established(line, line.station))
    line.say(att())
    assert len(line.of(AttRsp)) == 1
    line.lose()
    connected.obey()
    assert [type(each) for each in told(connected, THERE)] == [AttPrp]


def test_a_station_that_gets_the_answer_to_an_older_request_last_is_told_what_the_sensor_is_now(
    connected: AirHouse,
) -> None:
    """The older one waits as another message of the same read is still being worked on."""
    worker, link = connected.center.downlinks._worker, connected.links[HERE]
    worker.pause()
    sent = DlDataRes(opId=2, epEui=eui_to_int(SENSOR), queId=1, result="expired")
    connected.say(HERE, att(), sent)
    connected.say(HERE, det(op_id=3))
    worker.wake()
    connected.obey()
    assert [type(each) for each in link.of(AttRsp, DetRsp, DetPrp)] == [DetRsp, AttRsp, DetPrp]


def detach_beside_attach(house: AirHouse) -> Any:
    """The order to detach the sensor, which the station has not answered when the sensor attaches there."""
    house.links[HERE].silent = {DetPrp}
    ensureDeferred(house.commands.detach([SENSOR], TESTER))
    house.obey()
    [order] = told(house, HERE)
    house.say(HERE, att())
    return order


def test_an_order_refused_beside_a_request_of_its_sensor_is_followed_by_the_present_state(
    connected: AirHouse,
) -> None:
    order = detach_beside_attach(connected)
    connected.say(HERE, Error(opId=order.opId, code=ErrorCode.EIO, message="no"))
    connected.obey()
    assert [type(each) for each in told(connected, HERE)] == [DetPrp, AttPrp]
    report = connected.do(connected.center.sensor_report(SENSOR))
    assert report["registration"]["base_stations"][HERE]["state"] == "attached"


def test_a_station_too_busy_to_detach_a_sensor_that_attaches_meanwhile_keeps_it(connected: AirHouse) -> None:
    order = detach_beside_attach(connected)
    connected.say(HERE, Error(opId=order.opId, code=ErrorCode.EAGAIN, message="busy"))
    connected.advance(2 * BUSY_WAIT)
    connected.obey()
    assert [type(each) for each in told(connected, HERE)] == [DetPrp, AttPrp]


def test_an_answer_that_could_not_be_stored_does_not_replace_what_the_station_did_afterwards(
    connected: AirHouse,
) -> None:
    """The write of the answer to an order fails, and that of the request that came after it does not."""
    link, queue = connected.links[HERE], connected.journal.queues[0][1]
    link.silent = {DetPrp}
    ensureDeferred(connected.commands.detach([SENSOR], TESTER))
    connected.obey()
    [order] = told(connected, HERE)
    link.give(DetPrpRsp(opId=order.opId))
    failing = queue.copy()
    link.give(att())
    for submission in failing:
        queue.remove(submission)
        submission.deferred.errback(StorageError("disk full"))
    connected.settle()
    assert len(link.of(AttRsp)) == 1
    connected.say(HERE, Ping(opId=2))
    connected.lose(HERE)
    connected.connect(HERE)
    assert connected.links[HERE].of(AttPrp, DetPrp) == []
