"""Sessions of stations that are away: how much of them is kept, and what a damaged one costs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import ensureDeferred

from bssci.model import EUI
from bssci.stations.directory import Stations
from bssci.stations.station import Station
from bssci.wire.errors import ProtocolError
from bssci.wire.messages import Ping
from tests.support.center import STATION, House, Line, result_of, resume
from tests.support.wire import connect


@pytest.mark.parametrize(("bound", "works"), [("MAX_IDLE", False), ("MAX_AWAY", True)])
def test_sessions_of_stations_that_are_away_keep_no_more_than_a_bound(
    make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch, bound: str, works: bool
) -> None:
    house = make_house(10)
    monkeypatch.setattr(f"bssci.stations.away.{bound}", 40)
    lines = [Line(house, STATION + number) for number in range(6)]
    for line in lines:
        line.connect()
        if works:
            line.say(Ping(opId=1))
        assert len(line.station.session.open_requests) == 10
        line.lose()
        house.advance(1)
    # The fifth passes the bound, and the two that were here longest ago make room.
    kept = [line.station.session is not None for line in lines]
    assert kept == [False, False, True, True, True, True]
    house.crash()
    assert sorted(house.kept.sessions) == sorted(line.station.eui for line in lines[2:])
    assert not Line(house, STATION).connect(resume(0, 0)).snResume


def test_a_session_that_is_being_replaced_makes_no_room(
    make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house(10)
    monkeypatch.setattr("bssci.stations.away.MAX_IDLE", 1)
    first, second = Line(house, STATION), Line(house, STATION + 1)
    for line in (first, second):
        line.connect()
    assert first.station is not None
    con = connect(bsEui=STATION, snBsUuid=[9] * 16)
    admitted = ensureDeferred(house.center.registry.admit(con, first))
    house.center.registry.lost(first, first.station, "cable cut")
    second.lose()
    with pytest.raises(ProtocolError, match="replaced"):
        result_of(admitted)
    assert house.journal.kept().sessions[first.station.eui].sn_bs_uuid == bytes([9] * 16)
    assert first.station.session is not None


@pytest.mark.parametrize("damaged", [b"", b"\xff", b"\x82\xa4opId\x01\xa1\xff\xa1\xff", b"\xc1" * 20])
def test_an_operation_that_cannot_be_read_costs_itself_only(house: House, damaged: bytes) -> None:
    line = Line(house)
    line.connect()
    eui = line.station.eui
    line.station.ping()
    house.settle()
    good = house.journal.kept().sessions[eui].open_operations
    assert good
    house.journal.sessions.open_operations(eui, -99, [(-99, damaged)])
    house.settle()
    house.crash()
    again = Line(house)
    assert again.connect(resume(0, -1)).snResume
    assert list(again.station.session.open_requests)[: len(good)] == [op_id for op_id, _ in good]
    assert -99 not in again.station.session.open_requests
    assert house.journal.usage().unreadable == 1


def test_a_station_that_goes_costs_the_same_however_many_are_away(
    make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house(10)
    looked_up: list[EUI] = []
    get = Stations.get

    def counting(stations: Stations, eui: EUI) -> Station | None:
        looked_up.append(eui)
        return get(stations, eui)

    lines = [Line(house, STATION + each) for each in range(4)]
    for line in lines:
        line.connect()
    monkeypatch.setattr(Stations, "get", counting)
    costs = set()
    for line in lines:
        looked_up.clear()
        line.lose()
        costs.add(len(looked_up))
    assert len(costs) == 1
