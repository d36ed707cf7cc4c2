"""Places that people enter for sensors, devices, gateways and base stations."""

from __future__ import annotations

from collections.abc import Mapping

COORDINATES = ("lat", "lon")


def place_fault(place: object, kept: object = None) -> str:
    """Return what is wrong with a place that is valid otherwise: one coordinate without the other, which no
    map can show. Empty if nothing is wrong.

    :param place: ``lat`` and ``lon`` in degrees, ``text``, each optional; anything else is not examined.
    :param kept: the present place, from a time when everything was taken; it may stay.
    """
    if not isinstance(place, Mapping) or place == kept:
        return ""
    missing = [name for name in COORDINATES if place.get(name) is None]
    return f"{missing[0]} is missing: enter both lat and lon, or neither" if len(missing) == 1 else ""
