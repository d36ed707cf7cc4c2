"""The table of names and units, by which a quantity has one name whatever a vendor calls it.

The readings of blueprints, scripts and plugins go through :func:`normalise` (or, where names and
units are known beforehand, through :func:`rule` once):

- a name that the table knows, or knows as a vendor's word for it, becomes the table's: ``Temp`` is
  ``temperature``; upper case, spaces and underscores do not matter. A number at its end is kept:
  ``temp_2`` is ``temperature_2``;
- the value is converted into the table's unit: litres into m³, mV into V, °F into °C. No unit means
  the table's. The unit also chooses: ``battery`` in V is ``battery_voltage``;
- a name of the table with a unit that measures something else gets that unit as a suffix
  (``temperature_raw``), so that ``temperature`` always is in °C;
- every other name keeps its spelling, its value and its unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

from bssci.decoders.units import SAME, Conversion, conversion
from bssci.model import Reading

QuantityKind = Literal["number", "bool", "count", "text"]

MAX_NAME = 100
"""characters of a reading's name"""
MAX_TEXT = 1000
"""characters of a reading's text"""


class Quantity(NamedTuple):
    """One row of the table."""

    name: str
    unit: str | None
    kind: QuantityKind
    aliases: tuple[str, ...]
    """vendors' other names for the quantity, beside ``name``; lower case without separators"""


def _row(name: str, unit: str | None = None, aliases: str = "", kind: QuantityKind = "number") -> Quantity:
    return Quantity(name, unit, kind, tuple(aliases.split()))


