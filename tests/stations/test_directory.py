"""Every base station that is known: remembered, forgotten, and who hears of it."""

from __future__ import annotations

from bssci.model import EUI
from tests.support.center import EPOCH, STATION, TESTER, House, Line, resume
from tests.support.wire import connect


def test_comings_and_goings_are_events_and_are_watched(house: House) -> None:
    watched = []
    stop = house.center.watch_stations(watched.append)
    line = Line(house)
    line.connect(connect(bsEui=STATION, vendor="V", model="M", name="N", swVersion="1"))
    house.advance(5)
    line.lose()
    assert house.states() == [("online", False), ("offline", False)]
    assert [(state.state, state.at) for state in watched] == [("online", EPOCH), ("offline", EPOCH + 5)]
    assert (watched[0].vendor, watched[0].model, watched[0].name) == ("V", "M", "N")
    stop()
    Line(house).connect(resume(0, 0))
    assert len(watched) == 2
    assert house.states()[-1] == ("online", True)


def test_known_stations_are_remembered_over_a_restart(house: House) -> None:
    line = Line(house)
    line.connect(connect(bsEui=STATION, vendor="V"))
    house.crash()
    [state] = house.center.station_states()
    assert (state.base_station_eui, state.state, state.vendor) == ("CAFE000000000001", "offline", "V")


def test_a_station_that_is_forgotten_is_told_of_with_its_last_state(house: House) -> None:
    forgotten: list[str] = []
    stop = house.center.watch_forgotten(lambda state: forgotten.append(state.state))
    Line(house).connect()
    house.do(house.commands.stations.forget(EUI("CAFE000000000001"), TESTER))
    assert forgotten == ["offline"]
    stop()
    Line(house).connect()
    house.do(house.commands.stations.forget(EUI("CAFE000000000001"), TESTER))
    assert forgotten == ["offline"]
