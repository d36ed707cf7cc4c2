"""Copies of one Bluetooth advertisement that several scanners heard, as one row of the live page.

Each copy is an event of its own, stored and delivered separately. ``static/live.js`` joins those that arrive
while the page is open by the same rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from bssci.decoders.bluetooth.presence import FIELD

WITHIN = 2.0
"""s within which scanners hear the same advertisement; a device may send the same again later"""
PARTS = ("manufacturer_data", "service_data")
"""members of the envelope that are the content of an advertisement, beside its bytes"""

_encode = msgspec.json.Encoder(order="deterministic").encode


def joined(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return events with copies of one advertisement joined into the first of them.

    An event of a telegram gets ``copies``: itself and its copies, best signal first.

    :param events: as :func:`bssci.web.live.event_json.event_dict` describes them, newest first.
    """
    rows: list[dict[str, Any]] = []
    open_rows: dict[bytes, dict[str, Any]] = {}
    for event in reversed(list(events)):
        key = _key(event)
        row = open_rows.get(key) if key else None
        if row is not None and _is_copy(event, row):
            row["copies"].append(event)
            continue
        row = dict(event)
        if event["kind"] == "telegram":
            row["copies"] = [event]
        if key:
            open_rows[key] = row
        rows.append(row)
    for row in rows:
        if "copies" in row:
            row["copies"].sort(key=_signal)
    return rows[::-1]


def _key(event: Mapping[str, Any]) -> bytes:
    """Return what copies of one advertisement have in common; empty if it is none."""
    envelope = event.get("envelope")
    if event["kind"] != "telegram" or event.get("rssi") is None or not isinstance(envelope, Mapping):
        return b""
    if FIELD in envelope:
        return b""
    return _encode([event["device"], event["dataHex"], *(envelope.get(part) for part in PARTS)])


def _is_copy(event: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    gateways = {copy["gateway"] for copy in row["copies"]}
    return event["gateway"] not in gateways and event["timestamp"] - row["timestamp"] <= WITHIN


def _signal(event: Mapping[str, Any]) -> float:
    rssi = event.get("rssi")
    return -rssi if rssi is not None else 0.0
