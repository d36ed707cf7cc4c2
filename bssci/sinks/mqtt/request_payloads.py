"""Reading the payloads of requests that come by MQTT: command, ``ref`` and body."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bssci.center.devices.completing import completed
from bssci.center.downlinks.request_json import reference
from bssci.model import EUI, Sensor, SensorError, parse_sensor, sensor_faults
from bssci.model.commands import CommandError, wrong_fields
from bssci.model.dry_run import dry_run_field
from bssci.model.strict_json import JsonError, read_json
from bssci.mqtt.values import ReplyTo

MAX_SIZE = 64 * 1024
"""bytes of a request"""
LONGEST_TOPIC = 1000
"""characters of a response topic"""
LABEL = 40
"""characters of a command that an answer repeats"""

_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
"""byte order marks, which some editors and shells put before a text"""


class Asked(NamedTuple):
    """The command of a request, with its reference and body."""

    command: str
    """command, under the name that answers repeat"""
    ref: str | int | None = None
    body: Mapping[str, Any] = {}


def size_error(size: int) -> CommandError:
    """Return the error for a request that is too large.

    :param size: bytes.
    """
    return CommandError("too_large", f"{size} bytes; at most {MAX_SIZE} are allowed", "payload")


def failure_of(error: CommandError) -> dict[str, Any]:
    """Return an error in the form that answers have."""
    told = {"code": error.code, "message": error.message}
    return told | ({"field": error.field} if error.field else {})


def reply_error(reply: ReplyTo | None, listens_to: Callable[[str], bool]) -> CommandError | None:
    """Return the error in the response topic of a request; None if it has none or a good one.

    :param listens_to: returns whether a message on a topic is taken for a request.
    """
    if reply is None or not reply.topic:
        return None
    wrong = ""
    if len(reply.topic) > LONGEST_TOPIC:
        wrong = f"must have up to {LONGEST_TOPIC} characters"
    elif reply.topic.startswith("$") or any(each in reply.topic for each in "+#\0"):
        wrong = "must be a topic without wildcards that does not begin with $"
    elif listens_to(reply.topic):
        wrong = "must not be a topic of requests"
    return CommandError("invalid", f"the response topic {wrong}", "response topic") if wrong else None


def read_reference(payload: bytes) -> str | int | None:
    """Return the ``ref`` of a request that is refused anyway; None if it has no valid one."""
    try:
        request = _json(payload)
        return reference(request) if isinstance(request, dict) else None
    except CommandError:
        return None


def read_command(payload: bytes) -> Asked:
    """Read a command: plain text, a JSON string, or an object with ``command`` or ``action``.

    :raises CommandError: ``malformed`` or ``invalid``.
    """
    payload = without_mark(payload)
    text = payload.decode("utf-8", "replace").strip()
    if not text.startswith(("{", '"')):
        return Asked(_label(text))
    request = _json(payload)
    if isinstance(request, str):
        return Asked(_label(request))
    return Asked(_label(request.get("command", request.get("action", ""))), reference(request), request)


def read_object(command: str, payload: bytes) -> Asked:
    """Read the request's JSON object.

    :raises CommandError: ``malformed`` or ``invalid``.
    """
    request = _json(payload)
    if not isinstance(request, dict):
        raise CommandError("malformed", "the payload must be a JSON object", "payload")
    return Asked(command, reference(request), request)


def refuse_dry_run(request: Mapping[str, Any]) -> None:
    """Refuse a request that is only to be checked, which is not possible by MQTT.

    :raises CommandError: ``invalid``: a field is called ``dry_run``, in any spelling.
    """
    if (name := dry_run_field(request)) is not None:
        message = "is not possible by MQTT; nothing was changed"
        raise CommandError("invalid", f"{name[:LABEL]} {message}", name[:LABEL])


def read_sensor(eui: EUI, request: Mapping[str, Any], known: Sensor | None = None) -> Sensor:
    """Return the sensor that a configuration describes.

    :param known: the present configuration, of which the request may be a part; None: the sensor is new, and
        not ``bidi`` unless the request says so.
    :raises CommandError: naming the field that is wrong.
    """
    entry = {name: value for name, value in request.items() if name != "ref"}
    entry = {"eui": eui, **entry}
    described = {"bidi": False, **entry} if known is None else completed(entry, known)
    try:
        sensor = parse_sensor(described)
    except SensorError as error:
        raise wrong_fields(sensor_faults(described) or {error.field: error.message}) from error
    if sensor.eui != eui:
        raise CommandError("invalid", "eui must be that of the topic, or be left out", "eui")
    return sensor


def _label(command: object) -> str:
    return str(command).strip().lower()[:LABEL]


def without_mark(payload: bytes) -> bytes:
    """Return a text as UTF-8 without a byte order mark; unchanged if it is not in the mark's encoding."""
    for mark, encoding in _MARKS.items():
        if payload.startswith(mark):
            try:
                return payload.removeprefix(mark).decode(encoding).encode()
            except UnicodeDecodeError:
                return payload
    return payload


def _json(payload: bytes) -> Any:
    try:
        return read_json(without_mark(payload))
    except JsonError as error:
        raise CommandError("malformed", f"the payload is {error}", "payload") from error
