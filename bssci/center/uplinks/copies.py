"""The copies of an uplink: which receptions are of the same one, and which of them is the best."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from bssci.model import EUI, Reception, Uplink

LATE_ARRIVAL = 15 * 60.0
"""s after the first copy's arrival within which a reception is a late copy, whatever its rx_time"""
LATE_RX_TIME = 300 * 10**9
"""ns between the rx_time of two stations within which a reception is a late copy, whenever it arrives"""
SAME_RX_TIME = 500 * 10**6
"""ns between the rx_time of two stations with good clocks that received the same; no sensor attaches and
sends again within it"""


def is_repeat(receptions: Sequence[Reception], reception: Reception) -> bool:
    """Return whether a reception is already among ``receptions``, because a station sent it again."""
    return any(
        copy.base_station_eui == reception.base_station_eui and copy.rx_time == reception.rx_time
        for copy in receptions
    )


def best_first(receptions: Sequence[Reception]) -> list[Reception]:
    """Return the best reception of each base station, by falling SNR."""
    best: dict[EUI, Reception] = {}
    for reception in sorted(receptions, key=attrgetter("snr"), reverse=True):
        best.setdefault(reception.base_station_eui, reception)
    return list(best.values())


def late_copies(receptions: Sequence[Reception], uplink: Uplink, began: float) -> list[Reception]:
    """Return which receptions of a suspect are late copies of a recorded uplink.

    :param began: Unix seconds when the sensor reset its counter; 0: never.
    """
    arrived = min(copy.received_at for copy in uplink.receptions)
    after = [copy for copy in receptions if arrived < began <= copy.received_at]
    others = [copy for copy in receptions if copy not in after]
    is_late = any(
        abs(copy.received_at - arrived) <= LATE_ARRIVAL or _is_near(copy, recorded, LATE_RX_TIME)
        for copy in others
        for recorded in uplink.receptions
    )
    return (others if is_late else []) + [copy for copy in after if _is_agreed(copy, uplink)]


def _is_near(one: Reception, other: Reception, tolerance: int) -> bool:
    return abs(one.rx_time - other.rx_time) <= tolerance


def _is_agreed(copy: Reception, uplink: Uplink) -> bool:
    """Return whether another station received an uplink at the same time."""
    return any(
        recorded.base_station_eui != copy.base_station_eui and _is_near(copy, recorded, SAME_RX_TIME)
        for recorded in uplink.receptions
    )
