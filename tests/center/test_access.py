from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred, ensureDeferred

from bssci.center.access import Access
from bssci.center.interfaces import ICenter
from bssci.model import EUI
from bssci.model.commands import Actor, CommandError
from tests.support.center import House, Line, result_of, sensor_eui

SINK = Actor("influx", "sink")


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house(sensors=2)


def answered(house: House, deferred: Deferred[object]) -> object:
    house.settle()
    return result_of(deferred)


def test_it_knows_the_service_and_its_sensors(house: House) -> None:
    access = Access(house.center, SINK)
    assert (access.eui, access.version, access.now()) == (house.center.eui, house.center.version, house.now())
    assert access.sensor(EUI(sensor_eui(1))) is not None
    assert access.sensor(EUI("00" * 8)) is None
    assert access.station_states() == []
    assert access.device("ble:AA:BB:CC:DD:EE:FF") is None
    house.do(house.commands.devices.change("ble:AA:BB:CC:DD:EE:FF", {"name": "cellar"}, SINK))
    device = access.device("ble:AA:BB:CC:DD:EE:FF")
    assert device is not None and device.name == "cellar"


def test_a_command_is_in_the_audit_log_under_the_name_of_who_asks(house: House) -> None:
    line = Line(house)
    line.connect()
    line.answer_everything()
    access: ICenter = Access(house.center, SINK)
    detaching = ensureDeferred(access.detach([EUI(sensor_eui(1))]))
    house.settle()
    reading = house.journal.audit.read(before=None, limit=10)
    house.settle()
    (entry,) = result_of(reading)
    assert (entry.who, entry.target) == ("influx", sensor_eui(1))
    detaching.addErrback(lambda _: None)
    line.lose()


def test_what_is_refused_is_refused_to_a_sink_too(house: House) -> None:
    asking = ensureDeferred(Access(house.center, SINK).attach([EUI("00" * 8)]))
    with pytest.raises(CommandError):
        answered(house, asking)


def test_only_its_own_requests_of_an_earlier_run_are_told(house: House) -> None:
    assert Access(house.center, SINK).unanswered_requests() == []
