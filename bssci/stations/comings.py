"""Times when a base station came online, and the time it must wait if it does so again and again.

Two stations with one EUI, one of them perhaps stolen, replace each other's connection as fast as they can
connect. Each is then answered only after a pause, in which the connection of the other one goes on. A station
that comes back in its own session never waits, however often, nor does one whose connection is gone.
"""

from __future__ import annotations

from math import inf

from bssci.stations.lately import Lately

MANY = 20
"""comings in ten minutes, or replacements, after which another station with the EUI must wait"""
PAUSE = 5.0
"""s from the last coming on for which it waits"""


class Comings:
    """The times when one base station came online."""

    def __init__(self) -> None:
        self._lately = Lately()
        self._replacements = Lately()
        """also by those that never came online"""
        self._last_at = -inf
        """reactor seconds"""

    def add(self, now: float, seconds: float) -> None:
        """Note that the station comes online.

        :param now: Unix seconds.
        :param seconds: reactor seconds.
        """
        self._lately.add(now)
        self._last_at = seconds

    def count(self, now: float) -> int:
        """Return how often the station came online in the last ten minutes.

        :param now: Unix seconds.
        """
        return self._lately.count(now)

    def claim(self, now: float, seconds: float) -> float:
        """Claim the next turn to replace the station's connection, for which several others may wait.

        :param now: Unix seconds.
        :param seconds: reactor seconds.
        :return: s after which to claim it again; 0: it is granted.
        """
        wait = max(0.0, self._last_at + PAUSE - seconds)
        if wait and max(self.count(now), self._replacements.count(now)) >= MANY:
            return wait
        self._replacements.add(now)
        self._last_at = seconds
        return 0.0
