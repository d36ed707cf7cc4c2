"""What is known of one sensor, as JSON knows it: for MQTT's ``status`` and the web admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bssci.model import EUI

if TYPE_CHECKING:
    from bssci.center.service_center import ServiceCenter


async def sensor_report(center: ServiceCenter, eui: EUI) -> dict[str, Any]:
    """Registration, activity, signal and preferred path.

    Times are Unix seconds; ``snr`` dB and ``rssi`` dBm are smoothed.
    """
    return {
        "registration": await _registration(center, eui),
        "activity": _activity(center, eui),
        "signal": center.paths.report(eui),
        "preferred_path": center.paths.preferred(eui),
    }


async def _registration(center: ServiceCenter, eui: EUI) -> dict[str, Any]:
    attachment = center.attachments.get(eui)
    told = await center.journal.sessions.registrations_of(eui)
    stations = {}
    for station, registration in told.items():
        stations[station] = {"state": registration.state, "at": registration.at}
        if registration.code is not None:
            stations[station] |= {"code": registration.code, "message": registration.message}
    return {
        "attached": center.attachments.is_attached(eui),
        "over_the_air": attachment is not None and attachment.over_the_air,
        "reason": attachment.reason if attachment else "configured",
        "since": attachment.since if attachment else None,
        "base_stations": stations,
    }


def _activity(center: ServiceCenter, eui: EUI) -> dict[str, Any]:
    standing = center.silence.standing(eui)
    activity = center.activities.get(eui)
    return {
        "state": standing.state if standing else None,
        "inactive_seconds": standing.inactive_seconds if standing else None,
        "seconds_until_detach": standing.seconds_until_detach if standing else None,
        "last_seen": activity.last_seen_at if activity else None,
        "packet_counter": activity.packet_counter if activity else None,
        "uplinks": activity.uplink_count if activity else 0,
    }
