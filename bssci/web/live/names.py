"""Names of base stations and sensors."""

from __future__ import annotations

from collections.abc import Callable

from bssci.center.service_center import ServiceCenter
from bssci.model import EUI

NameOf = Callable[[EUI], str]
"""returns the name of a base station or a sensor; empty if it has none"""


def nameless(eui: EUI) -> str:
    """Return no name, for use as a :data:`NameOf`."""
    return ""


def names_in(center: ServiceCenter) -> NameOf:
    """Return the function that looks up current names in a service center."""

    def name_of(eui: EUI) -> str:
        station, sensor = center.stations.get(eui), center.sensors.get(eui)
        return (station.state.name if station else "") or (sensor.name if sensor else "")

    return name_of