QUANTITIES: tuple[Quantity, ...] = (
    # air
    _row("temperature", "°C", "temp tmp temperatur airtemperature ambienttemperature tempc temperaturec"),
    _row("internal_temperature", "°C", "internaltemp boardtemperature devicetemperature chiptemperature"),
    _row("external_temperature", "°C", "externaltemp probetemperature outsidetemperature tempext"),
    _row("dew_point", "°C", "dewpoint dewpointtemperature taupunkt"),
    _row("humidity", "%", "hum humid rh relativehumidity relhumidity feuchte luftfeuchte humidityrh"),
    _row("pressure", "hPa", "press airpressure barometricpressure barometer atmosphericpressure luftdruck"),
    _row("co2", "ppm", "carbondioxide co2ppm co2concentration co2level"),
    _row("co", "ppm", "carbonmonoxide"),
    _row("tvoc", "ppb", "voc totalvoc"),
    _row("air_quality_index", None, "iaq iaqindex aqi"),
    _row("pm1", "µg/m³", "pm1p0"),
    _row("pm2_5", "µg/m³", "pm25 pm2p5"),
    _row("pm10", "µg/m³", "pm100"),
    _row("illuminance", "lx", "lux light lightlevel illumination brightness luminosity helligkeit"),
    _row("solar_radiation", "W/m²", "irradiance globalradiation"),
    _row("noise", "dB(A)", "soundlevel sound noiselevel"),
    _row("wind_speed", "m/s", "windspeed"),
    _row("wind_direction", "°", "winddirection"),
    _row("rain", "mm", "rainfall precipitation"),
    _row("rain_rate", "mm/h", "rainintensity"),
    # soil and water
    _row("soil_moisture", "%", "soilmoisture moisture soilwatercontent vwc"),
    _row("soil_temperature", "°C", "soiltemp"),
    _row("conductivity", "µS/cm", "ec electricalconductivity soilconductivity"),
    _row("water_temperature", "°C", "watertemp"),
    _row("ph", None, "phvalue"),
    # meters
    _row("volume", "m³", "watervolume totalvolume waterconsumption metervolume consumedvolume gasvolume"),
    _row("reverse_volume", "m³", "backflow reversevolume backwardvolume"),
    _row("flow", "m³/h", "flowrate volumeflow volumetricflow waterflow durchfluss"),
    _row("flow_temperature", "°C", "supplytemperature vorlauftemperatur forwardtemperature"),
    _row("return_temperature", "°C", "returntemp ruecklauftemperatur"),
    _row("temperature_difference", "K", "deltat temperaturedelta difftemperature"),
    _row("energy", "kWh", "activeenergy totalenergy energytotal energyimport importenergy meterenergy"),
    _row("energy_export", "kWh", "exportenergy energyexported"),
    _row("reactive_energy", "kvarh"),
    _row("power", "W", "activepower powertotal totalpower leistung"),
    _row("reactive_power", "var"),
    _row("apparent_power", "VA"),
    _row("power_factor", None, "cosphi powerfactor"),
    _row("frequency", "Hz", "gridfrequency linefrequency"),
    _row("current", "A", "amperage strom"),
    _row("voltage", "V", "volt volts spannung supplyvoltage"),
    # the device itself
    _row("battery", "%", "batt bat batterylevel batterypercent batterypercentage soc"),
    _row("battery_voltage", "V", "battery batt bat batvoltage battvoltage batteryvolt vbat vbatt batv"),
    _row("rssi", "dBm", "signalstrength"),
    _row("snr", "dB"),
    _row("tx_power", "dBm", "txpower transmitpower"),
    _row("uptime", "s", "runtime operatingtime operationtime"),
    # where and how it moves
    _row("latitude", "°", "lat gpslatitude gnsslatitude"),
    _row("longitude", "°", "lon lng long gpslongitude gnsslongitude"),
    _row("altitude", "m", "alt gpsaltitude elevation"),
    _row("position_accuracy", "m", "accuracy hdopm horizontalaccuracy gpsaccuracy"),
    _row("satellites", None, "sats numsatellites satellitecount", "count"),
    _row("speed", "m/s", "velocity gpsspeed"),
    _row("heading", "°", "course bearing"),
    _row("acceleration_x", "g", "accx accelx accelerationx xacceleration"),
    _row("acceleration_y", "g", "accy accely accelerationy yacceleration"),
    _row("acceleration_z", "g", "accz accelz accelerationz zacceleration"),
    _row("tilt", "°", "inclination angle tiltangle"),
    _row("distance", "m", "dist"),
    _row("level", "m", "waterlevel filllevel fuellevel tanklevel"),
    _row("fill_level", "%", "level waterlevel fillinglevel tanklevel fuellevel"),
    _row("weight", "kg", "mass"),
    # counters
    _row("count", None, "counter pulses pulsecount pulsecounter impulses totalcount", "count"),
    _row("open_count", None, "opencnt openings totalopenings opencounter", "count"),
    _row("people_in", None, "peoplein countin entries", "count"),
    _row("people_out", None, "peopleout countout exits", "count"),
    _row("message_count", None, "uplinkcounter uplinkcount framecounter messagecounter msgcnt", "count"),
    # yes or no
    _row("leak", None, "leakage leakdetected leakagedetected waterleak flood waterdetected", "bool"),
    _row("open", None, "isopen dooropen windowopen contactopen", "bool"),
    _row("motion", None, "motiondetected movement pir inmotion moving ismoving", "bool"),
    _row("occupancy", None, "occupied presence ispresent", "bool"),
    _row("tamper", None, "tamperdetected tamperalarm sabotage manipulation", "bool"),
    _row("smoke", None, "smokedetected smokealarm", "bool"),
    _row("low_battery", None, "lowbatt lowbat batterylow battlow lowbattery", "bool"),
    _row("button", None, "buttonpressed pressed push", "bool"),
    _row("vibration", None, "vibrationdetected shock", "bool"),
    _row("burst", None, "burstdetected pipeburst", "bool"),
    _row("backflow_alarm", None, "backflowdetected reverseflow", "bool"),
    _row("freeze_alarm", None, "frost frostalarm freezing freezealarm", "bool"),
    _row("switch", None, "onoff switchstate relay relaystate", "bool"),
    # the rest
    _row("firmware_version", None, "firmware fwversion swversion softwareversion", "text"),
    _row("hardware_version", None, "hardware hwversion", "text"),
    _row("serial_number", None, "serial serialno sn meterid meternumber", "text"),
)
"""all names with a fixed meaning; the list in the documentation is made from this table"""

BY_NAME = {quantity.name: quantity for quantity in QUANTITIES}

_SEPARATORS = re.compile(r"[^0-9a-z]+")
_NUMBERED = re.compile(r"(.*[^_ .-])[_ .-]+([0-9]{1,3})|(.*[^0-9_ .-])([0-9]{1,3})")
_NOT_A_NAME = re.compile(r"[^0-9a-z]+")


def _fold(name: str) -> str:
    return _SEPARATORS.sub("", name.casefold())


