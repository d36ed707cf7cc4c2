"""Devices with a JSON topic of their own, described by rules instead of code. A rule states its topic, and
where in the message the device, the time, and the payload or values are::

    {"topic": "zigbee2mqtt/{device}", "kind": "zigbee", "time": "last_seen",
     "values": {"temperature": "temperature", "battery": "battery"}}
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any, NamedTuple

import msgspec

from bssci.model import Telegram
from bssci.sources.envelopes.paths import MISSING, Steps, follow, read_path
from bssci.sources.envelopes.values import (
    BadMessage,
    Form,
    Incoming,
    Remark,
    message_id,
    message_json,
    read_time,
)

ALL = "*"
"""stands for every number, text and boolean of a message"""
MOST = 100
"""rules, and values of one message"""
LARGEST = 64 * 1024
"""bytes of a message"""
_NAMED = re.compile(r"\{([a-z_]+)\}")
_KIND = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_UNSAFE = re.compile(r"[^\w.:@-]+")


class _Written(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A rule as it is written."""

    topic: str
    kind: str = "mqtt"
    device: str = ""
    gateway: str = ""
    time: str = ""
    payload: str = ""
    encoding: str = "hex"
    values: dict[str, str | _Value] | str = {}


class _Value(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Place of a value, and its unit."""

    path: str
    unit: str | None = None


class EnvelopeRule(NamedTuple):
    """One rule by which messages of a topic become telegrams.

    :ivar filter: what is subscribed to.
    """

    filter: str
    levels: tuple[str, ...]
    """levels of the topic; a name in braces, ``+`` or ``#`` stands for any"""
    kind: str
    device: Steps | None
    gateway: Steps | None
    time: Steps | None
    payload: Steps | None
    decode: Callable[[str], bytes]
    values: Mapping[str, tuple[Steps, str | None]] | None
    """path and unit by the name of the reading; None: every value of the message"""
    written: _Written
    """the rule as it was read"""


def parse_rules(text: str) -> tuple[EnvelopeRule, ...]:
    """Return the rules that a JSON text holds.

    :raises ValueError: the text is not valid rules; the message says why.
    """
    if not text.strip():
        return ()
    try:
        written = msgspec.json.decode(text, type=list[_Written])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"a JSON list of rules: {error}") from None
    if len(written) > MOST:
        raise ValueError(f"no more than {MOST} rules")
    rules = []
    for number, each in enumerate(written, 1):
        try:
            rules.append(_rule(each))
        except ValueError as error:
            raise ValueError(f"rule {number}: {error}") from None
    return tuple(rules)


def write_rules(rules: Sequence[EnvelopeRule]) -> str:
    """Return the JSON text that :func:`parse_rules` reads as ``rules``; empty for none."""
    return msgspec.json.encode([each.written for each in rules]).decode() if rules else ""


def _rule(written: _Written) -> EnvelopeRule:
    levels = tuple(written.topic.split("/"))
    names = [name[1] for level in levels if (name := _NAMED.fullmatch(level))]
    wild = ["+" if _NAMED.fullmatch(level) else level for level in levels]
    if not written.topic or any({"{", "}"} & set(level) for level in wild):
        raise ValueError("topic: a name in braces must be a whole level")
    if any({"+", "#"} & set(level) and level not in ("+", "#") for level in wild) or "#" in wild[:-1]:
        raise ValueError("topic: + and # must be whole levels, # the last")
    if len(set(names)) != len(names) or not set(names) <= {"device", "gateway"}:
        raise ValueError("topic: the names in braces are {device} and {gateway}, each at most once")
    if not _KIND.fullmatch(written.kind) or written.kind in ("mioty", "ble", "f2", "scanner"):
        raise ValueError("kind: lower-case letters, digits, _ and -, and not a kind of the service itself")
    if not written.device and "device" not in names:
        raise ValueError("device: a path into the message, or {device} in the topic")
    if written.encoding not in _DECODERS:
        raise ValueError(f"encoding: {', '.join(_DECODERS)}")
    if isinstance(written.values, str) and written.values != ALL:
        raise ValueError(f"values: an object, or {ALL!r} for all")
    return EnvelopeRule(
        filter="/".join(wild),
        levels=levels,
        kind=written.kind,
        device=read_path(written.device) if written.device else None,
        gateway=read_path(written.gateway) if written.gateway else None,
        time=read_path(written.time) if written.time else None,
        payload=read_path(written.payload) if written.payload else None,
        decode=_DECODERS[written.encoding],
        values=None if isinstance(written.values, str) else _values(written.values),
        written=written,
    )


