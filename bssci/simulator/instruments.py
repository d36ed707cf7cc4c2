"""Measurements of simulated water meters, climate and leak sensors, encoded for blueprints in ``decoders/``.

Every value depends only on the EUI and the time, so a meter continues from its last value whenever the
simulation is started.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from hashlib import sha256
from itertools import accumulate
from math import cos, exp, floor, pi, sin, sqrt

HOUR, DAY = 3600.0, 86400.0
YEAR = 365.25 * DAY
INSTALLED = 1_767_225_600.0
"""time in Unix seconds at which the meters were installed: 2026-01-01"""

Told = tuple[int, bytes]
"""format and payload"""
Instrument = Callable[[float], Told]
"""returns format and payload of the measurement at a time (Unix seconds)"""

_STEP = 900.0
"""s in which the flow is taken as constant"""
_PEAKS = ((7.2, 1.1, 26.0), (12.5, 1.4, 10.0), (19.3, 1.8, 20.0))
"""peaks of water use in an ordinary home: hour of the day, width in h, and litres per hour at most"""


def instrument_for(type_eui: str, eui: int) -> Instrument | None:
    """Return the instrument of a type of sensor; None for an unknown type."""
    kind = _KINDS.get(type_eui.upper())
    return None if kind is None else partial(kind, eui)


def water_meter(eui: int, at: float) -> Told:
    """Return a reading; about once a month, in the first minute of a day, an alarm for a burst pipe."""
    litres = 1_000 * (20 + own(eui, "start") * 400) + _used(eui, at)
    flow = _flow(eui, at)
    day = floor(at / DAY)
    bursts = own(eui, f"burst {day}") < 1 / 30 and at % DAY < 60
    if bursts:
        return 1, bytes([2]) + _whole(litres, 4)
    temperature = 11 + 4 * sin(2 * pi * (at - INSTALLED) / YEAR - 2) + wave(eui, "water", at, 5 * HOUR)
    return 0, bytes([0]) + _whole(litres, 4) + _whole(flow, 2) + _whole(temperature * 2, 1) + _battery(
        eui, at
    )


def climate_sensor(eui: int, at: float) -> Told:
    """Return temperature with a daily curve, humidity with the opposite curve, and CO2, which rises while
    people are present; half of the sensors also measure light.
    """
    day = (at % DAY) / DAY
    presence = max(0.0, sin(pi * (day * 24 - 7) / 12)) if 7 <= day * 24 <= 19 else 0.0
    room = 18.5 + 3 * own(eui, "room")
    temperature = room + 2.2 * sin(2 * pi * (day - 0.38)) + wave(eui, "air", at, 3 * HOUR) * 0.4
    humidity = min(95.0, max(20.0, 46 - 2.5 * (temperature - room) + 4 * wave(eui, "damp", at, 9 * HOUR)))
    pressure = 1013 + 9 * wave(0, "weather", at, 4 * DAY) + 1.5 * wave(0, "front", at, 11 * HOUR)
    co2 = 425 + 520 * presence * (0.6 + 0.4 * own(eui, "people")) + 20 * wave(eui, "co2", at, HOUR)
    has_light = eui % 2 == 0
    flags = (8 if has_light else 0) | 4 | 2
    payload = bytes([0x10 | flags]) + _whole(2 * (98 - 12 * ((at - INSTALLED) / YEAR % 1)), 1)
    payload += (
        _whole(temperature * 100, 2) + _whole(humidity * 2, 1) + _whole(pressure * 10, 2) + _whole(co2, 2)
    )
    if has_light:
        daylight = max(0.0, sin(pi * (day * 24 - 6) / 12)) if 6 <= day * 24 <= 18 else 0.0
        payload += _whole(4 + 620 * daylight * (0.8 + 0.2 * wave(eui, "clouds", at, 2 * HOUR)), 2)
    return 0, payload


def leak_sensor(eui: int, at: float) -> Told:
    """Return "dry", or "wet" for a few minutes every few hours, at times that differ between sensors."""
    period = (5 + 4 * own(eui, "period")) * HOUR
    moment = at + period * own(eui, "phase")
    wet_for = (4 + 10 * own(eui, "length")) * 60
    since = moment % period
    leaks = floor(moment / period) % 32
    is_wet = since < wet_for
    temperature = 14 + 5 * own(eui, "cellar") + wave(eui, "cellar", at, 6 * HOUR)
    payload = bytes([(0x80 if is_wet else 0) | leaks]) + _whole(temperature, 1) + _battery(eui, at)
    return 0, payload + (_whole(since / 60, 2) if is_wet else b"")


_KINDS: Mapping[str, Callable[[int, float], Told]] = {
    "02B55C1000000001": water_meter,
    "02B55C1000000002": climate_sensor,
    "02B55C1000000003": leak_sensor,
}
"""instruments by the typeEui of the blueprint that decodes them"""


def own(eui: int, what: str) -> float:
    """Return a number from 0 to 1 that depends only on the sensor and ``what``."""
    return int.from_bytes(sha256(f"{eui:016X} {what}".encode()).digest()[:4]) / 0xFFFFFFFF


def wave(eui: int, what: str, at: float, period: float) -> float:
    """Return a number from -1 to 1 that varies without a visible period, as the sum of waves with
    incommensurable lengths.
    """
    phase = 2 * pi * own(eui, what)
    turn = 2 * pi * at / period
    return (sin(turn + phase) + 0.6 * sin(turn * sqrt(5) + 2 * phase) + 0.4 * cos(turn * sqrt(13))) / 2


def _flow(eui: int, at: float) -> float:
    """Return the flow in litres per hour."""
    hour = (at % DAY) / HOUR
    scale = 0.5 + own(eui, "home")
    return scale * sum(most * exp(-(((hour - peak) / width) ** 2)) for peak, width, most in _PEAKS)


def _used(eui: int, at: float) -> float:
    """Return the litres used since :data:`INSTALLED`."""
    days, rest = divmod(max(0.0, at - INSTALLED), DAY)
    counted = _counted(eui)
    step, part = divmod(rest, _STEP)
    before, after = counted[int(step)], counted[int(step) + 1]
    return days * counted[-1] + before + (after - before) * part / _STEP


@cache
def _counted(eui: int) -> list[float]:
    """Return the litres used from midnight to the beginning of each step of a day, and to the end of the
    day.
    """
    flows = (_flow(eui, (step + 0.5) * _STEP) * _STEP / HOUR for step in range(round(DAY / _STEP)))
    return list(accumulate(flows, initial=0.0))


def _battery(eui: int, at: float) -> bytes:
    """Return the battery voltage as the blueprints expect it: hundredths of a volt above 1.5 V."""
    volts = 3.6 - 0.25 * ((at - INSTALLED) / YEAR % 1) - 0.1 * own(eui, "battery")
    return _whole(volts * 100 - 150, 1)


def _whole(value: float, size: int) -> bytes:
    """Return the nearest integer in ``size`` bytes, big-endian; negative ones as two's complement."""
    number: int = round(value) & (256**size - 1)
    return number.to_bytes(size)
