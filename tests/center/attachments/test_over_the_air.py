"""bssci.center.attachments.over_the_air: attach and detach by the sensor itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred

from bssci.center.attachments.answers import Answers
from bssci.center.attachments.over_the_air import OverTheAir, SignatureVerdict
from bssci.journal import StorageError
from bssci.model import EUI, Sensor, SensorProblem, SensorStatus, StationState, Uplink, eui_to_int
from bssci.model.commands import DONE
from bssci.model.over_the_air import DetachRequest
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
    ErrorAck,
    Message,
    Ping,
    PingRsp,
)
from tests.stations.air_house import KEY, NOW, SENSOR, STATIONS, AirHouse, AirLine, att
from tests.support.center import TESTER, result_of
from tests.support.journal import reception

HERE, THERE, ELSEWHERE = STATIONS
SESSION_KEY = bytes.fromhex("e77429f27a4d62080a8cef1447a42777")
COUNTER = 0x123456


@pytest.fixture
def house(tmp_path: Path, whole_service: None) -> Iterator[AirHouse]:
    with closing(AirHouse(tmp_path)) as house:
        yield house


@pytest.fixture
def connected(house: AirHouse) -> AirHouse:
    for eui in STATIONS:
        house.connect(eui)
    return house


def det(op_id: int = 2, counter: int = 7, **changes: Any) -> Det:
    fields: dict[str, Any] = {
        "epEui": eui_to_int(SENSOR),
        "rxTime": 1_700_000_000_000_000_000,
        "packetCnt": counter,
        "snr": 10.0,
        "rssi": -100.0,
        "sign": [1, 2, 3, 4],
    }
    return Det(opId=op_id, **(fields | changes))


def told(house: AirHouse, station: EUI) -> list[AttPrp | DetPrp]:
    """What a station was told of the sensor, oldest first, without what it was told when it connected."""
    return [
        message
        for message in house.links[station].sent
        if isinstance(message, AttPrp | DetPrp) and message.epEui == eui_to_int(SENSOR)
    ][1:]


def over_the_air(house: AirHouse) -> list[SensorStatus]:
    return [event for event in house.happened(SensorStatus) if event.over_the_air]


# attach


def test_the_vector_attaches(connected: AirHouse) -> None:
    answers = connected.say(HERE, att(op_id=1, counter=COUNTER))
    assert answers == [AttRsp(opId=1, nwkSnKey=list(SESSION_KEY), shAddr=0x1505)]
    (event,) = over_the_air(connected)
    assert (event.action, event.end_point_eui, event.base_station_eui) == ("attached", SENSOR, HERE)
    stored = connected.center.attachments.get(SENSOR)
    assert stored is not None
    assert (stored.session_key, stored.short_address, stored.attach_counter) == (SESSION_KEY, 0x1505, COUNTER)


def test_an_address_that_the_station_assigned_is_kept_and_not_answered(connected: AirHouse) -> None:
    assert connected.say(HERE, att(shAddr=0x4711)) == [AttRsp(opId=1, nwkSnKey=list(SESSION_KEY))]
    wanted = connected.center.attachments.wanted(SENSOR)
    assert wanted is not None
    assert (wanted.network_key, wanted.short_address) == (SESSION_KEY, 0x4711)


def test_a_copy_is_told_the_address_that_another_station_assigned(connected: AirHouse) -> None:
    connected.say(HERE, att(shAddr=0x4711))
    assert connected.say(THERE, att()) == [AttRsp(opId=1, nwkSnKey=list(SESSION_KEY), shAddr=0x4711)]


def test_the_answer_waits_for_the_disk(connected: AirHouse) -> None:
    station, link = connected.station(HERE), connected.links[HERE]
    station.receive([att()])
    assert link.of(AttRsp) == []
    connected.settle()
    assert len(link.of(AttRsp)) == 1
    connected.crash()
    stored = connected.center.attachments.get(SENSOR)
    assert stored is not None
    assert stored.session_key == SESSION_KEY


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


def test_copies_in_one_moment_are_one_attach(connected: AirHouse) -> None:
    for eui in STATIONS:
        connected.station(eui).receive([att()])
    connected.settle()
    assert [len(connected.links[eui].of(AttRsp)) for eui in STATIONS] == [1, 1, 1]
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


def test_an_attach_issued_again_is_answered_as_before(connected: AirHouse) -> None:
    first = connected.say(HERE, att())
    connected.crash()
    for eui in STATIONS:
        connected.connect(eui)
    assert connected.say(HERE, att()) == first
    assert len(over_the_air(connected)) == 1


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


def test_an_unknown_sensor(connected: AirHouse) -> None:
    (answer,) = connected.say(HERE, att(epEui=1))
    assert isinstance(answer, Error)
    assert answer.code == ErrorCode.ENOENT
    assert connected.happened(SensorProblem) == []


@pytest.mark.parametrize("changes", [{"sign": [0] * 4}, {"attachCnt": COUNTER + 1}], ids=["sign", "counter"])
def test_a_wrong_signature(connected: AirHouse, changes: dict[str, Any]) -> None:
    (answer,) = connected.say(HERE, att(**changes))
    assert isinstance(answer, Error)
    assert answer.code == ErrorCode.EPROTO
    _nothing_changed(connected)
    (problem,) = connected.happened(SensorProblem)
    assert (problem.action, problem.end_point_eui, problem.base_station_eui) == ("attach", SENSOR, HERE)
    assert problem.message == answer.message
    assert KEY.hex() not in repr(problem).lower()
    connected.say(HERE, ErrorAck(opId=1))
    connected.obey()
    assert told(connected, THERE) == []


def _nothing_changed(house: AirHouse) -> None:
    assert house.center.attachments.get(SENSOR) is None
    assert over_the_air(house) == []
    assert house.journal.kept().attachments == {}


@pytest.mark.parametrize("counter", [COUNTER - 1, 0])
def test_a_stale_counter(connected: AirHouse, counter: int) -> None:
    connected.say(HERE, att())
    (answer,) = connected.say(HERE, att(op_id=2, counter=counter))
    assert isinstance(answer, Error)
    assert answer.code == ErrorCode.EPROTO
    assert str(counter) in answer.message
    stored = connected.center.attachments.get(SENSOR)
    assert stored is not None
    assert stored.attach_counter == COUNTER
    assert len(connected.happened(SensorProblem)) == len(over_the_air(connected)) == 1


def test_the_same_counter_with_another_nonce_is_stale(connected: AirHouse) -> None:
    connected.say(HERE, att())
    (answer,) = connected.say(HERE, att(op_id=2, nonce=[0] * 4))
    assert isinstance(answer, Error)


def test_the_counter_survives_a_restart_and_rolls_over(connected: AirHouse) -> None:
    connected.say(HERE, att(counter=0xFFFFFF))
    connected.crash()
    connected.connect(HERE)
    assert isinstance(connected.say(HERE, att(op_id=2, counter=0x100))[0], Error)
    assert isinstance(connected.say(HERE, att(op_id=3, counter=3))[0], AttRsp)


def test_one_bad_attach_costs_itself_only(connected: AirHouse) -> None:
    answers = connected.say(HERE, Ping(opId=1), att(op_id=2, sign=[0] * 4), att(op_id=3))
    assert {type(answer): answer.opId for answer in answers} == {Error: 2, PingRsp: 1, AttRsp: 3}


def test_what_is_not_stored_did_not_happen(connected: AirHouse) -> None:
    connected.journal.broken = True
    (answer,) = connected.say(HERE, att())
    connected.journal.broken = False
    assert isinstance(answer, Error)
    assert answer.code == ErrorCode.EAGAIN
    assert connected.center.attachments.get(SENSOR) is None
    connected.say(HERE, ErrorAck(opId=1))
    connected.obey()
    assert told(connected, THERE) == []
    assert isinstance(connected.say(HERE, att(op_id=2))[0], AttRsp)
    assert len(over_the_air(connected)) == 1


def test_counters_go_on_after_an_attach_that_is_not_stored(connected: AirHouse) -> None:
    center = connected.center
    restarted: list[EUI] = []
    center.deduplication.restart = restarted.append  # type: ignore[method-assign]
    center.activities.heard([_uplink(5000)], 1)
    silence = center.silence.standing(SENSOR)
    connected.journal.broken = True
    connected.say(HERE, att())
    connected.journal.broken = False
    activity = center.activities.get(SENSOR)
    assert activity is not None and activity.packet_counter == 5000
    assert restarted == [] and center.silence.standing(SENSOR) == silence
    center.activities.heard([_uplink(5001)], 2)
    assert activity.packet_counter == 5001
    connected.say(HERE, ErrorAck(opId=1))
    connected.say(HERE, att(op_id=2))
    assert activity.packet_counter == 0 and restarted == [SENSOR]


def test_a_copy_is_not_answered_if_the_first_one_is_not_stored(connected: AirHouse) -> None:
    """The copy comes before the failure is known, and what it brings itself is stored."""
    _both_in_vain(connected, att)
    assert connected.center.attachments.get(SENSOR) is None


def test_a_copy_of_a_detach_is_not_answered_if_the_first_one_is_not_stored(connected: AirHouse) -> None:
    _both_in_vain(connected, det)
    assert connected.center.attachments.is_attached(SENSOR)


def _both_in_vain(house: AirHouse, request: Callable[[], Att | Det]) -> None:
    """Two stations send copies of a request, of which only the first cannot be stored."""
    house.station(HERE).receive([request()])
    _, writes = house.journal.queues[0]
    failing = writes.copy()
    writes.clear()
    house.station(THERE).receive([request()])
    for submission in failing:
        submission.deferred.errback(StorageError("disk full"))
    house.settle()
    for station in (HERE, THERE):
        (answer,) = house.links[station].of(AttRsp, DetRsp, Error)
        assert isinstance(answer, Error)
        assert answer.code == ErrorCode.EAGAIN


def test_the_packet_counter_starts_again(connected: AirHouse) -> None:
    connected.center.activities.heard([_uplink(5000)], 1)
    connected.clock.advance(10)
    connected.say(HERE, att())
    connected.center.activities.heard([_uplink(5001)], 2)  # received before the attach, published after it
    connected.say(HERE, AttCmp(opId=1))
    (message,) = told(connected, THERE)
    assert isinstance(message, AttPrp)
    assert message.lastPacketCnt == 0
    connected.center.activities.heard([_uplink(3, NOW + 11)], 3)
    activity = connected.center.activities.get(SENSOR)
    assert activity is not None
    assert (activity.packet_counter, activity.uplink_count) == (3, 3)


def test_the_new_packet_counter_survives_a_crash(connected: AirHouse) -> None:
    connected.center.activities.heard([_uplink(5000)], 0)
    connected.say(HERE, att())
    connected.crash()
    activity = connected.center.activities.get(SENSOR)
    assert activity is not None
    assert activity.packet_counter == 0


def _uplink(counter: int, at: float = NOW) -> Uplink:
    heard = msgspec.structs.replace(reception(counter, SENSOR, HERE), received_at=at)
    return Uplink(at=at, id=str(counter), known=True, receptions=[heard], duplicates=0)


# detach


class Strict:
    """Knows a signature when it sees one."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []

    def verify(self, sensor: Sensor, request: DetachRequest) -> SignatureVerdict:
        self.keys.append(sensor.network_key)
        return (
            SignatureVerdict.VERIFIED if request.signature == bytes([1, 2, 3, 4]) else SignatureVerdict.WRONG
        )


