"""Parsing of a downlink request in JSON, as it comes by MQTT and HTTP."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from bssci.center.downlinks.request import check_request
from bssci.model import EUI, DownlinkRequest
from bssci.model.commands import CommandError, wrong_fields

MAX_REFERENCE = 200
"""characters of a reference, at most"""
NOT_YET_REVOKED = "the base station that holds it has not answered: it is revoked as soon as it does"

_ATTRIBUTES = {
    "format": "format",
    "prio": "priority",
    "expires_in": "expires_in",
    "responseExp": "response_expected",
    "responsePrio": "response_priority",
    "dlWindReq": "downlink_window_request",
    "expOnly": "expect_only",
}
_FIELDS = {attribute: field for field, attribute in _ATTRIBUTES.items()} | {"packet_counters": "cnt"}
_KNOWN = {"data", "cnt", "ref", *_ATTRIBUTES}
_FORMS: dict[str, tuple[tuple[type, ...], str]] = {
    "format": ((int,), "a whole number from 0 to 255"),
    "prio": ((int, float), "a number"),
    "expires_in": ((int, float), "a number of seconds"),
}
_FLAG: tuple[tuple[type, ...], str] = ((bool,), "true or false")


def reference(request: Mapping[str, Any]) -> str | int | None:
    """Return the reference ``ref`` that the answers to a request repeat; None if it has none.

    :raises CommandError: it is neither text nor a whole number, or too long.
    """
    ref = request.get("ref")
    if ref is None or (type(ref) is str and len(ref) <= MAX_REFERENCE):
        return ref
    if type(ref) is int and abs(ref) < 1 << 63:
        return ref
    raise CommandError(
        "invalid", f"ref must be text of at most {MAX_REFERENCE} characters or a whole number", "ref"
    )


def downlink_request(eui: EUI, request: Mapping[str, Any]) -> DownlinkRequest:
    """Return the downlink request in a JSON object, checked.

    :raises CommandError: ``invalid``, naming every field at fault.
    """
    try:
        return _read(eui, request)
    except CommandError:
        raise wrong_fields(_faults(eui, request)) from None


def _faults(eui: EUI, request: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with each field; of unknown ones, which may be thousands, with one."""
    found: dict[str, str] = {}
    left = dict(request)
    while True:
        try:
            _read(eui, left)
        except CommandError as error:
            field = error.field or ""
            if field in found:
                return found
            found[field] = error.message.removeprefix(f"{field} ")
            # Reading stops at the first fault: leave that field out to find the others.
            if field in ("data", "cnt"):
                left = {**left, "data": [], "cnt": None}
            elif field in _FIELDS.values() or field == "ref":
                left.pop(field)
            else:
                left = {name: value for name, value in left.items() if name in _KNOWN}
        else:
            return found


def _read(eui: EUI, request: Mapping[str, Any]) -> DownlinkRequest:
    """Return the downlink request in a JSON object.

    :raises CommandError: ``invalid``, naming the first field at fault.
    """
    values: dict[str, Any] = {"ref": reference(request), **_payload(request)}
    for field, attribute in _ATTRIBUTES.items():
        if request.get(field) is not None:
            types, allowed = _FORMS.get(field, _FLAG)
            if type(request[field]) not in types:
                raise CommandError("invalid", f"{field} must be {allowed}", field)
            values[attribute] = request[field]
    for field in request.keys() - _KNOWN:
        raise CommandError("invalid", f"{field[:40]} is not a field of a downlink", field[:40])
    try:
        return check_request(DownlinkRequest(end_point_eui=eui, **values))
    except CommandError as error:
        named = error.field or ""
        field = _FIELDS.get(named, named)
        raise CommandError(error.code, error.message.replace(named, field, 1), field) from error


def _payload(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return data and counters: one entry of data, one for each counter, or none to acknowledge only."""
    counters = request.get("cnt")
    if counters is None:
        if "data" not in request:
            raise CommandError("invalid", "data is missing; use [] to send an acknowledgement only", "data")
        data = _data(request["data"])
        return {"data": (data,) if data else ()}
    if not isinstance(counters, list) or not all(type(each) is int for each in counters):
        raise CommandError("invalid", "cnt must be a list of packet counters", "cnt")
    if not isinstance(request.get("data"), list):
        raise CommandError("invalid", "data must be a list with one entry for each cnt", "data")
    entries = request["data"]
    if len(entries) != len(counters):
        message = f"data must have one entry for each cnt: {len(entries)} of data, {len(counters)} of cnt"
        raise CommandError("invalid", message, "data")
    return {"packet_counters": tuple(counters), "data": tuple(_data(entry) for entry in entries)}


def _data(data: Any) -> bytes:
    """Return the bytes of integers 0..255, of hexadecimal digits, or of ``{"base64": text}``."""
    try:
        if isinstance(data, list) and all(type(byte) is int for byte in data):
            return bytes(data)
        if isinstance(data, str):
            return bytes.fromhex(data)
        if isinstance(data, dict) and isinstance(data.get("base64"), str):
            return base64.b64decode(data["base64"], validate=True)
    except (ValueError, binascii.Error):
        pass
    allowed = 'integers from 0 to 255, hexadecimal digits or {"base64": text}'
    raise CommandError("invalid", f"data must be {allowed}", "data")
