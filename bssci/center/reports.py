"""Reports about one sensor as JSON values, for the MQTT command ``status`` and the web admin."""

from __future__ import annotations

from typing import Any

from bssci.center.attachments.attachments import Attachments
from bssci.center.silence.silence import SilenceWatch
from bssci.center.uplinks.activity import Activities
from bssci.center.uplinks.paths import Paths
from bssci.journal import Journal
from bssci.model import EUI


class SensorReports:
    """Collects what the parts of the service center know of a sensor."""

    def __init__(
        self,
        journal: Journal,
        *,
        attachments: Attachments,
        silence: SilenceWatch,
        activities: Activities,
        paths: Paths,
    ) -> None:
        self._journal = journal
        self._attachments = attachments
        self._silence = silence
        self._activities = activities
        self._paths = paths

    async def of(self, eui: EUI) -> dict[str, Any]:
        """Return registration, activity, signal and preferred path of a sensor.

        Times are in Unix seconds; ``snr`` (dB) and ``rssi`` (dBm) are smoothed.
        """
        return {
            "registration": await self._registration(eui),
            "activity": self._activity(eui),
            "signal": self._paths.report(eui),
            "preferred_path": self._paths.preferred(eui),
        }

    async def _registration(self, eui: EUI) -> dict[str, Any]:
        attachment = self._attachments.get(eui)
        told = await self._journal.sessions.registrations_of(eui)
        stations = {}
        for station, registration in told.items():
            stations[station] = {"state": registration.state, "at": registration.at}
            if registration.code is not None:
                stations[station] |= {"code": registration.code, "message": registration.message}
        return {
            "attached": self._attachments.is_attached(eui),
            "over_the_air": attachment is not None and attachment.over_the_air,
            "reason": attachment.reason if attachment else "configured",
            "since": attachment.since if attachment else None,
            "base_stations": stations,
        }

    def _activity(self, eui: EUI) -> dict[str, Any]:
        standing = self._silence.standing(eui)
        activity = self._activities.get(eui)
        return {
            "state": standing.state if standing else None,
            "inactive_seconds": standing.inactive_seconds if standing else None,
            "seconds_until_detach": standing.seconds_until_detach if standing else None,
            "last_seen": activity.last_seen_at if activity else None,
            "packet_counter": activity.packet_counter if activity else None,
            "uplinks": activity.uplink_count if activity else 0,
        }