def test_a_sensor_detaches_itself_everywhere(connected: AirHouse) -> None:
    assert connected.say(HERE, det()) == [DetRsp(opId=2, sign=[1, 2, 3, 4])]
    connected.obey()
    assert told(connected, THERE) == []
    connected.say(HERE, DetCmp(opId=2))
    connected.obey()
    assert [type(message) for message in told(connected, THERE)] == [DetPrp]
    assert [type(message) for message in told(connected, ELSEWHERE)] == [DetPrp]
    assert told(connected, HERE) == []
    (event,) = over_the_air(connected)
    assert (event.action, event.base_station_eui, event.message) == ("detached", HERE, "signature unverified")
    assert not connected.center.attachments.is_attached(SENSOR)


def test_a_detached_sensor_stays_detached(connected: AirHouse) -> None:
    connected.say(HERE, det(), Ping(opId=3))
    connected.say(HERE, DetCmp(opId=2))
    connected.obey()
    connected.crash()
    for station in STATIONS:
        connected.connect(station)
        assert connected.links[station].of(AttPrp, DetPrp) == []


def test_copies_of_a_detach_are_one(connected: AirHouse) -> None:
    for eui in STATIONS:
        assert connected.say(eui, det()) == [DetRsp(opId=2, sign=[1, 2, 3, 4])]
    for eui in STATIONS:
        connected.say(eui, DetCmp(opId=2))
    connected.obey()
    assert [told(connected, eui) for eui in STATIONS] == [[], [], []]
    assert len(over_the_air(connected)) == 1


