"""Measurements of devices of every kind: last values, and access to series over time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from twisted.internet.defer import ensureDeferred, gatherResults

from bssci.center.decoding.collecting import Past, ReadingValue
from bssci.center.decoding.past import PastReadings
from bssci.center.decoding.payloads import DeviceId
from bssci.decoders.running import label
from bssci.model import DecodeFailure
from bssci.model.device_id import eui_of_device
from bssci.web.context import Context
from bssci.web.http.errors import ApiError

NEWEST = 10
"""newest messages that the last values come from: those of different formats hold different readings"""
REMEMBERED = 5000
"""devices whose last values are remembered"""


class LastValue(NamedTuple):
    """The newest value of one reading."""

    name: str
    value: ReadingValue
    unit: str | None
    at: float
    """Unix seconds"""


class Latest(NamedTuple):
    """Readings of a device's newest messages."""

    values: tuple[LastValue, ...] = ()
    decoder: str | None = None
    """name and version: ``name@version``"""
    undecoded: bool = False
    """true if there is no decoder for the newest message"""
    failure: DecodeFailure | None = None
    """failure of the newest unreadable message, if none was read since"""
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
        self._known: OrderedDict[DeviceId, tuple[tuple[Any, ...], Latest]] = OrderedDict()

    @property
    def past(self) -> PastReadings:
        """The readings of stored messages.

        :raises ApiError: 503: the service has no decoders.
        """
        if self._past is None:
            raise ApiError(503, "unavailable", "this service runs without decoders")
        return self._past

    async def latest(self, device: DeviceId) -> Latest:
        """Return the last values of a device."""
        heard = self._heard(device)
        if self._past is None or self._decoders is None or heard is None:
            return NOTHING
        state = (self._decoders.decoding.decoders, self._decoders.wanted(device), *heard)
        known = self._known.get(device)
        if known is not None and known[0] == state and known[0][0] is state[0]:
            return known[1]
        place = self._context.center.devices.last_place(device)
        latest = latest_of(await self._past.newest(device, NEWEST, place))
        self._known[device] = state, latest
        self._known.move_to_end(device)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return latest

    async def latest_of_many(self, devices: Iterable[DeviceId]) -> Mapping[DeviceId, Latest]:
        """Return the last values of some devices."""
        asked = list(devices)
        found = await gatherResults([ensureDeferred(self.latest(each)) for each in asked], consumeErrors=True)
        return dict(zip(asked, found, strict=True))

    def _heard(self, device: DeviceId) -> tuple[float, ...] | None:
        """Return what changes with each message of a device or about it; None: there is none."""
        eui = eui_of_device(device)
        if eui is None:
            devices = self._context.center.devices
            found, place = devices.get(device), devices.last_place(device)
            if found is None or not found.last_seen:
                return None
            return found.last_seen, found.count, place.at if place is not None else 0.0
        activity = self._context.center.activities.get(eui)
        return None if activity is None else (activity.last_seen_at, activity.uplink_count)

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
