"""Paths into JSON: ``sensor.temperature``, ``values.0``, ``$.a["b c"]``."""

from __future__ import annotations

import re
from typing import Any

Steps = tuple[str | int, ...]
_STEP = re.compile(r"""\.?([\w-]+)|\[(\d+)\]|\["([^"]+)"\]|\['([^']+)'\]""")
LONGEST = 200
MISSING = object()


def read_path(text: object) -> Steps:
    """Return the steps of a path.

    :raises ValueError: the text is not a path.
    """
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
        raise ValueError(f"{text!r} is not a path into JSON")
    rest = text.removeprefix("$")
    steps: list[str | int] = []
    at = 0
    while at < len(rest):
        match = _STEP.match(rest, at)
        if match is None:
            raise ValueError(f"{text!r} is not a path into JSON, at {rest[at:]!r}")
        word = match[1] or match[3] or match[4]
        steps.append(int(match[2]) if match[2] else word)
        at = match.end()
    return tuple(steps)


def follow(value: Any, path: Steps) -> Any:
    """Return the value that a path leads to; :data:`MISSING` if there is no such value."""
    for step in path:
        if isinstance(value, dict) and str(step) in value:
            value = value[str(step)]
        elif isinstance(value, list) and str(step).isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return MISSING
    return value
