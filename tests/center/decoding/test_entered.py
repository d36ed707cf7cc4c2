"""The decoder that people entered for a device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock

from bssci.center.decoding.entered import entered
from bssci.center.decoding.wanted import ChosenDecoder
from bssci.center.devices.registry import DeviceRegistry
from tests.support.inline_journal import InlineJournal

PIN = "f2:0a1b2c3d4e5f/J1/3"
PROBE = {"decoder": "soil-probe", "parameters": {"a": 1}}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[InlineJournal]:
    journal = InlineJournal(tmp_path)
    yield journal
    journal.close()


@pytest.fixture
def devices(journal: InlineJournal) -> DeviceRegistry:
    return DeviceRegistry(Clock(), journal, journal.kept(), lambda: 1.0, 100)


def test_what_is_entered_of_the_device_once_it_is_on_disk(
    journal: InlineJournal, devices: DeviceRegistry
) -> None:
    assert entered(devices, PIN) is None
    ensureDeferred(devices.change({PIN: {"name": "Bed"}}))
    journal.commit()
    assert entered(devices, PIN) is None
    ensureDeferred(devices.change({PIN: PROBE}))
    assert entered(devices, PIN) is None
    journal.commit()
    assert entered(devices, PIN) == ChosenDecoder("soil-probe", None, {"a": 1})


def test_what_is_entered_of_its_controller_else(journal: InlineJournal, devices: DeviceRegistry) -> None:
    ensureDeferred(devices.change({"f2:0a1b2c3d4e5f": {"decoder": "controller"}, PIN: {"name": "Bed"}}))
    journal.commit()
    assert entered(devices, PIN) == entered(devices, f"{PIN}1") == ChosenDecoder("controller")
    ensureDeferred(devices.change({PIN: PROBE}))
    journal.commit()
    assert entered(devices, PIN) == ChosenDecoder("soil-probe", None, {"a": 1})