def test_a_late_copy_of_a_detach_does_not_undo_an_attach(connected: AirHouse) -> None:
    connected.say(HERE, det())
    connected.say(HERE, att(op_id=3))
    (answer,) = connected.say(THERE, det())
    assert isinstance(answer, Error)
    assert answer.code == ErrorCode.EPROTO
    assert connected.center.attachments.is_attached(SENSOR)
    assert [event.action for event in over_the_air(connected)] == ["detached", "attached"]
    assert isinstance(connected.say(THERE, det(op_id=4, counter=1))[0], DetRsp)


def test_a_detached_sensor_needs_a_new_counter_to_attach(connected: AirHouse) -> None:
    connected.say(HERE, att())
    connected.say(HERE, det())
    assert isinstance(connected.say(THERE, att(op_id=5))[0], Error)
    assert not connected.center.attachments.is_attached(SENSOR)
    assert isinstance(connected.say(THERE, att(op_id=6, counter=COUNTER + 1))[0], AttRsp)
    assert connected.center.attachments.is_attached(SENSOR)


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
    connected.connect(HERE)
    assert [type(each) for each in connected.links[HERE].of(AttPrp, DetPrp)] == [ordered]


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


def test_an_order_refused_beside_a_request_of_its_sensor_is_followed_by_the_present_state(
    connected: AirHouse,
) -> None:
    link = connected.links[HERE]
    link.silent = {DetPrp}
    ensureDeferred(connected.commands.detach([SENSOR], TESTER))
    connected.obey()
    [order] = told(connected, HERE)
    connected.say(HERE, att())
    connected.say(HERE, Error(opId=order.opId, code=ErrorCode.EIO, message="no"))
    connected.obey()
    assert [type(each) for each in told(connected, HERE)] == [DetPrp, AttPrp]
    report = connected.do(connected.center.sensor_report(SENSOR))
    assert report["registration"]["base_stations"][HERE]["state"] == "attached"


