"""Commands on base stations: what is refused, and what the audit log has of the rest."""

from __future__ import annotations

import pytest

from bssci.model import EUI
from bssci.model.base_station import parse_station_change
from bssci.model.commands import CommandError
from tests.support.center import STATION, TESTER, House

NAME = EUI(f"{STATION:016X}")


def test_each_command_has_its_entry(house: House) -> None:
    stations = house.commands.stations
    house.do(stations.change(parse_station_change({"eui": NAME, "name": "Roof"}), TESTER, is_new=True))
    others = [parse_station_change({"eui": f"{STATION + number:016X}"}) for number in (1, 2)]
    house.do(stations.import_(others, TESTER))
    house.do(stations.forget(NAME, TESTER))
    assert house.audited() == [
        ("station.register", NAME, "name: – → Roof"),
        ("station.import", "", f"2 base stations: {others[0].eui}, {others[1].eui}"),
        ("station.forget", NAME, ""),
    ]


def test_a_station_that_nobody_knows_is_refused(house: House) -> None:
    for command in (
        house.commands.stations.change(parse_station_change({"eui": NAME, "name": "Roof"}), TESTER),
        house.commands.stations.forget(NAME, TESTER),
        house.commands.stations.variable_mac(NAME, "status", None, TESTER),
    ):
        with pytest.raises(CommandError, match="there is no base station"):
            house.do(command)
    assert house.audited() == []
