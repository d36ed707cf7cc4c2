"""Readings: the values that a decoder finds in a payload."""

from __future__ import annotations

import msgspec


class Reading(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One value.

    A reading named in the table of quantities (``bssci.decoders.quantities``) is in the unit given there;
    any other name is specific to the vendor.
    """

    name: str
    value: float | int | bool | str
    unit: str | None = None
    device: str | None = None
    """id of the device that the value belongs to; None: the sender"""


class DecodeFailure(msgspec.Struct, frozen=True, gc=False):
    """Reason for which a payload could not be decoded."""

    code: str
    """short and stable, for programs: ``too_short``, ``unknown_format``, ``timeout``, ..."""
    message: str
    """one line for people, with the place in the payload where there is one"""


class Decoded(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Result of a decoder for a payload: readings, or a failure."""

    decoder: str
    """name and version: ``name@version``"""
    readings: tuple[Reading, ...] = ()
    failure: DecodeFailure | None = None
    warnings: tuple[str, ...] = ()
