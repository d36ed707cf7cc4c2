"""Memory that values of JSON take.

A list takes one byte in MessagePack and three in JSON, but 56 in memory: bounds on what others send must not
count encoded bytes alone.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from bssci.model.events import AnyEvent, Telegram

PART = 64
"""bytes of memory that an empty list or object takes, approximately"""
_PLAIN = frozenset({str, int, float, bool, type(None)})
OTHER_EVENT = 1024
"""bytes that an event without an envelope takes, approximately"""


def parts_of(data: bytes) -> int:
    """Return the number of lists and objects of a JSON text, at most."""
    return data.count(b"[") + data.count(b"{")


def text_weight(data: bytes) -> int:
    """Return the bytes of memory that a JSON text takes when it is read, approximately and quickly."""
    return len(data) + PART * parts_of(data)


def json_weight(value: Any, most: int) -> int:
    """Return the bytes of memory that a value of JSON takes, counted until they exceed ``most``."""
    weight = 0
    waiting = [value]
    while waiting:
        each = waiting.pop()
        weight += sys.getsizeof(each)
        if weight > most:
            return weight
        if isinstance(each, Mapping):
            waiting += each
            waiting += each.values()
        elif isinstance(each, list | tuple):
            waiting += each
    return weight


def is_json(value: Any) -> bool:
    """Return whether a value consists of what JSON has: numbers, texts, true, false, null, lists, objects."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if type(each) is dict:
            if not all(type(name) is str for name in each):
                return False
            waiting += each.values()
        elif type(each) is list:
            waiting += each
        elif type(each) not in _PLAIN:
            return False
    return True


def event_weight(event: AnyEvent, most: int) -> int:
    """Return the bytes of memory that an event takes, approximately, counted until they exceed ``most``."""
    if isinstance(event, Telegram):
        return OTHER_EVENT + len(event.payload) + json_weight(event.envelope, most)
    return OTHER_EVENT
