"""The single entry point of all receptions and telegrams: they are stored first, then processed.

They may be acknowledged to their sender when the Deferred fires, not before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bssci.center.uplinks.deduplication import Deduplication
from bssci.journal import Change, Journal
from bssci.model import EUI, Reception, Telegram


class Ingest:
    """Passes receptions of base stations to deduplication, and telegrams of sources to the sinks."""

    log = Logger()

    def __init__(self, journal: Journal, deduplication: Deduplication) -> None:
        self._inbox = journal.inbox
        self._events = journal.events
        self._deduplication = deduplication
        self.received_by: Counter[EUI] = Counter()
        """number of receptions of each base station since the start"""

    def receptions(self, receptions: list[Reception], mark: Change | None = None) -> Deferred[None]:
        """Take receptions of a base station; fires when they are on disk.

        :param mark: the station's last opId with them, stored in the same commit.
        :raises bssci.journal.StorageError: in the Deferred; nothing is taken then.
        """
        return self._inbox.append(receptions, mark).addCallback(self._stored, receptions)

    def telegrams(self, telegrams: Sequence[Telegram], beside: Sequence[Change] = ()) -> Deferred[int]:
        """Take telegrams; fires with the number of the first one's event when they are on disk.

        :param beside: further changes for the same commit.
        :raises bssci.journal.StorageError: in the Deferred; nothing is taken then.
        """
        return self._events.append(list(telegrams), beside=beside)

    def forget(self, station: EUI) -> None:
        """Forget how many receptions a base station had that is forgotten."""
        self.received_by.pop(station, None)

    def _stored(self, position: int, receptions: list[Reception]) -> None:
        self.received_by.update([reception.base_station_eui for reception in receptions])
        try:
            self._deduplication.add(receptions, position)
        except Exception:  # they are on disk, so they must be acknowledged all the same
            self.log.failure("uplinks not processed, left until the next start")
