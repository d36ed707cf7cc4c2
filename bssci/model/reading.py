"""Measurements: what a decoder reads out of a payload."""

from __future__ import annotations

import msgspec


class Reading(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One measured value.

    A name of the table of quantities (``bssci.decoders.quantities``) has that table's unit; any other
    name is the vendor's own.
    """

    name: str
    value: float | int | bool | str
    unit: str | None = None
    device: str | None = None
    """id of the device that the value belongs to, only if it is not the sender's"""


class DecodeFailure(msgspec.Struct, frozen=True, gc=False):
    """Why a payload was not read."""

    code: str
    """short and stable, for programs: ``too_short``, ``unknown_format``, ``timeout``, ..."""
    message: str
    """one line for people, with the place in the payload where there is one"""


class Decoded(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A decoder's result for a payload: readings, or a failure."""

    decoder: str
    """name and version: ``name@version``"""
    readings: tuple[Reading, ...] = ()
    failure: DecodeFailure | None = None
    warnings: tuple[str, ...] = ()
