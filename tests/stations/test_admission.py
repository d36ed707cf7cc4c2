"""The bounds of what base stations may take: time, connections, memory."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import capturedLogs

from bssci.stations.admission import ConnectionLimits
from bssci.wire.messages import ConCmp, Ping, PingCmp, PingRsp, UlDataRsp
from tests.stations.tls_memory import TCP_BUFFER, Client, StationRoom
from tests.support.center import STATION
from tests.support.wire import uplink


def test_a_handshake_that_never_ends_is_given_up(room: StationRoom) -> None:
    stuck = Client(room, None, "192.0.2.9")
    room.advance(9)
    assert not stuck.server_side.disconnected and room.count.open == 1
    room.clients.append(stuck)
    room.advance(2)
    assert stuck.lost is not None
    assert (room.count.open, room.count.failed_handshakes, room.count.timed_out) == (0, 1, 0)


def test_a_station_that_never_says_con_is_given_up(room: StationRoom) -> None:
    client = room.station()
    room.advance(9)
    assert client.lost is None
    room.advance(2)
    assert client.lost is not None
    assert room.count.timed_out == 1


def test_a_station_that_never_says_con_cmp_is_given_up(room: StationRoom) -> None:
    client = room.station()
    room.advance(5)
    client.say(client.con(STATION))
    room.advance(6)
    assert client.lost is not None
    assert room.house.states() == []


def test_a_silent_station_is_asked_for_a_sign_of_life(room: StationRoom, station: Client) -> None:
    station.vanish()
    room.advance(9)
    room.clients.append(station)
    room.advance(2)
    [ping] = station.take(Ping)
    station.say(PingRsp(opId=ping.opId))
    assert station.take(PingCmp) == [PingCmp(opId=ping.opId)]
    room.advance(9)
    assert station.lost is None


def test_a_vanished_station_is_noticed(room: StationRoom, station: Client) -> None:
    station.vanish()
    room.advance(19)
    assert room.house.states() == [("online", False)]
    room.advance(2)
    assert room.house.states() == [("online", False), ("offline", False)]
    assert room.count.open == 0


def test_nobody_is_given_up_unasked_because_the_journal_cannot_store(
    room: StationRoom, station: Client
) -> None:
    room.house.journal.broken = True
    room.advance(60)
    assert station.lost is None
    assert station.take(Ping) == []
    room.house.journal.broken = False
    room.advance(11)
    [ping] = station.take(Ping)
    station.say(PingRsp(opId=ping.opId))
    room.advance(9)
    assert station.lost is None


def test_who_vanished_meanwhile_is_noticed_when_the_journal_stores_again(
    room: StationRoom, station: Client
) -> None:
    station.vanish()
    room.house.journal.broken = True
    room.advance(60)
    room.house.journal.broken = False
    room.advance(21)
    assert room.house.states() == [("online", False), ("offline", False)]
    assert room.count.timed_out == 1


def test_a_station_that_pings_is_never_given_up(room: StationRoom, station: Client) -> None:
    for number in range(1, 20):
        room.advance(5)
        station.answer_everything()
        station.say(Ping(opId=number))
    assert station.lost is None
    assert len(station.take(PingRsp)) == 19
    assert station.take(Ping) == []


# replaced, stormed, not read


def test_a_second_connection_replaces_the_first(room: StationRoom, station: Client) -> None:
    second = room.station()
    second.establish(STATION)
    room.advance(1)
    assert station.lost is not None
    assert [state for state, _ in room.house.states()] == ["online", "online"]
    second.say(uplink(1))
    assert second.take(UlDataRsp) == [UlDataRsp(opId=1)]
    assert room.count.open == 1


def test_a_half_open_connection_is_replaced_and_forgotten(room: StationRoom, station: Client) -> None:
    station.vanish()
    second = room.station()
    second.establish(STATION)
    for number in range(1, 6):
        room.advance(2)
        second.say(Ping(opId=number))
    assert room.count.open == 1
    assert len(room.house.center.stations.connected()) == 1


def test_a_connection_that_was_replaced_takes_no_place(make_room: Callable[..., StationRoom]) -> None:
    room = make_room(limits=ConnectionLimits(connections_per_host=2))
    half_open = room.station()
    half_open.establish(STATION)
    half_open.vanish()
    room.station().establish(STATION)
    assert not room.station().refused
    assert (room.count.open, room.count.timed_out) == (2, 0)


def test_who_does_not_take_the_end_is_cut_off(room: StationRoom) -> None:
    client = room.station()
    client.deaf = True
    client.say(client.con(STATION, version="2.0.0"))
    room.advance(4)
    assert room.count.open == 1
    room.advance(2)
    assert (room.count.open, room.count.timed_out) == (0, 0)


def test_a_storm_of_fourteen_connections_of_which_six_finish(room: StationRoom) -> None:
    clients = [room.station() for _ in range(14)]
    finished = clients[2:8]
    for client in finished[:-1]:
        client.say(client.con(STATION))
    last = finished[-1]
    last.say(last.con(STATION), last.con(STATION))
    for client in finished:
        client.say(ConCmp(opId=0))
    last.answer_everything()
    last.say(uplink(1))
    assert last.take(UlDataRsp) == [UlDataRsp(opId=1)]
    assert [state for state, _ in room.house.states()] == ["online"]
    for number in range(2, 8):
        room.advance(2)
        last.say(Ping(opId=number))
    assert [client for client in clients if client.lost is None] == [last]
    assert room.count.open == 1
    assert len(room.house.center.stations.connected()) == 1


def test_a_station_that_never_reads_is_bounded_and_given_up(make_room: Callable[..., StationRoom]) -> None:
    room = make_room(sensors=900)
    station = room.station()
    station.establish(STATION)
    station.deaf = True
    station.messages.clear()
    op_id = 0
    for _ in range(200):
        if station.server_side.paused:
            break
        op_id += 1
        station.say(*(Ping(opId=(op_id - 1) * 100 + number) for number in range(1, 101)))
    assert station.server_side.paused
    before = station.unread
    station.say(*(Ping(opId=op_id * 100 + number) for number in range(1, 1001)))
    assert station.unread <= before + 10_000
    assert before < 2 * TCP_BUFFER
    room.advance(21)
    assert room.house.states()[-1][0] == "offline"
    assert room.count.open == 0


def test_connections_beyond_the_limit_are_refused_before_tls(make_room: Callable[..., StationRoom]) -> None:
    room = make_room(limits=ConnectionLimits(connections=3, connections_per_host=2))
    first = room.station(host="192.0.2.1")
    assert not first.refused
    assert not room.station(host="192.0.2.1").refused
    assert room.station(host="192.0.2.1").refused
    assert not room.station(host="192.0.2.2").refused
    assert room.station(host="192.0.2.3").refused
    assert room.count.refused == 2
    with capturedLogs() as told:
        for _ in range(500):
            assert room.station(host="192.0.2.1").refused
    assert len(told) == 0  # one line a minute
    first.transport.loseConnection()
    room.settle()
    assert not room.station(host="192.0.2.1").refused
