"""JSON schemas that several routes share."""

from __future__ import annotations

from typing import Any

from bssci.model.sensor import MAX_NAME, MAX_TAG, MAX_TAGS
from bssci.web.http.routing import Parameter, Schema
from bssci.web.reports.ranges import RANGES

EUI: Schema = {"type": "string", "pattern": "^[0-9A-F]{16}$", "example": "70B3D56770111505"}
TEXT: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer"}
FLAG: Schema = {"type": "string", "enum": ["0", "1", "false", "true"]}


def object_of(required: tuple[str, ...] = (), **properties: Schema) -> dict[str, Any]:
    """An object with at least these members."""
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    return schema


def list_of(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def success(**properties: Schema) -> Schema:
    """The answer to a change."""
    return object_of(("success",), success={"const": True}, **properties)


def choice(*words: str, default: str = "") -> Schema:
    schema = {"type": "string", "enum": list(words)}
    return schema | {"default": default} if default else schema


def integer(low: int, high: int, default: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high, "default": default}


def limit(default: int) -> Parameter:
    """How long a list may be."""
    return Parameter("limit", "how many", integer(1, 1000, default))


def span(default: str) -> Parameter:
    """How much time is looked at."""
    return Parameter("range", "how far back", choice(*RANGES, default=default))


def json_body(schema: Schema) -> dict[str, Schema]:
    return {"application/json": schema}


ERROR: Schema = object_of(
    ("success", "error"),
    success={"const": False},
    error=object_of(("code", "message"), code=TEXT, message=TEXT, field=TEXT),
)
OUTCOMES: dict[str, Schema] = {
    "base_stations": {
        "type": "object",
        "description": "what each base station did, by EUI; for several sensors how many of each state",
    },
    "partially_failed": {
        "type": "boolean",
        "description": "some of the connected base stations did not do it, and `message` says so",
    },
    "message": TEXT,
}
REFUSAL: Schema = {
    **ERROR,
    "properties": {**ERROR["properties"], "base_stations": OUTCOMES["base_stations"]},
}
SENSOR: Schema = object_of(
    ("eui", "nwKey", "shortAddr", "bidi"),
    eui=EUI,
    nwKey={"type": "string", "pattern": "^[0-9A-Fa-f]{32}$"},
    shortAddr={"type": "string", "pattern": "^[0-9A-Fa-f]{4}$"},
    bidi=BOOLEAN,
    name={"type": "string", "maxLength": MAX_NAME},
    dualChan=BOOLEAN,
    repetition=BOOLEAN,
    wideCarrOff=BOOLEAN,
    longBlkDist=BOOLEAN,
    autoDetach=BOOLEAN,
    typeEui=EUI,
    tags={"type": "array", "items": {"type": "string", "maxLength": MAX_TAG}, "maxItems": MAX_TAGS},
)
BEFORE = Parameter(
    "before", "only those numbered below; `next` of the answer before", {"type": "integer", "minimum": 1}
)
DRY_RUN = Parameter("dry_run", "1: only check", FLAG)
EUIS: Schema = {"type": "array", "items": EUI, "maxItems": 100_000}
