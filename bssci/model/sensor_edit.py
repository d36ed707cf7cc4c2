"""One change of many sensors: tags to add and to remove, decoder, interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from bssci.model.differences import NOTHING, value_text
from bssci.model.plain_text import control_fault
from bssci.model.sensor import (
    MAX_DECODER,
    MAX_FIELD,
    MAX_TAGS,
    Sensor,
    SensorError,
    interval_fault,
    tags_fault,
    text_fault,
)

FIELDS = ("add_tags", "remove_tags", "decoder", "interval")


class SensorEdit(msgspec.Struct, frozen=True, kw_only=True):
    """The new values of each of the sensors; unset fields stay as they are."""

    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    decoder: str | None | msgspec.UnsetType = msgspec.UNSET
    """None: typeEui or the payload determines it"""
    interval: float | None | msgspec.UnsetType = msgspec.UNSET
    """usual time between two uplinks, s; None: none of its own"""

    @property
    def changes_something(self) -> bool:
        return self != SensorEdit()

    def apply(self, sensor: Sensor) -> Sensor:
        """Return the sensor as the edit leaves it; the same object if nothing changes.

        :raises SensorError: it would have too many tags.
        """
        tags = [tag for tag in sensor.tags if tag not in self.remove_tags]
        tags += [tag for tag in dict.fromkeys(self.add_tags) if tag not in tags]
        if len(tags) > max(MAX_TAGS, len(sensor.tags)):
            raise SensorError("add_tags", f"would give {sensor.eui} {len(tags)} tags; {MAX_TAGS} are allowed")
        wanted: dict[str, Any] = {"tags": tuple(tags), "decoder": self.decoder, "interval": self.interval}
        changed = {
            name: value
            for name, value in wanted.items()
            if value is not msgspec.UNSET and value != getattr(sensor, name)
        }
        return msgspec.structs.replace(sensor, **changed) if changed else sensor

    def __str__(self) -> str:
        """Return the edit in words, for the audit log: ``add tags roof; interval 900 s``."""
        parts = [
            f"{what} {value_text(tags)}"
            for what, tags in (("add tags", self.add_tags), ("remove tags", self.remove_tags))
            if tags
        ]
        for what, value, unit in (("decoder", self.decoder, ""), ("interval", self.interval, "s")):
            if value is not msgspec.UNSET:
                parts.append(f"remove {what}" if value is None else f"{what} {value_text(value, unit)}")
        return "; ".join(parts) or NOTHING


def edit_faults(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with an edit, by field; empty if it is valid.

    :param fields: ``add_tags``, ``remove_tags``, ``decoder`` and ``interval``, each optional; others are
        wrong. None as decoder or interval takes it away.
    """
    known = f"is not known here: known are {', '.join(FIELDS)}"
    faults = {str(name)[:MAX_FIELD]: known for name in fields if name not in FIELDS}
    found = {name: _tags_fault(fields.get(name, [])) for name in ("add_tags", "remove_tags")}
    if (decoder := fields.get("decoder")) is not None:
        found["decoder"] = text_fault(decoder, MAX_DECODER) or control_fault(decoder)
    if (interval := fields.get("interval")) is not None:
        found["interval"] = interval_fault(interval)
    faults |= {name: fault for name, fault in found.items() if fault}
    if faults:
        return faults
    if both := set(fields.get("add_tags", [])) & set(fields.get("remove_tags", [])):
        return {"remove_tags": f"must have no tag of add_tags: {value_text(min(both))}"}
    if not sensor_edit(fields).changes_something:
        return {FIELDS[0]: f"or another of {', '.join(FIELDS[1:])} must say what to change"}
    return {}


def sensor_edit(fields: Mapping[str, Any]) -> SensorEdit:
    """Return the edit of valid fields; see :func:`edit_faults`."""
    tags = {name: tuple(fields.get(name, ())) for name in ("add_tags", "remove_tags")}
    # An empty decoder in endpoints.json is none, too.
    decoder = {"decoder": fields["decoder"] or None} if "decoder" in fields else {}
    return SensorEdit(**{**fields, **tags, **decoder})


def _tags_fault(tags: object) -> str:
    if fault := tags_fault(tags):
        return fault
    assert isinstance(tags, list)
    return next(filter(None, map(control_fault, tags)), "")
