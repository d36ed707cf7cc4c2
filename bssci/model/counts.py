"""Counts in texts for people."""

from __future__ import annotations

THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"
"""space between three digits, and before a unit"""


def grouped(number: float, digits: int = 0) -> str:
    """Return a number in groups of three digits: ``4 667``.

    :param digits: digits after the decimal point.
    """
    return f"{number:z,.{digits}f}".replace(",", THIN_SPACE)


def many(count: int, one: str, more: str = "") -> str:
    """Return a count with its noun: ``1 sensor``, ``2 000 sensors``.

    :param one: noun for one.
    :param more: noun for any other count; empty: ``one`` with an ``s``.
    """
    return f"{grouped(count)} {one if count == 1 else more or f'{one}s'}"
