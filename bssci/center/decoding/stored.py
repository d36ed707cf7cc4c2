"""Readings for stored events that somebody looks at.

They are decoded apart from what is delivered: in a thread, scripts in threads of their own. It counts for no
decoder, and nothing is cached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from bssci.center.decoding.decoding import Decoding
from bssci.center.decoding.payloads import DeviceId, decodable, device_of, payload_of
from bssci.center.decoding.slow import DecodingJob, SlowDecoding
from bssci.center.decoding.trials import run_apart
from bssci.center.decoding.wanted import ChosenDecoder
from bssci.decoders.interfaces import DecodeError, Payload
from bssci.decoders.running import run
from bssci.decoders.scripts import ScriptDecoder
from bssci.model import AnyEvent, Decoded, DecodeFailure
from bssci.system.clock import RunInThread


class SlowDecoder(NamedTuple):
    """A decoder that is not to run in the caller's thread."""

    decoder: Any


class _Place(NamedTuple):
    """A payload with the position of its event."""

    number: int
    payload: Payload
    wanted: ChosenDecoder


async def decode_stored(
    events: Sequence[AnyEvent],
    decoding: Decoding,
    wanted: Callable[[DeviceId], ChosenDecoder],
    run_in_thread: RunInThread,
    slow: SlowDecoding,
) -> list[AnyEvent]:
    """Return the same events in order; those with a payload get their readings or a failure.

    :param wanted: returns the configured choice for a device, by its id.
    """
    places = []
    for number, event in enumerate(events):
        if decodable(event):
            device = device_of(event)
            choice = wanted(device)
            places.append(_Place(number, payload_of(event, choice.type_eui, device), choice))
    found = list(events)
    scripts = await run_in_thread(_decode, found, places, decoding)
    for decoder, chosen in scripts:
        jobs = [DecodingJob(place.payload, place.wanted.parameters) for place in chosen]
        for place, decoded in zip(chosen, await run_apart(slow, decoder, jobs), strict=True):
            found[place.number] = msgspec.structs.replace(found[place.number], decoded=decoded)
    return found


def decode_apart(
    decoding: Decoding, payload: Payload, wanted: ChosenDecoder, *, scripts_apart: bool
) -> Decoded | SlowDecoder | None:
    """Return the result of decoding in this thread, or the script that is to decode; None: no decoder.

    :param scripts_apart: scripts do not run in this thread.
    """
    payload, parameters = decoding.given(payload, wanted)
    try:
        decoder = decoding.choose(payload, wanted)
    except DecodeError as error:
        return Decoded(decoder=str(wanted.decoder), failure=DecodeFailure(error.code, error.message))
    if decoder is None:
        return None
    if scripts_apart and isinstance(decoder, ScriptDecoder):
        return SlowDecoder(decoder)
    return run(decoder, payload, parameters)


def _decode(
    found: list[AnyEvent], places: Sequence[_Place], decoding: Decoding
) -> list[tuple[Any, list[_Place]]]:
    """Decode in a thread what needs no script; return the payloads for each script."""
    scripts: dict[int, tuple[Any, list[_Place]]] = {}
    for place in places:
        result = decode_apart(decoding, place.payload, place.wanted, scripts_apart=True)
        if isinstance(result, SlowDecoder):
            scripts.setdefault(id(result.decoder), (result.decoder, []))[1].append(place)
        elif result is not None:
            found[place.number] = msgspec.structs.replace(found[place.number], decoded=result)
    return list(scripts.values())
