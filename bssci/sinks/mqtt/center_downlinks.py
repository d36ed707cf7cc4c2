"""Downlinks written by software for an application center, translated to requests of this service.

    userData, packetCnt    other names of data and cnt: those of BSSCI, which later versions of ACMQTTI have
    cntDepend              false: cnt does not count
    "data": [[1, 2]]       one entry of data for no counter in particular
    "cnt": 7, "data": []   one counter, and its entry

Unknown fields are ignored: software made for an application center does not read our answers.
"""

from __future__ import annotations

from typing import Any

import msgspec

from bssci.model.commands import CommandError
from bssci.model.dry_run import dry_run_field
from bssci.mqtt.request_types import DownlinkRequestBody
from bssci.sinks.mqtt.request_payloads import read_object

_OTHER_NAMES = {"userData": "data", "packetCnt": "cnt"}
_KNOWN = frozenset(DownlinkRequestBody.__struct_fields__)
_encode = msgspec.json.Encoder().encode


def as_request(payload: bytes) -> bytes:
    """Return a downlink of an application center in the form of ``ep/{EUI}/dl``.

    A payload that is not a JSON object is returned unchanged.
    """
    try:
        told = dict(read_object("downlink", payload).body)
    except CommandError:
        return payload
    for other, name in _OTHER_NAMES.items():
        if other in told:
            told.setdefault(name, told[other])
    is_for_counters = told.get("cntDepend") is not False and told.get("cnt") not in (None, [])
    if not is_for_counters:
        told.pop("cnt", None)
    elif type(told["cnt"]) is int:
        told |= {"cnt": [told["cnt"]], "data": _entries(told.get("data"))}
    if not is_for_counters and _is_list_of_entries(told.get("data")) and len(told["data"]) == 1:
        told["data"] = told["data"][0]
    return _encode({name: value for name, value in told.items() if name in _KNOWN or dry_run_field([name])})


def _entries(data: Any) -> list[Any]:
    return data if _is_list_of_entries(data) else [data]


def _is_list_of_entries(data: Any) -> bool:
    return isinstance(data, list) and bool(data) and not any(type(each) is int for each in data)
