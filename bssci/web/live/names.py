"""Names of base stations, sensors, other devices and their gateways."""

from __future__ import annotations

from collections.abc import Callable

from bssci.center.service_center import ServiceCenter
from bssci.model import EUI

GATEWAY_KINDS = ("scanner", "controller", "gateway")

NameOf = Callable[[str], str]
"""returns the name of a base station or sensor, by its EUI, of a device, by its id, or of a scanner or
controller, by what telegrams call it; empty if none
"""


def nameless(id: str) -> str:
    """Return no name, for use as a :data:`NameOf`."""
    return ""


def names_in(center: ServiceCenter) -> NameOf:
    """Return the function that looks up current names in a service center."""

    def name_of(id: str) -> str:
        if ":" in id:
            device = center.devices.get(id)
            return device.name if device else ""
        for kind in GATEWAY_KINDS:
            gateway = center.gateways.get(f"{kind}:{id}")
            if gateway is not None:
                return gateway.name
        eui = EUI(id)
        station, sensor = center.stations.get(eui), center.sensors.get(eui)
        return (station.state.name if station else "") or (sensor.name if sensor else "")

    return name_of
