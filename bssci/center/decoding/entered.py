"""Decoders that people chose for devices that are no mioty sensors."""

from __future__ import annotations

from bssci.center.decoding.wanted import ChosenDecoder
from bssci.center.devices.registry import DeviceRegistry


def entered(devices: DeviceRegistry, id: str) -> ChosenDecoder | None:
    """Return decoder and parameters of a device; None if nobody entered any."""
    device = devices.known(id)
    if device is None or not (device.decoder or device.parameters):
        return None
    return ChosenDecoder(device.decoder or None, None, device.parameters)
