"""Running one payload through one decoder, whatever the decoder does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from bssci.decoders.blueprints import Blueprint
from bssci.decoders.cayenne import CayenneDecoder
from bssci.decoders.cleaning import clean
from bssci.decoders.datapoints import DataPoints
from bssci.decoders.interfaces import DecodeError, Payload
from bssci.decoders.layouts import FieldTrace
from bssci.model import Decoded, DecodeFailure
from bssci.model.own_words import one_line

OURS = (Blueprint, DataPoints, CayenneDecoder)
"""decoders whose readings need no cleaning: they are bounded, and have the names of the table"""
MAX_WARNINGS = 20


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Result of trying a decoder out."""

    decoded: Decoded
    fields: tuple[FieldTrace, ...] = ()
    """bit by bit, if the decoder can tell"""


def label(decoder: Any) -> str:
    """Return ``name@version``, as every reading carries it."""
    return f"{decoder.name}@{decoder.version}"


def run(
    decoder: Any, payload: Payload, parameters: Mapping[str, Any], faulty: Callable[[Any], None] | None = None
) -> Decoded:
    """Decode a payload. Never raises: an exception of the decoder becomes the failure.

    :param decoder: an :class:`bssci.decoders.interfaces.IDecoder`.
    :param faulty: called, while the exception is handled, if the decoder raised anything but DecodeError.
    """
    try:
        readings = decoder.decode(payload, parameters)
        if isinstance(decoder, OURS):
            return Decoded(decoder=label(decoder), readings=tuple(readings))
        readings, warnings = clean(readings)
    except DecodeError as error:
        return failed(decoder, error)
    except (
        Exception,
        SystemExit,
    ) as error:  # of a third party: only this message is affected
        if faulty is not None:
            faulty(decoder)
        # without its text, which may hold a key
        return failed(decoder, DecodeError("fault", f"the decoder failed: {type(error).__name__}"))
    return Decoded(decoder=label(decoder), readings=tuple(readings), warnings=tuple(warnings[:MAX_WARNINGS]))


def failed(decoder: Any, error: DecodeError) -> Decoded:
    """Return the failure of a payload that a decoder cannot read."""
    code, message = one_line(str(error.code))[:50], one_line(str(error.message))
    return Decoded(decoder=label(decoder), failure=DecodeFailure(code, message))


def try_out(
    decoder: Any, payload: Payload, parameters: Mapping[str, Any], faulty: Callable[[Any], None] | None = None
) -> Attempt:
    """Decode for a trial: with the bits that each field took, if the decoder can tell.

    :param faulty: as of :func:`run`.
    """
    decoded = run(decoder, payload, parameters, faulty)
    if not isinstance(decoder, Blueprint | DataPoints):
        return Attempt(decoded=decoded)
    return Attempt(decoded=decoded, fields=tuple(decoder.trace(payload, parameters)[0]))
