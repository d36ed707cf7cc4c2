"""How often one base station may come, with connections on TLS in memory."""

from __future__ import annotations

import pytest

from bssci.model import eui_from_int
from bssci.stations.comings import MANY, PAUSE, Comings
from bssci.wire.errors import ErrorCode
from bssci.wire.messages import ConCmp, ConRsp, Error, UlDataRsp
from tests.stations.tls_memory import Client, StationRoom
from tests.support.center import STATION
from tests.support.wire import uplink

OTHER = [9] * 16
"""session of another station with the same EUI"""


def test_only_a_station_that_came_too_often_waits_and_no_longer_than_the_pause() -> None:
    comings = Comings()
    assert comings.claim(0.0, 0.0) == 0.0
    for number in range(1, MANY):
        assert comings.claim(number, number) == 0.0
        comings.add(number, number)
    comings.add(MANY - 1, MANY - 1)
    assert comings.count(MANY) == MANY
    assert comings.claim(MANY, MANY - 0.5) == PAUSE - 0.5
    assert comings.claim(MANY, MANY - 1 + PAUSE) == 0.0
    assert comings.claim(MANY, MANY - 1 + PAUSE) == PAUSE
    assert comings.claim(MANY + 600.0, MANY - 0.5) == 0.0


class TwinStation:
    """One of several base stations that use the same EUI, and connect again as soon as they are cut off."""

    def __init__(self, room: StationRoom, number: int) -> None:
        self.room = room
        self.uuid = [number] * 16
        self.attempts = 0
        self.answered = 0
        self.begin()

    def begin(self) -> None:
        self.attempts += 1
        self.client = self.room.station()
        self.client.say(self.client.con(STATION, snBsUuid=self.uuid))

    def go_on(self) -> None:
        if self.client.lost is not None:
            self.room.clients.remove(self.client)
            self.begin()
        if self.client.take(ConRsp):
            self.client.say(ConCmp(opId=0), uplink(1, packetCnt=self.attempts))
        self.answered += len(self.client.take(UlDataRsp))


def test_two_stations_with_one_eui_do_not_replace_each_other_as_fast_as_they_can(room: StationRoom) -> None:
    twins = [TwinStation(room, number) for number in (1, 2)]
    for _ in range(60):
        for twin in twins:
            twin.go_on()
        room.advance(0.5)
    comings = [state for state, _ in room.house.states()].count("online")
    assert MANY < comings <= MANY + 30 / PAUSE + 1
    assert sum(twin.answered for twin in twins) == comings
    assert room.house.center.is_connected(eui_from_int(STATION))


def test_whoever_never_comes_online_replaces_others_no_faster(room: StationRoom) -> None:
    answered = 0
    for number in range(1, 121):
        client = room.station()
        client.say(client.con(STATION, snBsUuid=[number] * 16))
        answered += len(client.take(ConRsp))
        room.clients.clear()
        room.advance(0.25)
    assert answered <= MANY + 1 + 30 / PAUSE


def come_too_often(room: StationRoom, name: int | str = "localhost") -> Client:
    """The connection of a station that has come too often.

    :param name: the name in its certificate.
    """
    client = room.station(name)
    client.establish(STATION)
    known = room.house.center.stations.get(eui_from_int(STATION))
    assert known is not None
    for _ in range(MANY):
        known.comings.add(room.house.now(), room.house.clock.seconds())
    return client


@pytest.fixture
def unsteady(room: StationRoom) -> Client:
    return come_too_often(room)


def test_whoever_gives_up_while_it_waits_replaces_nobody(room: StationRoom, unsteady: Client) -> None:
    other = room.station()
    other.say(other.con(STATION, snBsUuid=OTHER))
    assert not other.take(ConRsp)
    other.transport.loseConnection()
    room.advance(PAUSE + 1)
    assert unsteady.lost is None
    unsteady.say(uplink(1))
    assert unsteady.take(UlDataRsp)


def test_a_station_that_came_too_often_is_answered_after_the_pause(
    room: StationRoom, unsteady: Client
) -> None:
    other = room.station()
    other.say(other.con(STATION, snBsUuid=OTHER))
    room.advance(PAUSE - 1)
    assert unsteady.lost is None and not other.take(ConRsp)
    room.advance(1.1)
    assert unsteady.lost is not None and other.take(ConRsp)


def test_of_many_that_wait_one_comes_at_a_time(room: StationRoom, unsteady: Client) -> None:
    others = [room.station() for _ in range(5)]
    for other in others:
        other.say(other.con(STATION, snBsUuid=OTHER))
    room.advance(PAUSE)
    assert [len(other.take(ConRsp)) for other in others] == [1, 0, 0, 0, 0]


@pytest.mark.parametrize(("own", "strange"), [("localhost", STATION + 1), (STATION, "localhost")])
def test_whoever_is_refused_takes_no_turn(room: StationRoom, own: int | str, strange: int | str) -> None:
    """The stranger's certificate names another station, or none although the station has shown one."""
    come_too_often(room, own)
    room.advance(PAUSE)
    stranger = room.station(strange)
    stranger.say(stranger.con(STATION))
    [refusal] = stranger.take(Error)
    assert refusal.code == ErrorCode.EPERM
    assert room.station(own).establish(STATION)


def test_a_station_with_another_eui_does_not_wait(room: StationRoom, unsteady: Client) -> None:
    other = room.station()
    assert other.establish(STATION + 1)
    assert unsteady.lost is None


def test_a_station_that_has_stayed_is_replaced_at_once(room: StationRoom, unsteady: Client) -> None:
    room.advance(PAUSE)
    assert room.station().establish(STATION, snBsUuid=OTHER)


def test_a_station_that_comes_back_in_its_own_session_does_not_wait(
    room: StationRoom, unsteady: Client
) -> None:
    """Its old connection is often half open."""
    for _ in range(3):
        client = room.station()
        assert client.establish(STATION)
    assert unsteady.lost is not None


def test_a_station_whose_connection_is_gone_does_not_wait(room: StationRoom, unsteady: Client) -> None:
    unsteady.transport.loseConnection()
    room.advance(0.1)
    assert room.station().establish(STATION, snBsUuid=OTHER)