def _by_word() -> dict[str, tuple[Quantity, ...]]:
    """Return candidates for each folded word; a quantity's own name comes before aliases."""
    found: dict[str, tuple[Quantity, ...]] = {}
    for quantity in QUANTITIES:
        found[_fold(quantity.name)] = (quantity,)
    for quantity in QUANTITIES:
        for alias in map(_fold, quantity.aliases):
            if quantity not in found.get(alias, ()):
                found[alias] = (*found.get(alias, ()), quantity)
    return found


_BY_WORD = _by_word()


class QuantityRule(NamedTuple):
    """The name, unit and conversion for every value of one vendor's name and unit."""

    name: str
    unit: str | None
    kind: QuantityKind | None = None
    """kind of the value; None for a vendor's own name"""
    conversion: Conversion | None = None
    """conversion of the value; None: the value stays"""

    def value(self, value: float | bool | str) -> float | bool | str:
        """Return the value in the table's form: in its unit, and as a bool where the table has one."""
        if value.__class__ is str:
            return value
        if self.conversion is not None and value.__class__ is not bool:
            return self.conversion(value)  # type: ignore[arg-type]
        if self.kind == "bool" and value in (0, 1):
            return bool(value)
        return value

    def reading(self, value: float | bool | str, device: str | None = None) -> Reading:
        """Return one value under the table's name; a text has no unit."""
        unit = None if value.__class__ is str else self.unit
        return Reading(self.name, self.value(value), unit, device)


def own_rule(name: str, unit: str | None) -> QuantityRule:
    """Return the rule that changes nothing, for a name whose table name is taken by another value."""
    return QuantityRule(_apart(name, unit) if _conflicts(name, unit) else name, unit or None)


@lru_cache(maxsize=4096)
def rule(name: str, unit: str | None = None) -> QuantityRule:
    """Return the rule for values that a vendor names ``name`` and gives in ``unit``; see the module."""
    unit = unit.strip() if unit else None
    for stem, number in _stems(name):
        for quantity in _BY_WORD.get(_fold(stem), ()):
            step = _step(quantity, unit)
            if step is not None:
                return QuantityRule(
                    f"{quantity.name}{number}", quantity.unit, quantity.kind, None if step == SAME else step
                )
    return own_rule(name, unit)


def normalise(readings: Iterable[Reading]) -> list[Reading]:
    """Return readings under the names and in the units of the table.

    If two would get the same name, the one that already has it keeps it, else the first gets it; the others
    keep their own. Of several readings with the same final name, the last counts.
    """
    given = list(readings)
    rules = rules_for([(reading.name, reading.unit) for reading in given])
    found: dict[tuple[str, str | None], Reading] = {}
    for reading, how in zip(given, rules, strict=True):
        found[how.name, reading.device] = how.reading(reading.value, reading.device)
    return list(found.values())


def rules_for(fields: Iterable[tuple[str, str | None]]) -> list[QuantityRule]:
    """Return one rule for each (name, unit) of one message; no table name is used twice."""
    given = list(fields)
    rules = [rule(name, unit) for name, unit in given]
    owners: dict[str, str] = {}
    for (name, _), how in zip(given, rules, strict=True):
        if name == how.name or how.name not in owners:
            owners[how.name] = name
    return [
        how if owners[how.name] == name else own_rule(name, unit)
        for (name, unit), how in zip(given, rules, strict=True)
    ]


def _stems(name: str) -> Iterable[tuple[str, str]]:
    """Return the name as it is, then without a number at its end, and that number."""
    yield name, ""
    numbered = _NUMBERED.fullmatch(name)
    if numbered is not None:
        yield numbered[1] or numbered[3], f"_{int(numbered[2] or numbered[4])}"


def _step(quantity: Quantity, unit: str | None) -> Conversion | None:
    """Return the conversion of a unit to the quantity's own; None if the unit is not one of this quantity."""
    if unit is None:
        return SAME
    if quantity.unit is None:
        return SAME if unit == "1" else None
    return conversion(unit, quantity.unit)


def _conflicts(name: str, unit: str | None) -> bool:
    """Return whether a vendor's name, left unchanged, would look like a name of the table with another
    unit.
    """
    for stem, _ in _stems(name):
        quantity = BY_NAME.get(stem)
        if quantity is not None:
            return unit != quantity.unit
    return False


def _apart(name: str, unit: str | None) -> str:
    ending = _NOT_A_NAME.sub("_", (unit or "").casefold()).strip("_")
    return f"{name}_{ending or 'other'}"
