"""Units of measurement as vendors spell them, and conversions between them."""

from __future__ import annotations

from typing import NamedTuple


class Conversion(NamedTuple):
    """``(value + before) * multiplier / divisor + after``: a division keeps 123 l at 0.123 m³, exactly."""

    before: float = 0
    multiplier: float = 1
    divisor: float = 1
    after: float = 0

    def __call__(self, value: float) -> float:
        return (value + self.before) * self.multiplier / self.divisor + self.after


SAME = Conversion()
"""conversion of a unit to itself"""


def _times(multiplier: float, divisor: float = 1) -> Conversion:
    return Conversion(multiplier=multiplier, divisor=divisor)


_TO: dict[str, dict[str, Conversion]] = {
    "°C": {
        "°C C degC deg_C celsius ℃ 'C grad Cel": SAME,
        "°F F degF fahrenheit ℉": Conversion(before=-32, multiplier=5, divisor=9),
        "K kelvin": Conversion(after=-273.15),
    },
    "K": {"K kelvin °C C degC ℃": SAME, "°F F": _times(5, 9)},
    "%": {"% percent pct %RH %rH RH% % RH % r.F. % rel": SAME, "‰": _times(1, 10)},
    "hPa": {
        "hPa mbar hectopascal millibar": SAME,
        "Pa pascal": _times(1, 100),
        "kPa": _times(10),
        "bar": _times(1000),
        "MPa": _times(10_000),
        "mmHg torr": _times(133.322387415, 100),
        "inHg": _times(33.86389),
        "psi": _times(68.94757293168),
    },
    "ppm": {"ppm": SAME, "ppb": _times(1, 1000)},
    "ppb": {"ppb": SAME, "ppm": _times(1000)},
    "µg/m³": {"µg/m³ ug/m3 µg/m3 μg/m³ μg/m3": SAME, "mg/m³ mg/m3": _times(1000)},
    "V": {"V volt volts": SAME, "mV millivolt millivolts": _times(1, 1000), "kV": _times(1000)},
    "A": {"A ampere amp amps": SAME, "mA": _times(1, 1000), "kA": _times(1000)},
    "W": {"W watt watts": SAME, "kW": _times(1000), "mW": _times(1, 1000), "MW": _times(1_000_000)},
    "VA": {"VA": SAME, "kVA": _times(1000)},
    "var": {"var VAr": SAME, "kvar kVAr": _times(1000)},
    "kWh": {
        "kWh": SAME,
        "Wh": _times(1, 1000),
        "MWh": _times(1000),
        "GJ": _times(1_000_000, 3600),
        "MJ": _times(1000, 3600),
        "kJ": _times(1, 3600),
        "J": _times(1, 3_600_000),
    },
    "kvarh": {"kvarh": SAME, "varh": _times(1, 1000)},
    "m³": {
        "m³ m3 m^3 cbm qm3": SAME,
        "l L liter litre liters litres ltr": _times(1, 1000),
        "dl": _times(1, 10_000),
        "ml mL": _times(1, 1_000_000),
        "hl": _times(1, 10),
        "ft³ ft3 cf": _times(0.028316846592),
        "gal gallon gallons": _times(0.003785411784),
    },
    "m³/h": {
        "m³/h m3/h m^3/h cbm/h": SAME,
        "l/h L/h lph": _times(1, 1000),
        "l/min L/min lpm": _times(60, 1000),
        "l/s L/s": _times(3600, 1000),
        "m³/s m3/s": _times(3600),
        "ml/h": _times(1, 1_000_000),
    },
    "m": {
        "m meter metre meters": SAME,
        "cm": _times(1, 100),
        "mm": _times(1, 1000),
        "km": _times(1000),
        "in inch": _times(0.0254),
        "ft": _times(0.3048),
    },
    "mm": {"mm l/m² l/m2": SAME, "cm": _times(10), "m": _times(1000), "in inch": _times(25.4)},
    "mm/h": {"mm/h": SAME, "mm/min": _times(60)},
    "m/s": {
        "m/s": SAME,
        "km/h kmh kph": _times(1, 3.6),
        "mph": _times(0.44704),
        "kn kt knots": _times(1852, 3600),
    },
    "g": {"g G": SAME, "mg mG": _times(1, 1000), "m/s² m/s2 m/s^2": _times(1, 9.80665)},
    "kg": {"kg": SAME, "g": _times(1, 1000), "mg": _times(1, 1_000_000), "t": _times(1000)},
    "s": {
        "s sec second seconds": SAME,
        "ms": _times(1, 1000),
        "min minute minutes": _times(60),
        "h hour hours": _times(3600),
        "d day days": _times(86_400),
    },
    "Hz": {"Hz": SAME, "kHz": _times(1000), "MHz": _times(1_000_000)},
    "dBm": {"dBm": SAME},
    "dB": {"dB": SAME},
    "dB(A)": {"dB(A) dBA dB": SAME},
    "lx": {"lx lux": SAME, "klx": _times(1000)},
    "W/m²": {"W/m² W/m2": SAME},
    "°": {"° deg degree degrees grad": SAME},
    "µS/cm": {"µS/cm uS/cm μS/cm": SAME, "mS/cm": _times(1000), "dS/m": _times(1000), "S/m": _times(10_000)},
    "Ω": {"Ω Ohm": SAME, "kΩ kOhm": _times(1000), "MΩ MOhm": _times(1_000_000)},
}
_SEVERAL_WORDS = ("% RH", "% r.F.", "% rel")
"""spellings with a space in them"""


def _spellings() -> dict[tuple[str, str], Conversion]:
    found: dict[tuple[str, str], Conversion] = {}
    for unit, rows in _TO.items():
        for row, conversion in rows.items():
            words = row
            for spelling in _SEVERAL_WORDS:
                if spelling in words:
                    words = words.replace(spelling, "", 1)
                    found[unit, spelling] = conversion
            for spelling in words.split():
                found[unit, spelling] = conversion
    return found


_EXACT = _spellings()
_FOLDED: dict[tuple[str, str], Conversion | None] = {}
for (_unit, _spelling), _conversion in _EXACT.items():
    _key = (_unit, _spelling.casefold())
    _FOLDED[_key] = _conversion if _FOLDED.get(_key, _conversion) == _conversion else None
    """None: mW and MW differ only in their case"""


def conversion(spelling: str, unit: str) -> Conversion | None:
    """Return the conversion of values in a unit, as a vendor spells it, to values in ``unit``.

    None if there is none: the unit is unknown, or measures something else.
    """
    exact = _EXACT.get((unit, spelling))
    if exact is not None:
        return exact
    return _FOLDED.get((unit, spelling.casefold()))
