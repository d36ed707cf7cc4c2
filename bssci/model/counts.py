"""Counts in texts for people."""

from __future__ import annotations


def many(count: int, one: str, more: str = "") -> str:
    """Return a count with its noun: ``1 sensor``, ``2 sensors``.

    :param one: noun for one.
    :param more: noun for any other count; empty: ``one`` with an ``s``.
    """
    return f"{count} {one if count == 1 else more or f'{one}s'}"
