"""Where known Bluetooth devices are: told when it changes, once a minute else, and when nobody hears them."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import ensureDeferred

from bssci.model import Telegram
from tests.center.devices.gateways import Air
from tests.support.center import TESTER, House, result_of

TAG = "AA:BB:CC:DD:EE:01"


def enter(house: House, **changes: Any) -> Air:
    done = ensureDeferred(house.commands.devices.change(f"ble:{TAG}", changes, TESTER))
    house.settle()
    result_of(done)
    return Air(house)


def told(house: House) -> list[tuple[str, float | None]]:
    return [
        (event.envelope["presence"]["scanner"], event.rssi)
        for _, event in house.events
        if isinstance(event, Telegram) and event.source == "presence"
    ]


def test_the_scanner_with_the_best_signal_is_the_place(house: House) -> None:
    air = enter(house)
    air.advertise(TAG, gateway="roof", rssi=-80.0)
    air.advertise(TAG, gateway="cellar", rssi=-60.0)
    assert told(house) == [("roof", -80.0), ("cellar", -60.0)]
    air.advertise(TAG, gateway="roof", rssi=-58.0)
    assert len(told(house)) == 2, "one that is a little better for a moment changes nothing"
    house.advance(1)
    for _ in range(20):
        air.advertise(TAG, gateway="roof", rssi=-45.0)
    assert told(house)[-1][0] == "roof" and len(told(house)) == 3


def test_the_same_is_told_once_a_minute(house: House) -> None:
    air = enter(house)
    for _ in range(13):
        air.advertise(TAG, gateway="roof", rssi=-80.0)
        house.advance(10, step=10)
    assert len(told(house)) == 3


def test_one_that_nobody_hears_is_away(house: House) -> None:
    air = enter(house)
    air.advertise(TAG, gateway="roof", rssi=-80.0)
    house.advance(110, step=10)
    assert told(house) == [("roof", -80.0)]
    house.advance(20, step=10)
    assert told(house)[1:] == [("", None)]
    house.advance(600, step=60)
    assert len(told(house)) == 2
    air.advertise(TAG, gateway="roof", rssi=-70.0)
    assert told(house)[2:] == [("roof", -70.0)]


def test_a_scanner_that_is_silent_no_longer_counts(house: House) -> None:
    air = enter(house)
    air.advertise(TAG, gateway="roof", rssi=-40.0)
    house.advance(40, step=10)
    air.advertise(TAG, gateway="cellar", rssi=-90.0)
    assert told(house)[-1] == ("cellar", -90.0)


def test_unknown_devices_and_unknown_signals_are_passed_over(house: House) -> None:
    air = Air(house)
    air.advertise(TAG, gateway="roof", rssi=-40.0)
    enter(house)
    air.advertise(TAG, gateway="roof", rssi=None)
    assert told(house) == []


def test_what_it_tells_is_no_message_of_the_device(house: House) -> None:
    air = enter(house)
    air.advertise(TAG, gateway="roof", rssi=-80.0)
    assert house.center.devices.get(f"ble:{TAG}").count == 1
    assert [gateway.id for gateway in house.center.gateways] == ["scanner:roof"]