def _values(written: Mapping[str, str | _Value]) -> dict[str, tuple[Steps, str | None]]:
    if len(written) > MOST:
        raise ValueError(f"values: no more than {MOST}")
    found = {}
    for name, value in written.items():
        path, unit = (value, None) if isinstance(value, str) else (value.path, value.unit)
        found[name] = (read_path(path), unit)
    return found


def rule_form(rule: EnvelopeRule, zone: tzinfo = UTC) -> Form:
    """Return the form of the messages that a rule describes."""

    def read(message: Incoming, remark: Remark) -> list[Telegram]:
        return [_read(rule, message, remark, zone)]

    return Form(f"rule {rule.filter}", lambda levels: _names(rule, levels) is not None, read)


def _names(rule: EnvelopeRule, levels: list[str]) -> dict[str, str] | None:
    """Return the values of the names in the topic; None if the topic does not match."""
    names: dict[str, str] = {}
    for number, wanted in enumerate(rule.levels):
        if wanted == "#":
            return names
        if number >= len(levels):
            return None
        name = _NAMED.fullmatch(wanted)
        if name is not None:
            names[name[1]] = levels[number]
        elif wanted not in ("+", levels[number]):
            return None
    return names if len(levels) == len(rule.levels) else None


def _read(rule: EnvelopeRule, message: Incoming, remark: Remark, zone: tzinfo) -> Telegram:
    if len(message.payload) > LARGEST:
        raise BadMessage(f"larger than {LARGEST} bytes")
    body = message_json(message.payload, remark)
    names = _names(rule, message.topic.split("/")) or {}
    device = _id(rule.device, body) or _safe(names.get("device", ""))
    if not device:
        raise BadMessage("no device where the rule says")
    time = follow(body, rule.time) if rule.time is not None else MISSING
    envelope: dict[str, Any] = {"topic": message.topic, "message": body}
    values = _found(rule, body)
    if values:
        envelope["values"] = values
    return Telegram(
        at=message.at,
        id=message_id(message, None if time is MISSING else body),
        device=f"{rule.kind}:{device}",
        gateway=_id(rule.gateway, body) or _safe(names.get("gateway", "")) or message.source,
        source=message.source,
        payload=_payload(rule, body, message),
        device_time=None if time is MISSING else read_time(time, message.at, remark, zone),
        envelope=envelope,
    )


def _found(rule: EnvelopeRule, body: Any) -> list[list[Any]]:
    """Return name, value and unit of each reading."""
    if rule.values is None:
        fields = body.items() if isinstance(body, dict) else [("value", body)]
        return [[name, value, None] for name, value in fields if _is_plain(value)][:MOST]
    found = []
    for name, (path, unit) in rule.values.items():
        value = follow(body, path)
        if value is not MISSING and _is_plain(value):
            found.append([name, value, unit])
    return found


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str))


def _id(path: Steps | None, body: Any) -> str:
    value = follow(body, path) if path is not None else MISSING
    return _safe(str(value)) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _safe(text: str) -> str:
    """Return an id without the characters that ids may not hold."""
    return _UNSAFE.sub("_", text.strip())[:100]


def _payload(rule: EnvelopeRule, body: Any, message: Incoming) -> bytes:
    if rule.payload is None:
        return message.payload
    value = follow(body, rule.payload)
    if isinstance(value, list):
        try:
            return bytes(value)
        except (TypeError, ValueError):
            raise BadMessage("a payload that is not a list of bytes") from None
    if not isinstance(value, str):
        raise BadMessage("no payload where the rule says")
    try:
        return rule.decode(value)
    except (ValueError, binascii.Error):
        raise BadMessage("a payload in another encoding than the rule says") from None


_DECODERS: dict[str, Callable[[str], bytes]] = {
    "hex": lambda text: bytes.fromhex(text.replace(":", "").replace("-", "").removeprefix("0x")),
    "base64": lambda text: base64.b64decode(text, validate=True),
    "text": lambda text: text.encode(),
}
