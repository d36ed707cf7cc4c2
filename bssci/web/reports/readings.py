"""Measurements of sensors: last values, and access to series over time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from twisted.internet.defer import ensureDeferred, gatherResults

from bssci.center.decoding.collecting import Past, ReadingValue
from bssci.center.decoding.past import PastReadings
from bssci.decoders.running import label
from bssci.model import EUI, DecodeFailure
from bssci.model.device_id import sensor_device
from bssci.web.context import Context
from bssci.web.http.errors import ApiError

NEWEST = 10
"""newest uplinks that the last values are taken from: uplinks of different formats hold different readings"""
REMEMBERED = 5000
"""sensors whose last values are remembered"""


class LastValue(NamedTuple):
    """The newest value of one reading."""

    name: str
    value: ReadingValue
    unit: str | None
    at: float
    """Unix seconds"""


class Latest(NamedTuple):
    """Readings of a sensor's newest uplinks."""

    values: tuple[LastValue, ...] = ()
    decoder: str | None = None
    """name and version: ``name@version``"""
    undecoded: bool = False
    """true if there is no decoder for the newest uplink"""
    failure: DecodeFailure | None = None
    """failure of the newest unreadable uplink, if none was read since"""
    failed_at: float | None = None


NOTHING = Latest()


class ReadingViews:
    """Reports on readings."""

    def __init__(self, context: Context) -> None:
        self._context = context
        decoders = context.outside.decoders
        self._decoders = decoders
        self._past = None
        if decoders is not None:
            self._past = PastReadings(
                context.journal, decoders.decoding, decoders.wanted, context.run_in_thread, decoders.threads
            )
        self._known: OrderedDict[EUI, tuple[tuple[Any, ...], Latest]] = OrderedDict()

    @property
    def past(self) -> PastReadings:
        """The readings of stored uplinks.

        :raises ApiError: 503: the service has no decoders.
        """
        if self._past is None:
            raise ApiError(503, "unavailable", "this service runs without decoders")
        return self._past

    async def latest(self, eui: EUI) -> Latest:
        """Return the last values of a sensor."""
        if self._past is None or self._decoders is None:
            return NOTHING
        activity = self._context.center.activities.get(eui)
        if activity is None:
            return NOTHING
        state = (
            activity.last_seen_at,
            activity.uplink_count,
            self._decoders.decoding.decoders,
            self._decoders.wanted(sensor_device(eui)),
        )
        known = self._known.get(eui)
        if known is not None and known[0] == state and known[0][2] is state[2]:
            return known[1]
        latest = latest_of(await self._past.newest(sensor_device(eui), NEWEST))
        self._known[eui] = state, latest
        self._known.move_to_end(eui)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return latest

    async def latest_of_many(self, euis: Iterable[EUI]) -> Mapping[EUI, Latest]:
        """Return the last values of some sensors."""
        asked = list(euis)
        found = await gatherResults([ensureDeferred(self.latest(eui)) for eui in asked], consumeErrors=True)
        return dict(zip(asked, found, strict=True))

    def choices(self) -> list[tuple[str, str]]:
        """Return name and title of each decoder that a sensor can be given."""
        if self._decoders is None:
            return []
        return [
            (name, getattr(decoder, "title", "") or label(decoder))
            for name, decoder in sorted(self._decoders.decoding.decoders.items())
        ]


def latest_of(past: Past) -> Latest:
    """Return the last value of each name."""
    values = [
        LastValue(series.name, series.points[-1].value, series.unit, series.points[-1].at)
        for series in past.series
        if series.points
    ]
    newest = max((value.at for value in values), default=float("-inf"))
    fails = past.failed_at is not None and past.failed_at > newest
    return Latest(
        values=tuple(values),
        decoder=past.decoder,
        undecoded=bool(past.without_decoder) and past.decoder is None,
        failure=past.failure if fails else None,
        failed_at=past.failed_at if fails else None,
    )
