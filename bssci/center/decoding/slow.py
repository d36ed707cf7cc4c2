"""The interface to decoders that may take long, and what they are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import Deferred

from bssci.decoders.interfaces import Payload
from bssci.model import Decoded


class DecodingJob(NamedTuple):
    """A payload for a slow decoder."""

    payload: Payload
    parameters: Mapping[str, Any]
    """``decoderParameters`` of the device"""


class SlowDecoding(Protocol):
    """Runs decoders that may take long, outside the reactor's thread."""

    def decode(self, decoder: Any, requests: Sequence[DecodingJob]) -> Deferred[list[Decoded]]:
        """Fire with one answer for each request, in their order; never fail.

        A payload for which the decoder takes too long, or has no capacity, is answered with a failure.
        """
