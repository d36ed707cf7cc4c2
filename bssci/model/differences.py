"""Differences between two states of an entry, as the audit log tells people."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

MAX_SHOWN = 60
"""characters of a value, at most"""
NOTHING = "–"


def differences(before: Mapping[str, Any], after: Mapping[str, Any], shown: Collection[str]) -> str:
    """Return the fields that differ with the values before and after: ``name: Cellar -> Attic, nwKey``.

    :param shown: fields whose values are shown; of others, which may be secret, only the name is.
    """
    changed = [field for field in {**before, **after} if before.get(field) != after.get(field)]
    return ", ".join(
        f"{field}: {_text(before.get(field))} -> {_text(after.get(field))}" if field in shown else field
        for field in changed
    )


def _text(value: Any) -> str:
    if value is None or value in ("", (), [], {}):
        return NOTHING
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
