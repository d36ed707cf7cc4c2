"""Downlinks that a base station holds for its sensors, and the outcome of each (§5.12-5.14)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal["sent", "expired", "invalid"]
DownlinkMode = Literal["accept", "expire", "invalid", "ignore"]
"""Treatment of downlinks by a base station: send them in their windows, let them expire there, refuse them
at once, or never report back.
"""
MODES: tuple[DownlinkMode, ...] = ("accept", "expire", "invalid", "ignore")


@dataclass(frozen=True)
class QueuedDownlink:
    """A queued downlink, for one window.

    :param payloads: payloads by the packet counter of the uplink whose window they may use; the one under
        None fits any window.
    :param expected_only: it is sent only after an uplink that expects a response.
    """

    end_point_eui: int
    queue_id: int
    payloads: dict[int | None, bytes]
    priority: float = 0.0
    expected_only: bool = False

    def payload_for(self, packet_counter: int) -> bytes | None:
        """Return the payload to send in the window of an uplink; None if the downlink is not for that
        window.
        """
        return self.payloads.get(packet_counter, self.payloads.get(None))

    def has_passed(self, packet_counter: int) -> bool:
        """Return whether all windows of the downlink were before this uplink."""
        return all(counter is not None and counter < packet_counter for counter in self.payloads)


@dataclass(frozen=True)
class DownlinkEnd:
    """The end of a downlink; ``payload`` holds the bytes that were sent."""

    downlink: QueuedDownlink
    result: Result
    payload: bytes | None = None


class DownlinkQueue:
    """Queued downlinks, by sensor and queue id; each window sends at most one of them."""

    def __init__(self, mode: DownlinkMode = "accept") -> None:
        self.mode = mode
        self._queued: dict[int, dict[int, QueuedDownlink]] = {}

    def __len__(self) -> int:
        return sum(len(queued) for queued in self._queued.values())

    def add(self, downlink: QueuedDownlink) -> DownlinkEnd | None:
        """Queue a downlink; return its outcome if that is already known. A queue id that is already there
        changes nothing.
        """
        if self.mode == "invalid":
            return DownlinkEnd(downlink, "invalid")
        self._queued.setdefault(downlink.end_point_eui, {}).setdefault(downlink.queue_id, downlink)
        return None

    def revoke(self, end_point_eui: int, queue_id: int) -> bool:
        """Remove a downlink; return whether it was still held."""
        return self._remove(end_point_eui, queue_id)

    def drop(self, end_point_eui: int) -> None:
        """Remove all downlinks of a sensor."""
        self._queued.pop(end_point_eui, None)

    def window(
        self, end_point_eui: int, packet_counter: int, response_expected: bool = False
    ) -> list[DownlinkEnd]:
        """Open the window of a sensor after its uplink ``packet_counter``; return the downlinks that end in
        it.
        """
        queued = self._queued.get(end_point_eui)
        if not queued or self.mode == "ignore":
            return []
        if self.mode == "expire":
            outcomes = [DownlinkEnd(downlink, "expired") for downlink in queued.values()]
        else:
            outcomes = [
                DownlinkEnd(downlink, "expired")
                for downlink in queued.values()
                if downlink.has_passed(packet_counter)
            ]
            fitting = [
                downlink
                for downlink in queued.values()
                if downlink.payload_for(packet_counter) is not None
                and (response_expected or not downlink.expected_only)
            ]
            if fitting:
                chosen = max(fitting, key=lambda downlink: downlink.priority)
                outcomes.append(DownlinkEnd(chosen, "sent", chosen.payload_for(packet_counter)))
        for outcome in outcomes:
            self._remove(end_point_eui, outcome.downlink.queue_id)
        return outcomes

    def _remove(self, end_point_eui: int, queue_id: int) -> bool:
        queued = self._queued.get(end_point_eui, {})
        removed = queued.pop(queue_id, None) is not None
        if not queued:
            self._queued.pop(end_point_eui, None)
        return removed