def test_a_station_too_busy_to_detach_a_sensor_that_attaches_meanwhile_keeps_it(connected: AirHouse) -> None:
    link = connected.links[HERE]
    link.silent = {DetPrp}
    ensureDeferred(connected.commands.detach([SENSOR], TESTER))
    connected.obey()
    [order] = told(connected, HERE)
    connected.say(HERE, att())
    connected.say(HERE, Error(opId=order.opId, code=ErrorCode.EAGAIN, message="busy"))
    connected.advance(2 * BUSY_WAIT)
    connected.obey()
    assert [type(each) for each in told(connected, HERE)] == [DetPrp, AttPrp]


def test_an_unknown_sensor_cannot_detach(connected: AirHouse) -> None:
    (answer,) = connected.say(HERE, det(epEui=1))
    assert isinstance(answer, Error)
    assert answer.code == ErrorCode.ENOENT


@pytest.mark.service
def test_the_judge_of_a_detach_can_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Strict()
    strict = partial(OverTheAir, detach_verifier=judge)
    monkeypatch.setattr("bssci.center.service_center.OverTheAir", strict)
    with closing(AirHouse(tmp_path)) as house:
        house.connect(HERE)
        (answer,) = house.say(HERE, det(op_id=1, sign=[0] * 4))
        assert isinstance(answer, Error)
        assert answer.code == ErrorCode.EPROTO
        assert house.center.attachments.is_attached(SENSOR)
        (problem,) = house.happened(SensorProblem)
        assert problem.action == "detach"
        house.say(HERE, att(op_id=2))
        assert isinstance(house.say(HERE, det(op_id=3))[0], DetRsp)
        assert [event.message for event in over_the_air(house)] == [None, "signature verified"]
    assert judge.keys == [KEY, SESSION_KEY]
