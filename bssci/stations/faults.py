"""Protocol errors between a base station and us: counted, logged and published, at a limited rate."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from twisted.logger import Logger

from bssci.model import EUI, StationProblem
from bssci.model.events import Direction
from bssci.stations.lately import Lately

REPORT_INTERVAL = 60.0
"""s between two reports of the same error of one station"""
MAX_REPORTED = 32
"""distinct errors of one station that are reported separately; further ones are combined by code"""
MAX_MESSAGE = 200
"""characters of a message, at most"""
MAX_KINDS = 64
"""codes of one station that are counted separately, in each direction"""
OTHER = -1
"""code under which all further codes are counted"""


def code_text(code: int) -> str:
    """Return an error's code as it is shown; ``other`` for those not counted separately."""
    return "other" if code == OTHER else str(code)


@dataclass(slots=True)
class _Report:
    at: float
    unreported: int = 0

    def is_recent(self, now: float) -> bool:
        """Return whether the last report is less than REPORT_INTERVAL old; not if the clock was set back."""
        return 0 <= now - self.at < REPORT_INTERVAL


_NUMBERS = re.compile(r"\d+")


class Faults:
    """The protocol errors of one base station, since the service started.

    :ivar counts: how many there were, by direction and code (a POSIX errno).
    :ivar lately: those of the last ten minutes.
    """

    log = Logger()

    def __init__(self, station: EUI) -> None:
        self.counts: Counter[tuple[Direction, int]] = Counter()
        self._station = station
        self._reported: dict[tuple[Direction, int, str], _Report] = {}
        self.lately = Lately()

    def count(self, direction: Direction, code: int) -> tuple[Direction, int]:
        """Count an error; return its key in :attr:`counts`."""
        key = (direction, code)
        if key not in self.counts and len(self.counts) >= 2 * MAX_KINDS:
            key = (direction, OTHER)
        self.counts[key] += 1
        return key

    def note(self, direction: Direction, code: int, message: str, now: float) -> StationProblem | None:
        """Count an error; return the event to publish, at most once a minute for the same error.

        Errors are the same if their codes and messages are, but for numbers in the message.

        :param now: Unix seconds.
        """
        key = self.count(direction, code)
        self.lately.add(now)
        text = message[:MAX_MESSAGE]
        report = self._report_of((*key, _NUMBERS.sub("#", text)), now)
        report.unreported += 1
        if report.is_recent(now):
            return None
        report.at, count, report.unreported = now, report.unreported, 0
        self.log.warn(
            "protocol error {direction} {bs_eui} {code} {error}, {count} so far",
            direction=direction,
            bs_eui=self._station,
            code=code,
            error=text,
            count=self.counts[key],
        )
        return StationProblem(
            at=now,
            base_station_eui=self._station,
            direction=direction,
            code=code,
            message=text,
            count=count,
        )

    def _report_of(self, key: tuple[Direction, int, str], now: float) -> _Report:
        if key not in self._reported and len(self._reported) >= MAX_REPORTED:
            # What was reported a while ago and did not come again need not be remembered.
            self._reported = {
                each: report
                for each, report in self._reported.items()
                if report.unreported or report.is_recent(now)
            }
            if len(self._reported) >= MAX_REPORTED:
                key = (*key[:2], "")
        return self._reported.setdefault(key, _Report(now - REPORT_INTERVAL))
