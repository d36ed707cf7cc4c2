"""The one entrance for all receptions, from any source: stored first, then processed.

Whoever brings something is told that we have it when the Deferred fires, not before.
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
    """Takes receptions of base stations into the windows, and telegrams of other sources to the sinks."""

    log = Logger()

    def __init__(self, journal: Journal, deduplication: Deduplication) -> None:
        self._inbox = journal.inbox
        self._events = journal.events
        self._deduplication = deduplication
        self.received_by: Counter[EUI] = Counter()
        """receptions of each base station since the start"""

    def receptions(self, receptions: list[Reception], mark: Change | None = None) -> Deferred[None]:
        """Take what a base station heard; fires when it is on disk.

        :param mark: how far the station has come with it, stored by the same commit.
        :raises bssci.journal.StorageError: in the Deferred; nothing is taken then.
        """
        return self._inbox.append(receptions, mark).addCallback(self._stored, receptions)

    def telegrams(self, telegrams: Sequence[Telegram], beside: Sequence[Change] = ()) -> Deferred[int]:
        """Take what devices other than mioty sensors sent; fires with the first's number when on disk.

        :param beside: what else goes into the same commit.
        :raises bssci.journal.StorageError: in the Deferred; nothing is taken then.
        """
        return self._events.append(list(telegrams), beside=beside)

    def _stored(self, position: int, receptions: list[Reception]) -> None:
        self.received_by.update([reception.base_station_eui for reception in receptions])
        try:
            self._deduplication.add(receptions, position)
        except Exception:  # they are on disk, so the station must hear that they are
            self.log.failure("uplinks not processed, left for the next start")
