"""Refused connections, summed up by address and cause, with advice; kept across restarts."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import chain

from cryptography import x509
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import Journal, Loaded, RefusedConnection, StorageLines
from bssci.model import EUI
from bssci.model.own_words import one_line
from bssci.stations.causes import Cause
from bssci.system.clock import Clock, Ticker

MAX_REFUSALS = 100
"""combinations of address, kind of cause and station that are remembered"""
WRITE_INTERVAL = 5.0
"""s between two writes of changes"""


class Refusals:
    """The newest refusals.

    Beyond :data:`MAX_REFUSALS` one is dropped: if possible, the oldest of those that are known by address
    only, which are usually port scanners, else the oldest of the address that has most of them.

    :param now: returns Unix seconds.
    """

    log = Logger()

    def __init__(self, clock: Clock, journal: Journal, loaded: Loaded, now: Callable[[], float]) -> None:
        self._journal = journal
        self._now = now
        found = sorted(loaded.refusals.values(), key=lambda each: each.at)
        self._found: dict[str, RefusedConnection] = {each.key: each for each in found}
        self._changed: set[str] = set()
        self._lines = StorageLines(self.log, clock.seconds)
        self._ticker = Ticker(clock, WRITE_INTERVAL, self._write)

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        """Stop, after starting a last write of changes."""
        self._ticker.stop()
        self._write()

    def add(
        self,
        address: str,
        cause: Cause,
        station: EUI | None = None,
        certificate: x509.Certificate | None = None,
    ) -> None:
        """Count a refusal.

        :param address: host address of the peer.
        :param station: EUI that the peer gave, or that its certificate names.
        :param certificate: certificate of the peer, or the one in its chain that caused the refusal.
        """
        now = self._now()
        kind = cause.reason.partition(":")[0]
        key = hashlib.sha256(repr((address, kind, station)).encode()).hexdigest()[:16]
        earlier = self._found.pop(key, None) or RefusedConnection(
            key=key, address=address, reason=cause.reason, count=0, first_at=now, at=now
        )
        self._found[key] = replace(
            earlier,
            reason=one_line(cause.reason),
            remedy=cause.remedy,
            base_station_eui=station,
            subject=one_line(certificate.subject.rfc4514_string()) if certificate else earlier.subject,
            issuer=one_line(certificate.issuer.rfc4514_string()) if certificate else earlier.issuer,
            count=earlier.count + 1,
            at=now,
        )
        self._changed.add(key)
        if len(self._found) > MAX_REFUSALS:
            gone = self._least()
            del self._found[gone]
            self._changed.add(gone)

    def _least(self) -> str:
        """Return the key of the refusal that is dropped for another one."""
        count = Counter(each.address for each in self._found.values())
        most = max(count.values())
        nameless = (
            key for key, each in self._found.items() if not each.subject and not each.base_station_eui
        )
        crowded = (key for key, each in self._found.items() if count[each.address] == most)
        return next(chain(nameless, crowded))

    def forget(self, station: EUI) -> None:
        """Forget the refusals of a station, whose cause a person has dealt with."""
        for key in [key for key, each in self._found.items() if each.base_station_eui == station]:
            del self._found[key]
            self._changed.add(key)

    def listed(self) -> list[RefusedConnection]:
        """Return the refusals, the newest first."""
        return list(reversed(self._found.values()))

    def _write(self) -> None:
        changed, self._changed = self._changed, set()
        if changed:
            rows = {key: self._found.get(key) for key in changed}
            self._journal.tables.apply(RefusedConnection, rows).addErrback(self._not_written, changed)

    def _not_written(self, failure: Failure, changed: set[str]) -> None:
        self._changed |= changed
        self._lines.note(failure, "refused connections not stored")
