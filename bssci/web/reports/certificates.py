"""The inventory of certificates, with days left and what is wrong."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from bssci.center.alarms.judging import is_watched
from bssci.certificates.server import StationFiles
from bssci.certificates.store import BUNDLE, CertificateStore
from bssci.system.watching import stamps_of
from bssci.web.context import Context
from bssci.web.reports.stations import days_left

HOUR = 3600.0
Rows = list[dict[str, Any]]
Problems = tuple[list[str], list[str]]
"""errors and warnings"""


class CertificateViews:
    """Reports on certificates."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tried: tuple[object, Problems] | None = None
        """files and hour of the last handshakes, and what they showed"""

    async def status(self) -> dict[str, Any]:
        """Return the certificates, the errors that would keep the service from starting, the warnings,
        whether certificates can be issued here, and what was revoked.
        """
        (errors, warnings), can_issue, revoked = await self._context.run_in_thread(self._look)
        return {
            "certificates": await self.inventory(),
            "errors": errors,
            "warnings": warnings,
            "can_issue": can_issue,
            "revoked": revoked,
        }

    async def inventory(self) -> Rows:
        """Return the certificates only, without the checks of :meth:`status`, which take ten times longer."""
        rows: Rows = await self._context.run_in_thread(self._store.inventory)
        now = self._context.now()
        for row in rows:
            row["days_left"] = days_left(row["not_after"], now)
        return rows

    def _look(self) -> tuple[Problems, bool, Rows]:
        store = self._store
        return self._problems(store), store.has_authority_key(), store.revoked()

    def _problems(self, store: CertificateStore) -> Problems:
        """Return errors and warnings; the handshakes for them are made once for the same files in an hour."""
        files = self._context.certificate_files
        own = StationFiles(files.certificate, files.key, files.authorities, files.revocations)
        seen = (own, stamps_of(own.paths), self._context.now() // HOUR)
        if self._tried is None or self._tried[0] != seen:
            self._tried = seen, store.problems()
        return self._tried[1]

    @property
    def _store(self) -> CertificateStore:
        return CertificateStore(self._context.certificate_files)


def by_end(inventory: Rows, stations: Rows, now: float) -> Rows:
    """Return the certificates in files and of base stations, those that expire first at the front; ``href``
    links to the page of each. The certificate that a base station shows stands for its bundle; a bundle that
    no station shows is not ``in_use``.

    :param stations: rows of the list of base stations.
    :param now: Unix seconds.
    """
    made = {entry["file"]: entry["not_after"] for entry in inventory}
    shown = {
        file: row
        for row in stations
        if row["certificate"]
        and not row["blocked"]
        and is_watched(
            row["state"] == "offline",
            row["certificate"]["not_after"],
            made.get(file := f"{BUNDLE}{row['eui']}", 0.0),
            now,
        )
    }
    files = [
        entry | {"href": "/certificates", "in_use": not entry["file"].startswith(BUNDLE)}
        for entry in inventory
        if entry["file"] not in shown
    ]
    of_stations = [
        row["certificate"]
        | {
            "file": file,
            "name": f"Base station {row['name'] or row['eui']}",
            "href": f"/stations/{row['eui']}",
            "in_use": True,
        }
        for file, row in shown.items()
    ]
    return sorted(files + of_stations, key=itemgetter("not_after"))
