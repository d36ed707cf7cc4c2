"""What is told of one sensor."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import ensureDeferred

from bssci.model import EUI
from bssci.wire.messages import AttPrp, Error, UlData
from tests.support.center import House, Line, result_of, sensor_entry, sensor_eui

ONE, HERE = EUI(sensor_eui(1)), "CAFE000000000001"


def report(house: House) -> dict[str, Any]:
    asked = ensureDeferred(house.center.sensor_report(ONE))
    house.settle()
    told: dict[str, Any] = result_of(asked)
    json.dumps(told, allow_nan=False)
    return told


def make_uplink(counter: int) -> UlData:
    return UlData(
        opId=counter,
        epEui=int(ONE, 16),
        rxTime=1,
        packetCnt=counter,
        snr=9.0,
        rssi=-100.0,
        userData=[1],
        dlOpen=False,
        responseExp=False,
        dlAck=False,
    )


def test_a_sensor_that_nobody_has_heard(house: House) -> None:
    house.configure([sensor_entry(1)])
    house.crash()
    assert report(house) == {
        "registration": {
            "attached": True,
            "over_the_air": False,
            "reason": "configured",
            "since": None,
            "base_stations": {},
        },
        "activity": {
            "state": "never seen",
            "inactive_seconds": None,
            "seconds_until_detach": None,
            "last_seen": None,
            "packet_counter": None,
            "uplinks": 0,
        },
        "signal": house.center.paths.report(ONE),
        "preferred_path": None,
    }


def test_a_station_that_refuses_it_is_told_with_its_reason(house: House) -> None:
    house.configure([sensor_entry(1)])
    house.crash()
    line = Line(house)
    line.connect()
    [asked] = line.take(AttPrp)
    line.say(Error(opId=asked.opId, code=22, message="no"))
    station = report(house)["registration"]["base_stations"][HERE]
    assert (station["state"], station["code"], station["message"]) == ("refused", 22, "no")


def test_activity_and_the_preferred_path_after_uplinks(house: House) -> None:
    house.configure([sensor_entry(1)])
    house.crash()
    line = Line(house)
    line.connect()
    line.answer_everything()
    for counter in (7, 8):
        line.say(make_uplink(counter))
        house.advance(3)
    told = report(house)
    activity = told["activity"]
    assert (activity["state"], activity["packet_counter"], activity["uplinks"]) == ("active", 8, 2)
    assert 0 < activity["inactive_seconds"] < 5
    assert told["preferred_path"] == HERE
    house.center.registry.lost(line, line.station, "gone")
    house.crash()
    assert report(house)["activity"]["uplinks"] == 2
