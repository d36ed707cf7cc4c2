"""Sessions: begun, resumed, replaced; and what is told of stations that come and go."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, fail

from bssci.journal import StorageError
from bssci.model import EUI
from bssci.model.base_station import parse_station_change
from bssci.model.commands import CommandError
from bssci.stations.registry import FORGET_AFTER, MAX_TEXT, SWEEP_INTERVAL
from bssci.stations.station import ConnectionState
from bssci.wire.errors import ProtocolError
from bssci.wire.messages import AttPrp, AttPrpRsp, DetPrp, Error, Ping, Status, UlDataRsp
from tests.stations.certificates import certificate_of
from tests.support.center import EPOCH, STATION, TESTER, House, Line, result_of, resume, sensor_entry
from tests.support.wire import connect, uplink

UUID = list(range(16))
OTHER_UUID = list(range(1, 17))


def test_a_fresh_session_has_a_uuid_of_our_own(house: House) -> None:
    answer = Line(house).connect()
    assert not answer.snResume
    assert answer.snScUuid != UUID
    assert len(answer.snScUuid) == 16
    assert f"{answer.scEui:016X}" == house.center.eui


def test_the_session_is_on_disk_before_the_answer(house: House) -> None:
    admitted = ensureDeferred(house.center.registry.admit(connect(bsEui=STATION), Line(house)))
    assert not admitted.called
    house.settle()
    result_of(admitted)
    assert [stored.sn_bs_uuid for stored in house.journal.kept().sessions.values()] == [bytes(UUID)]


def test_without_a_disk_no_session_begins_and_the_next_try_succeeds(house: House) -> None:
    house.journal.broken = True
    with pytest.raises(ProtocolError) as refused:
        Line(house).connect()
    assert refused.value.code == 11
    house.journal.broken = False
    assert not Line(house).connect().snResume


def test_a_station_whose_new_session_cannot_be_stored_is_known_to_be_offline(house: House) -> None:
    Line(house).connect()
    states: list[str] = []
    house.center.watch_stations(lambda state: states.append(state.state))
    house.journal.broken = True
    with pytest.raises(ProtocolError):
        Line(house).connect(connect(bsEui=STATION, snBsUuid=[1] * 16))
    assert states == ["offline"]
    assert [state.state for state in house.center.station_states()] == ["offline"]


def test_a_record_that_could_not_be_stored_is_stored_with_the_next(house: House) -> None:
    first, second = Line(house), Line(house, STATION + 1)
    first.connect()
    second.connect()
    house.journal.broken = True
    first.lose()
    assert house.journal.kept().stations[NAME].reason == ""
    house.journal.broken = False
    second.lose()
    assert house.journal.kept().stations[NAME].reason == "cable cut"


@pytest.mark.parametrize("stops", [False, True])
def test_a_record_that_could_not_be_stored_is_stored_in_the_end(house: House, stops: bool) -> None:
    line = Line(house)
    line.connect()
    house.journal.broken = True
    line.lose()
    house.journal.broken = False
    if stops:
        house.center.registry.stop()
        house.settle()
    else:
        house.advance(SWEEP_INTERVAL + 1, 10)
    assert house.journal.kept().stations[NAME].reason == "cable cut"


def test_a_record_that_could_not_be_stored_does_not_replace_a_newer_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(house)
    line.connect()
    put, refused = house.journal.tables.put, Deferred[None]()
    monkeypatch.setattr(house.journal.tables, "put", lambda records: refused)
    assert line.station is not None
    house.center.registry.lost(line, line.station, "first")
    monkeypatch.setattr(house.journal.tables, "put", put)
    line.connect()
    house.center.registry.lost(line, line.station, "second")
    refused.errback(StorageError("disk full"))
    house.advance(SWEEP_INTERVAL + 1, 10)
    assert house.journal.kept().stations[NAME].reason == "second"


@pytest.mark.parametrize("stops", [False, True])
def test_a_state_that_could_not_be_stored_is_published_in_the_end(house: House, stops: bool) -> None:
    line = Line(house)
    line.connect()
    house.journal.full = True
    line.lose()
    house.advance(3)
    house.journal.full = False
    if stops:
        house.center.registry.stop()
    house.advance(3)
    assert house.states() == [("online", False), ("offline", False)]


def test_of_states_that_could_not_be_stored_the_last_one_is_published_once(house: House) -> None:
    line = Line(house)
    line.connect()
    house.journal.full = True
    line.lose()
    line.connect(resume(0, 0))
    house.advance(3)
    house.journal.full = False
    house.advance(3)
    assert house.states() == [("online", False), ("online", True)]


def test_a_fault_of_ours_while_a_con_is_decided_on_leaves_the_station_offline(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    Line(house).connect()
    states: list[str] = []
    house.center.watch_stations(lambda state: states.append(state.state))

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("bssci.stations.registry.decide_resume", fail)
    with pytest.raises(ZeroDivisionError):
        Line(house).connect()
    station = house.center.stations.get(NAME)
    assert station is not None and station.link is None
    assert states == ["offline"] and station.connection is ConnectionState.OFFLINE


def test_a_fault_of_ours_is_no_full_disk(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.journal.sessions, "begin", lambda session: fail(RuntimeError("bug")))
    line = Line(house)
    with pytest.raises(RuntimeError):
        line.connect()
    [station] = house.center.stations
    assert (station.connection, station.link) == (ConnectionState.OFFLINE, None)


def test_another_major_version_is_refused(house: House) -> None:
    with pytest.raises(ProtocolError):
        Line(house).connect(connect(version="2.0.0"))
    assert len(house.center.stations) == 0


@pytest.mark.parametrize(
    ("con", "resumes"),
    [
        (resume(3, -1), True),
        (resume(0, 0), True),
        (connect(bsEui=STATION), True),
        (connect(bsEui=STATION, snBsUuid=[byte - 256 if byte > 127 else byte for byte in UUID]), True),
        (resume(9187, -1659), False),
        (resume(4, -1), False),
        (resume(3, -2), False),
        (connect(bsEui=STATION, snBsUuid=OTHER_UUID), False),
        (connect(bsEui=STATION, version="1.1.0"), False),
    ],
)
@pytest.mark.parametrize("crash", [False, True])
def test_a_session_goes_on_if_neither_side_claims_too_much(house, con, resumes, crash) -> None:
    line = Line(house)
    first = line.connect()
    house.advance(1.0)  # status: -1
    assert [request.opId for request in line.take(Status)] == [-1]
    line.say(uplink(1, packetCnt=1), uplink(2, packetCnt=2), uplink(3, packetCnt=3))
    if crash:
        house.crash()
    else:
        line.lose()
    answer = Line(house).connect(con)
    assert answer.snResume is resumes
    assert (answer.snScUuid == first.snScUuid) is resumes


def test_op_ids_of_a_new_session_begin_again(house: House) -> None:
    line = Line(house)
    line.connect()
    house.advance(1.0)
    line.say(uplink(1, packetCnt=1), uplink(2, packetCnt=2))
    line.lose()
    again = Line(house)
    again.connect(connect(bsEui=STATION, snBsUuid=OTHER_UUID))
    again.say(uplink(1, packetCnt=3))
    house.advance(1.0)
    assert again.take(UlDataRsp) == [UlDataRsp(opId=1)]
    assert [request.opId for request in again.take(Status)] == [-1]


@pytest.mark.parametrize("crash", [False, True])
def test_a_resume_issues_again_what_was_open_before_anything_new(make_house, crash: bool) -> None:
    house = make_house(sensors=5)
    line = Line(house)
    line.connect()
    asked = line.take(AttPrp)
    assert [request.opId for request in asked] == [-1, -2, -3, -4, -5]
    line.say(AttPrpRsp(opId=-2), AttPrpRsp(opId=-4))
    if crash:
        house.configure([sensor_entry(number) for number in range(1, 7)])
        house.crash()
    else:
        line.lose()
    again = Line(house)
    assert again.begin(resume(0, -5)).snResume
    assert again.sent == []
    again.complete()
    house.advance(1.0)
    requests = [message for message in again.sent if isinstance(message, (AttPrp, Status))]
    assert requests[:3] == [asked[0], asked[2], asked[4]]
    later = [request.opId for request in requests[3:]]
    assert later == sorted(later, reverse=True)
    assert all(op_id < -5 for op_id in later)
    assert len(later) == (2 if crash else 1)


def test_a_resent_uplink_is_answered_and_is_not_a_second_one(house: House) -> None:
    line = Line(house)
    line.connect()
    line.say(uplink(1, packetCnt=1), uplink(2, packetCnt=2))
    line.lose()
    again = Line(house)
    again.connect(resume(0, 0))
    again.say(uplink(1, packetCnt=1), uplink(2, packetCnt=2), uplink(3, packetCnt=3))
    assert again.take(UlDataRsp) == [UlDataRsp(opId=number) for number in (1, 2, 3)]
    house.advance(3)
    assert [event.packet_counter for event in house.uplinks()] == [1, 2, 3]
    assert house.center.deduplication.statistics.total_messages == 3


def test_after_the_first_new_operation_old_ones_are_refused(house: House) -> None:
    line = Line(house)
    line.connect()
    line.say(uplink(1, packetCnt=1), uplink(2, packetCnt=2))
    line.lose()
    again = Line(house)
    again.connect(resume(2, 0))
    again.say(uplink(3, packetCnt=3), uplink(2, packetCnt=2))
    assert [(error.opId, error.code) for error in again.take(Error)] == [(2, 71)]


def test_a_resume_propagates_only_what_changed(make_house) -> None:
    house = make_house(sensors=4)
    line = Line(house)
    line.connect()
    assert len(line.answer_everything()) == 4
    house.configure(
        [sensor_entry(1), sensor_entry(2, shortAddr="9999"), sensor_entry(3, name="renamed"), sensor_entry(5)]
    )
    house.crash()
    again = Line(house)
    assert again.connect(resume(0, -4)).snResume
    assert {f"{request.epEui:016X}"[-2:] for request in again.take(AttPrp)} == {"02", "05"}
    assert [f"{request.epEui:016X}"[-2:] for request in again.take(DetPrp)] == ["04"]


def test_a_second_connection_replaces_the_first_without_a_flap(house: House) -> None:
    watched: list[str] = []
    house.center.watch_stations(lambda state: watched.append(state.state))
    first, second = Line(house), Line(house)
    first.connect()
    second.begin()
    assert first.closed is not None
    assert house.states() == [("online", False)]
    first.lose()
    second.complete()
    assert "offline" not in watched
    assert [state for state, _ in house.states()].count("offline") == 0
    assert len(house.center.stations.connected()) == 1
    second.say(Ping(opId=1))
    assert first.sent == [message for message in first.sent if message.opId != 1]


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_session_is_the_same_on_disk_though_another_station_with_the_eui_began_one(
    make_house, is_lost: bool
) -> None:
    """Its connection is lost before the session is on disk, or replaced by one that would resume the old."""
    house = make_house(sensors=1)
    Line(house).connect()
    other = Line(house)
    admitted = ensureDeferred(house.center.registry.admit(connect(bsEui=STATION, snBsUuid=OTHER_UUID), other))
    station = house.center.stations.get(NAME)
    assert station is not None
    if is_lost:
        house.center.registry.lost(other, station, "cable cut")
        house.settle()
    line = Line(house)
    line.connect(resume(0, 0))
    with pytest.raises(ProtocolError, match="replaced"):
        result_of(admitted)
    assert station.session is not None
    line.answer_everything()
    line.lose()
    assert house.journal.kept().sessions[NAME].sn_bs_uuid == station.session.sn_bs_uuid == bytes(UUID)
    house.crash()
    line = Line(house)
    assert line.connect(resume(0, 0)).snResume
    assert line.take(AttPrp) == []


def test_what_could_not_be_stored_of_a_session_is_none_of_the_one_that_replaces_it(make_house) -> None:
    house = make_house(sensors=1)
    line = Line(house)
    line.connect()
    house.journal.full = True
    line.answer_everything()
    house.journal.full = False
    line = Line(house)
    booted = connect(bsEui=STATION, snBsUuid=OTHER_UUID)
    admitted = ensureDeferred(house.center.registry.admit(booted, line))
    station = house.center.stations.get(NAME)
    assert station is not None
    house.center.registry.lost(line, station, "cable cut")
    house.settle()
    with pytest.raises(ProtocolError, match="replaced"):
        result_of(admitted)
    line = Line(house)
    line.connect(booted)
    assert len(line.take(AttPrp)) == 1


def test_an_uplink_of_the_old_connection_is_not_answered_on_the_new_one(house: House) -> None:
    first, second = Line(house), Line(house)
    first.connect()
    first.give(uplink(1))
    second.connect(resume(0, 0))
    assert second.take(UlDataRsp) == []
    second.say(uplink(1))
    assert second.take(UlDataRsp) == [UlDataRsp(opId=1)]
    house.advance(3)
    assert len(house.uplinks()) == 1


def test_our_own_eui_stays(house: House) -> None:
    before = house.center.eui
    house.crash()
    assert house.center.eui == before


def test_a_clean_stop_parts_from_stations_and_publishes_open_windows(house: House) -> None:
    line = Line(house)
    line.connect()
    line.say(uplink(1))
    house.center.stop_receiving()
    house.settle()
    assert line.closed == "service stops"
    assert house.states()[-1] == ("offline", False)
    assert len(house.uplinks()) == 1
    house.crash()
    assert Line(house).connect(resume(1, 0)).snResume
    house.advance(5)
    assert len(house.uplinks()) == 1


def test_a_stop_parts_from_a_station_that_is_still_connecting(house: House) -> None:
    first, again = Line(house), Line(house)
    first.connect()
    first.lose()
    again.begin(resume(0, 0))
    connecting = ensureDeferred(house.center.registry.established(again, again.station))
    assert not connecting.called
    house.center.stop_receiving()
    house.settle()
    assert again.closed == "service stops"
    assert [state for state, _ in house.states()] == ["online", "offline"]


@pytest.mark.parametrize("crash", [False, True])
def test_where_a_station_came_from_is_remembered_and_why_it_went(house: House, crash: bool) -> None:
    line = Line(house)
    line.certificate = b"its certificate"
    line.connect()
    house.advance(5)
    line.lose()
    if crash:
        house.crash()
    [station] = house.center.stations
    record = station.record
    assert (record.address, record.certificate) == (line.peer, b"its certificate")
    assert (record.first_seen_at, record.last_seen_at, record.reason) == (EPOCH, EPOCH + 5, "cable cut")
    assert (station.state.at, station.state.reason) == (EPOCH + 5, "cable cut")
    house.advance(5)
    Line(house).connect()
    [station] = house.center.stations
    assert (station.record.first_seen_at, station.record.last_seen_at) == (EPOCH, EPOCH + 10)
    assert station.record.reason == ""


def test_a_station_that_was_here_when_the_service_was_cut_off_left_with_the_last_event(house: House) -> None:
    lines = [Line(house, STATION + number) for number in range(2)]
    lines[0].connect()
    house.advance(30)
    lines[1].connect()
    house.advance(60)
    for _ in range(2):
        house.crash()
        for station in house.center.stations:
            assert (station.state.state, station.state.at) == ("offline", EPOCH + 30)
            assert station.state.reason == station.record.reason == "service was cut off"
        house.advance(60)


def test_a_station_that_left_while_connecting_is_no_event(house: House) -> None:
    house.center.watch_stations(lambda state: pytest.fail("it never came"))
    line = Line(house)
    line.begin()
    house.advance(5)
    line.lose()
    [station] = house.center.stations
    assert (station.record.last_seen_at, station.record.reason) == (EPOCH + 5, "cable cut")
    assert house.states() == []


def test_what_a_station_says_of_itself_is_cut(house: House) -> None:
    line = Line(house)
    line.connect(connect(bsEui=STATION, name="x" * 100_000, info={"much": "y" * 100_000}))
    station = house.center.stations.get(EUI(f"{STATION:016X}"))
    assert station is not None and station.state.name is not None
    assert len(station.state.name) == MAX_TEXT and station.state.name.endswith("…")
    assert (station.record.name, station.record.info) == (station.state.name, None)


def test_a_station_that_never_did_anything_is_forgotten_after_a_while(house: House) -> None:
    idle, busy = Line(house), Line(house, STATION + 1)
    for line in (idle, busy):
        line.connect()
    busy.say(Ping(opId=1))
    for line in (idle, busy):
        line.lose()
    house.advance(FORGET_AFTER - 60, step=60)
    assert len(house.center.stations) == 2
    house.advance(SWEEP_INTERVAL + 120, step=60)
    assert [station.eui for station in house.center.stations] == [f"{STATION + 1:016X}"]
    house.crash()
    assert [station.eui for station in house.center.stations] == [f"{STATION + 1:016X}"]


def test_a_station_is_forgotten_by_command_and_may_come_anew(house: House) -> None:
    line = Line(house)
    line.certificate = certificate_of(f"{STATION:016X}")
    line.connect()
    line.say(Ping(opId=1))
    eui = EUI(f"{STATION:016X}")
    forgetting = ensureDeferred(house.commands.stations.forget(eui, TESTER))
    house.settle()
    result_of(forgetting)
    assert line.closed == "forgotten" and house.center.stations.get(eui) is None
    assert house.states()[-1] == ("offline", False)
    again = Line(house)
    again.certificate = certificate_of("somebody")
    assert not again.connect(resume(0, 0)).snResume
    with pytest.raises(CommandError, match="there is no base station"):
        result_of(ensureDeferred(house.commands.stations.forget(EUI("0" * 16), TESTER)))


NAME = EUI(f"{STATION:016X}")


def kept_of_stations(house: House) -> list[object]:
    """Return what the journal holds of stations."""
    kept = house.journal.kept()
    query = "SELECT COUNT(*) FROM registration"
    [(registrations,)] = house.journal.core.reader.connection.execute(query).fetchall()
    return [*kept.stations, *kept.sessions, *kept.station_entries, *["registration"] * registrations]


def entered_and_connected(house: House) -> Line:
    entry = parse_station_change({"eui": NAME, "name": "Roof"})
    house.do(house.commands.stations.change(entry, TESTER, is_new=True))
    line = Line(house)
    line.connect()
    line.answer_everything()
    return line


def test_a_station_that_cannot_be_forgotten_on_disk_stays_connected(make_house) -> None:
    house = make_house(sensors=2)
    line = entered_and_connected(house)
    before = kept_of_stations(house)
    forgotten: list[object] = []
    house.center.watch_forgotten(forgotten.append)
    house.journal.broken = True
    with pytest.raises(StorageError):
        house.do(house.center.registry.forget(NAME))
    house.journal.broken = False
    line.say(Ping(opId=1))
    assert (line.closed, forgotten) == (None, []) and house.center.is_connected(NAME)
    assert house.center.entries.name(NAME) == "Roof" and kept_of_stations(house) == before
    house.crash()
    assert Line(house).connect(resume(1, 0)).snResume


def test_a_station_serves_until_it_is_forgotten_on_disk_and_leaves_nothing(make_house) -> None:
    house = make_house(sensors=2)
    line = entered_and_connected(house)
    forgetting = ensureDeferred(house.center.registry.forget(NAME))
    assert line.closed is None and house.center.is_connected(NAME) and NAME in house.center.entries
    house.center.registry.lost(line, line.station, "cable cut")
    again = Line(house)
    again.station, _ = house.do(house.center.registry.admit(resume(0, 0), again))
    again.complete()
    again.answer_everything()
    result_of(forgetting)
    assert again.closed == "forgotten" and house.center.stations.get(NAME) is None
    assert NAME not in house.center.entries and kept_of_stations(house) == []
