"""Decoders that people chose for devices other than mioty sensors."""

from __future__ import annotations

from bssci.center.decoding.wanted import ChosenDecoder
from bssci.center.devices.device import place_of
from bssci.center.devices.registry import DeviceRegistry


def entered(devices: DeviceRegistry, id: str) -> ChosenDecoder | None:
    """Return decoder and parameters of a device, else those of the controller that it sits at.

    :return: None if nobody entered any.
    """
    parent, _ = place_of(id)
    for each in (id, parent):
        device = devices.known(each) if each else None
        if device is not None and (device.decoder or device.parameters):
            return ChosenDecoder(device.decoder or None, None, device.parameters)
    return None
