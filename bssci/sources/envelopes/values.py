"""A message as a source received it, and the parts that all forms of messages have: JSON, ids, times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from bssci.model import Telegram
from bssci.model.repaired_json import read_repaired_json
from bssci.model.strict_json import JsonError, read_json_fast
from bssci.model.weight import parts_of

ID_SIZE = 16
"""bytes of an id that is derived from a message"""
MAX_PARTS = 4000
"""lists and objects of a message, at most: each takes 64 bytes or more, however few it takes on the wire"""
LONGEST_REPAIRED = 64 * 1024
"""bytes of a message that is not JSON, up to which odd values in it are looked for: it takes longer"""
_encode = msgspec.json.Encoder().encode
AHEAD = 300.0
"""s that another clock may be ahead of ours without a remark"""
Remark = Callable[[str], None]
"""called with a remark on an odd message that is accepted nevertheless: plain words, the same each time"""


class BadMessage(ValueError):
    """A message cannot be read; the text says why, in the same words each time."""


class Incoming(NamedTuple):
    """A message, and how it came."""

    topic: str
    payload: bytes
    at: float
    """Unix seconds of our clock"""
    source: str
    """name of the source"""
    delivery: str = ""
    """distinguishes two messages of the same content; the same at each delivery of one message"""
    retained: bool | None = None
    """true: the other side had kept it from an earlier time; None: the source cannot tell"""


class Form(NamedTuple):
    """A form of messages.

    :ivar matches: returns whether a topic, given as its levels, is one of this form.
    :ivar read: makes telegrams from a message; raises :class:`BadMessage`.
    """

    name: str
    matches: Callable[[list[str]], bool]
    read: Callable[[Incoming, Remark], list[Telegram]]


def message_json(payload: bytes, remark: Remark) -> Any:
    """Return the value of a JSON text; a single value that cannot be read is repaired, with a remark.

    :raises BadMessage: the text is not JSON, or holds too many lists and objects.
    """
    if parts_of(payload) > MAX_PARTS:
        raise BadMessage(f"more than {MAX_PARTS} lists and objects")
    try:
        return read_json_fast(payload)
    except JsonError as error:
        if len(payload) > LONGEST_REPAIRED:
            raise BadMessage(str(error)) from None
    try:
        found, faults = read_repaired_json(payload)
    except JsonError as error:
        raise BadMessage(str(error)) from None
    for fault in faults:
        remark(fault)
    return found


def message_object(payload: bytes, remark: Remark) -> dict[str, Any]:
    """Return a JSON object.

    :raises BadMessage: the message is not a JSON object.
    """
    found = message_json(payload, remark)
    if not isinstance(found, dict):
        raise BadMessage("not a JSON object")
    return found


def message_id(message: Incoming, content: object = None) -> str:
    """Return the id of a message, the same at each delivery.

    :param content: value of the JSON text, if a time or a number in it distinguishes messages: then the id is
        the same by every source, even if a bridge wrote the text anew. None: the delivery distinguishes them.
    """
    digest = blake2b(message.topic.encode("utf-8", "surrogatepass"), digest_size=ID_SIZE)
    if content is None:
        digest.update(b"\0" + message.payload)
        digest.update(b"\0" + message.delivery.encode())
    else:
        digest.update(b"\0" + _encode(content))
    return digest.hexdigest()


def read_time(
    value: object, at: float, remark: Remark, zone: tzinfo = UTC, *, zone_is_known: bool = False
) -> float | None:
    """Return Unix seconds of a time: ISO 8601, Unix seconds or Unix milliseconds; None if it is not a time.

    :param at: Unix seconds of our clock.
    :param zone: the zone of a time that names none.
    :param zone_is_known: the zone is known from a setting, so that a time without one needs no remark.
    """
    if value is None:
        return None
    seconds = _seconds(value, remark, zone, zone_is_known)
    if seconds is None:
        remark("a time that cannot be read")
        return None
    if seconds > at + AHEAD:
        remark("a time in the future")
    return seconds


def _seconds(value: object, remark: Remark, zone: tzinfo, zone_is_known: bool) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        if not 0 <= value < 1e14:
            return None
        # Milliseconds, in this century, are beyond all seconds.
        return value / 1000 if value > 1e11 else float(value)
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        if moment.tzinfo is None:
            if not zone_is_known:
                remark("a time without zone")
            moment = moment.replace(tzinfo=zone)
        seconds = moment.timestamp()
        return seconds if seconds >= 0 else None
    except (ValueError, OverflowError, OSError):
        return None
