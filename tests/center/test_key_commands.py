"""Network keys are shown, and who saw them is in the audit log."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bssci.model import EUI
from bssci.model.commands import CommandError
from tests.support.center import KEY, TESTER, House, sensor_eui

ONE, NOBODY = EUI(sensor_eui(1)), EUI(sensor_eui(9))


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house(2)


def test_a_key_is_shown_and_noted(house: House) -> None:
    assert house.do(house.commands.keys.reveal(ONE, TESTER)) == bytes.fromhex(KEY)
    assert house.audited() == [("sensor.reveal_key", ONE, "")]
    with pytest.raises(CommandError, match="there is no sensor"):
        house.do(house.commands.keys.reveal(NOBODY, TESTER))
    assert len(house.audited()) == 1


def test_an_export_is_noted(house: House) -> None:
    sensors = list(house.center.sensors)
    assert house.do(house.commands.keys.export(sensors, TESTER)) == sensors
    assert house.audited() == [("sensor.export_keys", "", "2 sensors")]


def test_nobody_sees_a_key_that_cannot_be_noted(house: House) -> None:
    house.journal.broken = True
    for command in (house.commands.keys.reveal(ONE, TESTER), house.commands.keys.export([], TESTER)):
        with pytest.raises(CommandError) as raised:
            house.do(command)
        assert raised.value.code == "unavailable"
