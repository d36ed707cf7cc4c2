"""The decoder that people entered for a device."""

from __future__ import annotations

from twisted.internet.task import Clock

from bssci.center.decoding.entered import entered
from bssci.center.decoding.wanted import ChosenDecoder
from bssci.center.devices.registry import DeviceRegistry
from tests.support.inline_journal import InlineJournal

PIN = "f2:0a1b2c3d4e5f/J1/3"


def test_what_is_entered_of_the_device(tmp_path) -> None:
    journal = InlineJournal(tmp_path)
    devices = DeviceRegistry(Clock(), journal, journal.kept(), lambda: 1.0, 100)
    assert entered(devices, PIN) is None
    device = devices.new(PIN)
    devices.put(device)
    assert entered(devices, PIN) is None
    device.decoder, device.parameters = "soil-probe", {"a": 1}
    assert entered(devices, PIN) == ChosenDecoder("soil-probe", None, {"a": 1})


def test_what_is_entered_of_its_controller_else(tmp_path) -> None:
    journal = InlineJournal(tmp_path)
    devices = DeviceRegistry(Clock(), journal, journal.kept(), lambda: 1.0, 100)
    controller, pin = devices.new("f2:0a1b2c3d4e5f"), devices.new(PIN)
    controller.decoder = "controller"
    devices.put(controller, pin)
    assert entered(devices, PIN) == entered(devices, f"{PIN}1") == ChosenDecoder("controller")
    pin.decoder = "soil-probe"
    assert entered(devices, PIN) == ChosenDecoder("soil-probe")
