"""Degrees of acquaintance with base stations, by which the least known is forgotten for a new one.

Anybody with a certificate of our authority may invent EUIs. Invented stations must displace neither real ones
nor those that people have entered.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nsmallest
from operator import itemgetter

from cryptography.x509 import load_der_x509_certificate

from bssci.certificates.reading import euis_of
from bssci.journal import StationRecord
from bssci.model import EUI
from bssci.stations.directory import Stations
from bssci.stations.entries import Entries
from bssci.stations.station import Station
from bssci.wire.errors import ErrorCode, ProtocolError

PART = 200
"""a search for the least known station finds one more for each so many stations"""

Degree = tuple[bool, bool, float, float]
"""Degree of acquaintance with a station: whether its certificate names it, whether it ever did anything, how
long it was connected (s) and when last (Unix s). The station with the smallest value is forgotten first."""


class Acquaintance:
    """The degrees of acquaintance with all stations."""

    def __init__(self, stations: Stations, entries: Entries) -> None:
        self._stations = stations
        self._entries = entries
        self._named: set[EUI] = set()
        """stations whose certificate names them: they need such a certificate, so nobody can invent them"""
        self._least_known: list[tuple[Degree, Station]] = []
        """stations that may be forgotten for new ones, the least known last"""

    def degree(self, station: Station) -> Degree:
        """Return how well a station is known."""
        record = station.record
        known_for = record.last_seen_at - record.first_seen_at
        return station.eui in self._named, station.worked, known_for, record.last_seen_at

    def note_certificate(self, record: StationRecord) -> None:
        """Note whether the certificate of a station names it."""
        if record.certificate and _names(record.certificate, record.base_station_eui):
            self._named.add(record.base_station_eui)

    def check_certificate(self, station: Station, certificate: bytes) -> None:
        """Require a certificate that names the station, if it has ever shown one.

        :raises ProtocolError: this one does not.
        """
        if not certificate or certificate == station.record.certificate or _names(certificate, station.eui):
            return
        if station.eui in self._named:
            raise ProtocolError(
                ErrorCode.EPERM,
                f"{station.eui} used a certificate that names it, but this one does not; if that is intended,"
                " forget the station first",
                0,
            )

    def forget(self, eui: EUI) -> None:
        """Forget what the certificate of a station was."""
        self._named.discard(eui)

    def least_known(self) -> Station | None:
        """Return the least known station that may be forgotten; None if none may."""
        station = self._next_to_forget()
        if station is None:
            # Several at once if there are many: looking at 20 000 for each new station would take too long.
            away = [(self.degree(each), each) for each in self._stations if self._may_be_forgotten(each)]
            self._least_known = nsmallest(1 + len(away) // PART, away, key=itemgetter(0))[::-1]
            station = self._next_to_forget()
        return station

    def _next_to_forget(self) -> Station | None:
        """Return the least known station of those that were found last, unless it has become better known."""
        while self._least_known:
            degree, station = self._least_known.pop()
            is_known = self._stations.get(station.eui) is station
            if is_known and self._may_be_forgotten(station) and self.degree(station) == degree:
                return station
        return None

    def idle(self, before: float) -> Iterator[Station]:
        """Yield stations that connected once and never did anything, unless their certificate names them.

        :param before: Unix seconds since which they must be away.
        """
        for station in self._stations:
            if (
                self._may_be_forgotten(station)
                and not station.worked
                and station.eui not in self._named
                and station.record.last_seen_at < before
            ):
                yield station

    def _may_be_forgotten(self, station: Station) -> bool:
        return station.link is None and station.eui not in self._entries


def _names(certificate: bytes, eui: EUI) -> bool:
    """Return whether a certificate (DER) names a station."""
    try:
        return eui in euis_of(load_der_x509_certificate(certificate))
    except ValueError:
        return False
