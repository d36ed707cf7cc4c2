"""Oddities of real base stations, as named quirks that can be combined.

Most quirks change a message just before it is encoded; each is a function from a plain dict to a plain dict.
The others are kinds of behaviour, which the station looks up by name. All of them were seen in the field; the
combinations in the profiles of vendors are plausible guesses for demos and tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
"""A message as plain objects under its wire names, including ``command`` and ``opId``."""

LATE_CLOCK_NS = int(2.5 * 365.25 * 86_400) * 1_000_000_000
"""Nanoseconds by which a late clock is behind."""

_BYTE_ARRAYS = ("snBsUuid", "userData", "nonce", "sign")
_EUIS = ("bsEui", "epEui")
_TIMES = ("rxTime", "txTime", "time")
_OPTIONAL = {
    "con": ("vendor", "model", "name", "swVersion", "info", "geoLocation", "snBsOpId", "snScOpId"),
    "statusRsp": ("geoLocation", "uptime", "temp", "cpuLoad", "memLoad", "config"),
    "ulData": ("rxDuration", "eqSnr", "profile", "mode", "subpackets"),
    "dlDataRes": ("txTime", "packetCnt"),
}
_STATUS_ALWAYS = ("command", "opId", "code", "message", "time")


def _signed_uuid(message: Document) -> Document:
    if "snBsUuid" in message:
        message["snBsUuid"] = [byte - 256 if byte > 127 else byte for byte in message["snBsUuid"]]
    return message


def _float_numbers(message: Document) -> Document:
    return {key: _as_float(value) for key, value in message.items()}


def _as_float(value: Any) -> Any:
    """Return an integer as float64 if that is exact; other values unchanged."""
    if type(value) is int and int(float(value)) == value:
        return float(value)
    return value


def _bin_arrays(message: Document) -> Document:
    for key in _BYTE_ARRAYS:
        if key in message:
            message[key] = bytes(byte & 0xFF for byte in message[key])
    return message


def _negative_eui(message: Document) -> Document:
    for key in _EUIS:
        if message.get(key, 0) >> 63 == 1:
            message[key] -= 1 << 64
    return message


def _nil_fields(message: Document) -> Document:
    for key in _OPTIONAL.get(message["command"], ()):
        message.setdefault(key, None)
    return message


def _sorted_keys(message: Document) -> Document:
    return dict(sorted(message.items()))


def _info_string(message: Document) -> Document:
    if message["command"] == "con":
        message["info"] = ""
    return message


def _geo_zero(message: Document) -> Document:
    if message["command"] in ("con", "statusRsp"):
        message["geoLocation"] = [0, 0, 0]
    return message


def _sparse_status(message: Document) -> Document:
    if message["command"] != "statusRsp":
        return message
    return {key: value for key, value in message.items() if key in _STATUS_ALWAYS}


def _microseconds_time(message: Document) -> Document:
    if message["command"] == "statusRsp":
        message["time"] //= 1000
    return message


def _percent_cpu(message: Document) -> Document:
    if message["command"] == "statusRsp" and "cpuLoad" in message:
        message["cpuLoad"] *= 100
    return message


def _late_clock(message: Document) -> Document:
    for key in _TIMES:
        if key in message:
            message[key] -= LATE_CLOCK_NS
    return message


@dataclass(frozen=True)
class Quirk:
    """An oddity: its description, and the function that changes messages, if it has one."""

    description: str
    transform: Callable[[Document], Document] | None = None


QUIRKS: Mapping[str, Quirk] = {
    # Quirks are applied in this order: those that change values come before those that change types.
    "late-clock": Quirk("the station's clock is 2.5 years behind", _late_clock),
    "sparse-status": Quirk("statusRsp lacks all optional fields, and some required ones", _sparse_status),
    "microseconds-time": Quirk("statusRsp.time is in microseconds", _microseconds_time),
    "percent-cpu": Quirk("statusRsp.cpuLoad is in percent", _percent_cpu),
    "geo-zero": Quirk("geoLocation is [0, 0, 0]", _geo_zero),
    "info-string": Quirk('con.info is "" instead of a map', _info_string),
    "signed-uuid": Quirk("the bytes of snBsUuid are -128..127", _signed_uuid),
    "negative-eui": Quirk("an EUI with the top bit set is a negative int64", _negative_eui),
    "bin-arrays": Quirk("byte arrays are MessagePack bin", _bin_arrays),
    "float-numbers": Quirk("integers are float64 where that is exact", _float_numbers),
    "nil-fields": Quirk("absent optional fields are nil", _nil_fields),
    "sorted-keys": Quirk("keys are sorted, so command is not first", _sorted_keys),
    "json": Quirk("the connection speaks JSON"),
    "con-twice": Quirk("con is sent twice on each connection"),
    "storm": Quirk("14 connections in 0.3 s at the start, of which six finish"),
    "overlapping-uplinks": Quirk("ulData 6 is sent before ulDataCmp 5"),
    "old-counters": Quirk("the first con reports counters of a session that is long gone"),
    "version-1.1": Quirk("announces 1.1.0 and answers error 22 to the 1.0.0 attPrp"),
    "revoke-2": Quirk(
        "dlDataRev of a downlink that is no longer held is answered with error 2 (as without this quirk)"
    ),
    "revoke-95": Quirk("dlDataRev of a downlink that is no longer held is answered with error 95"),
    "attach-drops": Quirk("attPrp for an end point that is already attached discards its downlinks"),
}


@dataclass(frozen=True)
class Vendor:
    """A model of base station: how it describes itself, and its quirks."""

    vendor: str
    model: str
    software_version: str
    quirks: tuple[str, ...] = ()


VENDORS: Mapping[str, Vendor] = {
    "weptech": Vendor("Weptech", "AVA", "4.2.0", ("geo-zero", "overlapping-uplinks", "old-counters")),
    "miromico": Vendor(
        "Miromico", "Edge", "2.3.1", ("nil-fields", "microseconds-time", "percent-cpu", "revoke-95")
    ),
    "diehl": Vendor(
        "Diehl", "Premium", "3.0.4", ("signed-uuid", "negative-eui", "sorted-keys", "info-string")
    ),
    "rak": Vendor("RAK", "7289", "1.2.0", ("sparse-status", "bin-arrays", "float-numbers", "revoke-2")),
}


class Quirks:
    """The quirks of a station.

    :raises ValueError: a name is not in :data:`QUIRKS`, or two quirks exclude each other.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = frozenset(names)
        unknown = self.names - QUIRKS.keys()
        if unknown:
            raise ValueError(f"no quirk {sorted(unknown)[0]!r}: there are {', '.join(QUIRKS)}")
        if {"json", "bin-arrays"} <= self.names:
            raise ValueError("the quirks json and bin-arrays exclude each other: JSON has no bin")
        self._transforms = [
            quirk.transform
            for name, quirk in QUIRKS.items()
            if name in self.names and quirk.transform is not None
        ]

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def __repr__(self) -> str:
        return f"Quirks({sorted(self.names)})"

    @property
    def change_messages(self) -> bool:
        """True if any of the quirks changes messages before they are encoded."""
        return bool(self._transforms)

    def apply(self, message: Document) -> Document:
        """Return a message as this station would send it; ``message`` itself may be modified."""
        for transform in self._transforms:
            message = transform(message)
        return message
