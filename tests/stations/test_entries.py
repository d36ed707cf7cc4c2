"""Entries of people: stations registered ahead, named, blocked at the handshake, at con and while here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from OpenSSL import SSL
from twisted.internet.defer import ensureDeferred

from bssci.model import EUI
from bssci.model.base_station import parse_station_change
from bssci.model.commands import CommandError
from bssci.stations.registry import FORGET_AFTER, SWEEP_INTERVAL
from bssci.wire.messages import ConRsp, Error
from tests.stations.tls_memory import Client, StationRoom
from tests.support.center import STATION, TESTER, House, Line, result_of

NAME = EUI(f"{STATION:016X}")


def enter(house: House, **fields: object) -> None:
    change = parse_station_change({"eui": NAME, **fields})
    changing = ensureDeferred(house.commands.stations.change(change, TESTER, is_new=True))
    house.settle()
    result_of(changing)


def test_a_station_that_is_expected_is_known_and_stays(house: House) -> None:
    enter(house, name="Roof", tags=["north"], location={"lat": 51.0, "lon": 13.7, "text": "Hall 3"})
    house.advance(FORGET_AFTER + SWEEP_INTERVAL + 1, step=600)
    house.crash()
    [station] = house.center.stations
    assert (station.eui, station.state.name, station.has_connected) == (NAME, "Roof", False)
    assert house.center.station_states() == []
    line = Line(house)
    line.connect()
    assert [state.name for state in house.center.station_states()] == ["Roof"]


def test_a_new_name_is_told_at_once(house: House) -> None:
    Line(house).connect()
    told: list[str | None] = []
    house.center.watch_stations(lambda state: told.append(state.name))
    enter(house, name="Roof")
    enter(house, name="")
    assert told == ["Roof", house.center.stations.get(NAME).record.name]


def test_who_is_blocked_is_cut_off_and_stays_out(house: House) -> None:
    line = Line(house)
    line.connect()
    enter(house, blocked=True)
    assert line.closed == "it is blocked"
    assert house.states()[-1] == ("offline", False)
    house.crash()
    with pytest.raises(Exception, match="it is blocked"):
        Line(house).connect()
    enter(house, blocked=False)
    Line(house).connect()
    assert house.center.is_connected(NAME)


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_a_blocked_station_fails_at_the_handshake_where_its_certificate_names_it(
    room: StationRoom, version: int
) -> None:
    enter(room.house, blocked=True)
    client = room.station(STATION, version=version)
    client.say(client.con(STATION))
    room.advance(1)
    assert client.lost is not None and client.messages == []
    assert "alert certificate unknown" in str(client.lost.value)
    [refusal] = room.factory.refusals.listed()
    assert (refusal.reason, refusal.base_station_eui) == ("it is blocked", NAME)
    room.station(STATION + 1).establish(STATION + 1)


def test_a_blocked_station_fails_at_con_where_its_certificate_names_none(
    make_room: Callable[..., StationRoom],
) -> None:
    room = make_room()
    enter(room.house, blocked=True)
    client: Client = room.station()
    client.say(client.con(STATION))
    assert client.take(ConRsp) == [] and len(client.take(Error)) == 1
    assert room.factory.refusals.listed()[0].base_station_eui == NAME


def test_a_block_that_cannot_be_stored_does_not_happen(house: House) -> None:
    line = Line(house)
    line.connect()
    house.journal.broken = True
    with pytest.raises(CommandError) as failed:
        enter(house, blocked=True)
    assert failed.value.code == "unavailable"
    assert line.closed is None and not house.center.entries.is_blocked(NAME)


def test_a_blocked_station_is_not_forgotten(house: House) -> None:
    enter(house, blocked=True)
    forgetting = ensureDeferred(house.commands.stations.forget(NAME, TESTER))
    house.settle()
    with pytest.raises(CommandError) as failed:
        result_of(forgetting)
    assert failed.value.code == "conflict"
    enter(house, blocked=False)
    forgetting = ensureDeferred(house.commands.stations.forget(NAME, TESTER))
    house.settle()
    result_of(forgetting)
    assert len(house.center.stations) == len(house.center.entries) == 0


def test_who_shows_a_revoked_certificate_is_cut_off_and_stays_out(house: House) -> None:
    line = Line(house)
    line.certificate = b"revoked"
    line.connect()
    assert house.center.registry.revoked(b"another") == 0 and line.closed is None
    assert house.center.registry.revoked(b"revoked") == 1
    assert line.closed == "its certificate was revoked"
    again = Line(house)
    again.certificate = b"revoked"
    with pytest.raises(Exception, match="its certificate was revoked"):
        again.connect()
    Line(house).connect()
