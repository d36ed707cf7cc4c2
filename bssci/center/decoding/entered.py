"""The choice of a decoder that people entered for a device other than a mioty sensor."""

from __future__ import annotations

from bssci.center.decoding.wanted import ChosenDecoder
from bssci.center.devices.device import place_of
from bssci.center.devices.registry import DeviceRegistry


def entered(devices: DeviceRegistry, id: str) -> ChosenDecoder | None:
    """Return the choice entered for a device, or else for the controller that it is connected to.

    :return: None if none was entered.
    """
    parent, _ = place_of(id)
    for each in (id, parent):
        device = devices.known(each) if each else None
        if device is not None and (device.decoder or device.parameters):
            return ChosenDecoder(device.decoder or None, None, device.parameters)
    return None
