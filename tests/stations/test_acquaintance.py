"""Which stations are forgotten for new ones, and which must show the certificate that names them."""

from __future__ import annotations

import heapq

import pytest

from bssci.model import EUI
from bssci.stations.registry import FORGET_AFTER, SWEEP_INTERVAL
from bssci.wire.errors import ProtocolError
from bssci.wire.messages import Ping
from tests.stations.certificates import certificate_of
from tests.support.center import STATION, House, Line


def test_who_showed_a_certificate_that_names_it_may_not_come_with_another(house: House) -> None:
    named, other = (certificate_of(name) for name in (f"{STATION:016X}", "somebody"))
    first, second = Line(house), Line(house)
    first.certificate = second.certificate = named
    first.connect()
    second.connect()
    intruder = Line(house)
    intruder.certificate = other
    with pytest.raises(ProtocolError, match="forget the station first") as refused:
        intruder.begin()
    assert refused.value.code == 1 and second.closed is None


def test_who_never_showed_one_that_names_it_may_come_with_any(house: House) -> None:
    for name in ("somebody", "somebody else", f"{STATION:016X}"):
        line = Line(house)
        line.certificate = certificate_of(name)
        line.connect()


def test_a_station_that_its_certificate_names_is_not_forgotten_for_made_up_ones(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bssci.stations.registry.MAX_STATIONS", 2)
    named, other = certificate_of(f"{STATION:016X}"), certificate_of("somebody")
    real = Line(house)
    real.certificate = named
    real.connect()
    real.lose()
    house.advance(FORGET_AFTER + SWEEP_INTERVAL + 60, step=60)
    for number in range(1, 5):
        made_up = Line(house, STATION + number)
        made_up.certificate = other
        made_up.connect()
        made_up.say(Ping(opId=1))
        made_up.lose()
    assert sorted(station.eui for station in house.center.stations) == [
        f"{STATION:016X}",
        f"{STATION + 4:016X}",
    ]
    house.crash()
    impostor = Line(house)
    impostor.certificate = other
    with pytest.raises(ProtocolError, match="used a certificate that names it"):
        impostor.begin()
    again = Line(house)
    again.certificate = named
    again.connect()


def test_of_many_one_search_finds_several_that_may_be_forgotten(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bssci.stations.registry.MAX_STATIONS", 6)
    monkeypatch.setattr("bssci.stations.acquaintance.PART", 2)
    searches: list[int] = []
    monkeypatch.setattr(
        "bssci.stations.acquaintance.nsmallest",
        lambda count, *rest, **options: searches.append(count) or heapq.nsmallest(count, *rest, **options),
    )
    lines = [Line(house, STATION + number) for number in range(6)]
    for line in lines:
        line.connect()
        line.lose()
        house.advance(1)
    Line(house, STATION + 10).connect()
    Line(house, STATION + 1).connect()  # is here now, so it stays
    for number in (11, 12):
        Line(house, STATION + number).connect()
    assert {int(station.eui, 16) - STATION for station in house.center.stations} == {1, 4, 5, 10, 11, 12}
    assert searches == [4]


def test_who_is_known_least_makes_room_for_a_new_one(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bssci.stations.registry.MAX_STATIONS", 4)
    old, short, idle, here = (Line(house, STATION + number) for number in range(4))
    for line in (old, short, idle, here):
        line.connect()
        if line is not idle:
            line.say(Ping(opId=1))
    short.lose()
    house.advance(5)
    old.lose()
    idle.lose()
    for new, gone in ((10, idle), (11, short), (12, old)):
        newcomer = Line(house, STATION + new)
        newcomer.connect()
        newcomer.say(Ping(opId=1))
        assert house.center.stations.get(EUI(f"{gone.eui:016X}")) is None
    with pytest.raises(ProtocolError, match="too many base stations are connected"):
        Line(house, STATION + 13).begin()
    assert here.closed is None
