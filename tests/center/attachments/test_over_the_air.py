"""bssci.center.attachments.over_the_air: attach and detach by the sensor itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import ensureDeferred, maybeDeferred

from bssci.center.attachments.over_the_air import OverTheAir, SignatureVerdict
from bssci.journal import StorageError
from bssci.journal.sqlite.worker import Submission
from bssci.model import EUI, Sensor, SensorProblem, Uplink
from bssci.model.over_the_air import DetachRequest
from bssci.wire.errors import ErrorCode
from bssci.wire.messages import (
    Att,
    AttCmp,
    AttPrp,
    AttRsp,
    Det,
    DetCmp,
    DetPrp,
    DetRsp,
    Error,
    ErrorAck,
    Ping,
    PingRsp,
)
from tests.stations.air_house import (
    COUNTER,
    ELSEWHERE,
    HERE,
    KEY,
    NOW,
    SENSOR,
    SESSION_KEY,
    STATIONS,
    THERE,
    AirHouse,
    att,
    det,
    over_the_air,
    told,
)
from tests.support.center import TESTER
from tests.support.journal import reception

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


def test_copies_in_one_moment_are_one_attach(connected: AirHouse) -> None:
    for eui in STATIONS:
        connected.station(eui).receive([att()])
    connected.settle()
    assert [len(connected.links[eui].of(AttRsp)) for eui in STATIONS] == [1, 1, 1]
    assert len(over_the_air(connected)) == 1


def test_an_attach_issued_again_is_answered_as_before(connected: AirHouse) -> None:
    first = connected.say(HERE, att())
    connected.crash()
    for eui in STATIONS:
        connected.connect(eui)
    assert connected.say(HERE, att()) == first
    assert len(over_the_air(connected)) == 1


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


def test_an_attach_that_is_not_stored_does_not_set_the_counter_back_to_before_a_later_one(
    connected: AirHouse,
) -> None:
    connected.center.activities.heard([_uplink(5000)], 1)
    connected.station(HERE).receive([att()])
    failing = take_writes(connected)
    connected.clock.advance(10)
    connected.station(THERE).receive([att(counter=COUNTER + 1)])
    fail(failing)
    connected.settle()
    connected.say(THERE, AttCmp(opId=1))
    (message,) = told(connected, ELSEWHERE)
    assert isinstance(message, AttPrp)
    assert message.lastPacketCnt == 0


def test_a_copy_is_not_answered_if_the_first_one_is_not_stored(connected: AirHouse) -> None:
    """The copy comes before the failure is known, and what it brings itself is stored."""
    _both_in_vain(connected, att)
    assert connected.center.attachments.get(SENSOR) is None


def test_a_copy_of_a_detach_is_not_answered_if_the_first_one_is_not_stored(connected: AirHouse) -> None:
    _both_in_vain(connected, det)
    assert connected.center.attachments.is_attached(SENSOR)


def take_writes(house: AirHouse) -> list[Submission]:
    """Return the writes that wait for the disk, which will not get there."""
    _, writes = house.journal.queues[0]
    taken = writes.copy()
    writes.clear()
    return taken


def fail(writes: Iterable[Submission]) -> None:
    for submission in writes:
        submission.deferred.errback(StorageError("disk full"))


def _both_in_vain(house: AirHouse, request: Callable[[], Att | Det]) -> None:
    """Two stations send copies of a request, of which only the first cannot be stored."""
    house.station(HERE).receive([request()])
    failing = take_writes(house)
    house.station(THERE).receive([request()])
    fail(failing)
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


def test_a_copy_of_a_detach_does_not_undo_an_attach_before_either_is_on_disk(connected: AirHouse) -> None:
    connected.station(HERE).receive([det(op_id=1)])
    connected.station(HERE).receive([att(op_id=2)])
    (answer,) = connected.say(THERE, det())
    assert isinstance(answer, Error)
    assert answer.code == ErrorCode.EPROTO
    assert connected.center.attachments.is_attached(SENSOR)


def test_a_detach_that_could_not_be_stored_may_be_sent_again(connected: AirHouse) -> None:
    connected.journal.full = True
    connected.say(HERE, det(op_id=1))
    connected.journal.full = False
    assert connected.say(HERE, det(op_id=2)) == [DetRsp(opId=2, sign=[1, 2, 3, 4])]


def test_what_a_sensor_sent_when_it_detached_is_forgotten_with_it(
    connected: AirHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connected.center.sensors, "_run_in_thread", maybeDeferred)
    attachments = connected.center.attachments
    connected.say(HERE, det())
    connected.say(HERE, att(op_id=3))
    assert attachments.last_detach(SENSOR) == (7, bytes([1, 2, 3, 4]))
    ensureDeferred(connected.commands.remove([SENSOR], TESTER))
    connected.obey()
    assert attachments.last_detach(SENSOR) is None


def test_a_detached_sensor_needs_a_new_counter_to_attach(connected: AirHouse) -> None:
    connected.say(HERE, att())
    connected.say(HERE, det())
    assert isinstance(connected.say(THERE, att(op_id=5))[0], Error)
    assert not connected.center.attachments.is_attached(SENSOR)
    assert isinstance(connected.say(THERE, att(op_id=6, counter=COUNTER + 1))[0], AttRsp)
    assert connected.center.attachments.is_attached(SENSOR)


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


@pytest.mark.parametrize(("request_", "done"), [(att, "attached"), (det, "detached")])
@pytest.mark.parametrize("stored", [0, 1])
def test_what_a_sensor_asked_for_is_in_force_and_published_or_neither(
    connected: AirHouse, request_: Callable[[], Att | Det], done: str, stored: int
) -> None:
    """Of the writes for a request only the first is stored, or all but that, as on a disk nearly full."""
    queue = connected.journal.queues[0][1]
    connected.links[HERE].give(request_())
    failing = queue[1:] if stored == 0 else queue[:1]
    for submission in failing:
        queue.remove(submission)
        submission.deferred.errback(StorageError("disk full"))
    connected.settle()
    newest = connected.center.attachments.get(SENSOR)
    in_force = [newest.state] if newest is not None else []
    assert [event.action for event in over_the_air(connected)] == in_force
    connected.say(HERE, msgspec.structs.replace(request_(), opId=9))
    assert [event.action for event in over_the_air(connected)] == [done]
