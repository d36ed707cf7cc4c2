"""Sensors as they are described to change them: in part, and perhaps without their secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bssci.model import Sensor, sensor_to_json
from bssci.model.sensor import SECRETS
from bssci.settings.rows import MASK


def completed(described: Mapping[str, Any], known: Sensor) -> dict[str, Any]:
    """Return the whole entry of a known sensor that is described in part: fields that are left out keep their
    values, and so do masked secrets and an empty network key.
    """
    if described.get("nwKey") in ("", None):
        described = {**described, "nwKey": MASK}
    return sensor_to_json(known) | unmasked(described, known)


def unmasked(described: Mapping[str, Any], known: Sensor) -> dict[str, Any]:
    """Return an entry in which masked secrets are replaced by those of the known sensor."""
    masked = [field for field in SECRETS if described.get(field) == MASK]
    secrets = sensor_to_json(known) if masked else {}
    hidden = {field: secrets.get(field) for field in masked}
    parameters = described.get("decoderParameters")
    if isinstance(parameters, Mapping):
        hidden["decoderParameters"] = unmasked_values(parameters, known.decoder_parameters)
    return {**described, **hidden}


def unmasked_values(given: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters of a decoder in which masked values are replaced by those that are kept."""
    return {name: kept.get(name, value) if value == MASK else value for name, value in given.items()}
