"""Readings of one advertisement: those within their range."""

from __future__ import annotations

from bssci.model import Reading

# Wider than any sensor here measures: a value outside is an error code or noise.
RANGES: dict[str, tuple[float, float]] = {
    "temperature": (-200, 200),
    "dew_point": (-200, 200),
    "humidity": (0, 100),
    "soil_moisture": (0, 100),
    "pressure": (300, 1200),
    "battery": (0, 100),
    "battery_voltage": (0, 30),
    "co2": (0, 65534),
    "illuminance": (0, 200_000),
    "acceleration_x": (-40, 40),
    "acceleration_y": (-40, 40),
    "acceleration_z": (-40, 40),
    "tx_power": (-127, 126),
    "reference_rssi": (-127, 20),
    "distance": (0, 10_000),
}


class MeasuredValues:
    """Collects the readings of one advertisement."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self._seen: dict[str, int] = {}

    def add(self, name: str, value: float | int | bool | str, unit: str | None = None) -> None:
        """Add a reading unless its value lies outside the range of such values.

        A name that is there already gets a number: ``temperature_2``.
        """
        limits = RANGES.get(name)
        # not "outside": a comparison with NaN is false
        if limits is not None and not (isinstance(value, (int, float)) and limits[0] <= value <= limits[1]):
            return
        count = self._seen[name] = self._seen.get(name, 0) + 1
        self.readings.append(Reading(name if count == 1 else f"{name}_{count}", value, unit))

    def distance(self, rssi: int | None, reference: int) -> None:
        """Add the distance to a beacon, estimated in free space.

        :param rssi: dBm, as received; None if it is not known.
        :param reference: dBm that are received at 1 m.
        """
        self.add("reference_rssi", reference, "dBm")
        if rssi is not None and reference < 0:
            self.add("distance", round(10 ** ((reference - rssi) / 20), 2), "m")
