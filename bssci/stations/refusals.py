"""Who tried to connect and was not let in: for people who wonder why a base station does not come."""

from __future__ import annotations

from dataclasses import dataclass, replace

MAX_REFUSALS = 100
"""kinds of refusals that are remembered; the one that is longest ago makes room"""


@dataclass(frozen=True)
class Refusal:
    """Connections from one address that were refused for one reason."""

    address: str
    reason: str
    station: str | None
    """its EUI, if it came so far as to tell"""
    count: int
    at: float
    """Unix seconds, of the last"""


class Refusals:
    """The newest refusals."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str | None], Refusal] = {}

    def add(self, address: str, reason: str, at: float, station: str | None = None) -> None:
        key = (address, reason, station)
        earlier = self._found.pop(key, None) or Refusal(address, reason, station, 0, at)
        self._found[key] = replace(earlier, count=earlier.count + 1, at=at)
        if len(self._found) > MAX_REFUSALS:
            del self._found[next(iter(self._found))]

    def listed(self) -> list[Refusal]:
        """The last one first."""
        return list(reversed(self._found.values()))
