"""The inventory of certificates, with days left and what is wrong."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from bssci.certificates.store import BUNDLE, CertificateStore
from bssci.web.context import Context
from bssci.web.reports.stations import days_left

LONG_AGO = 30
"""days after which an expired certificate is not shown"""

Rows = list[dict[str, Any]]


class CertificateViews:
    """Reports on certificates."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def status(self) -> dict[str, Any]:
        """Return the certificates, the errors that would keep the service from starting, the warnings,
        whether certificates can be issued here, and what was revoked.
        """
        (errors, warnings), can_issue, revoked = await self._context.run_in_thread(_look, self._store)
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

    @property
    def _store(self) -> CertificateStore:
        return CertificateStore(self._context.certificate_files)


def by_end(inventory: list[dict[str, Any]], stations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the certificates in files and of base stations, those that expire first at the front; ``href``
    links to the page of each. The certificate that a base station shows stands for its bundle.
    """
    made = {entry["file"]: entry["not_after"] for entry in inventory}
    shown = {
        file: row
        for row in stations
        if row["certificate"] and not _is_past(row, made.get(file := f"{BUNDLE}{row['eui']}", 0))
    }
    files = [entry | {"href": "/certificates"} for entry in inventory if entry["file"] not in shown]
    of_stations = [
        row["certificate"]
        | {
            "file": file,
            "name": f"Base station {row['name'] or row['eui']}",
            "href": f"/stations/{row['eui']}",
        }
        for file, row in shown.items()
    ]
    return sorted(files + of_stations, key=itemgetter("not_after"))


def _is_past(station: dict[str, Any], bundle_ends: float) -> bool:
    """Return whether an absent station's certificate need not be watched: a newer one was made for the
    station, or it expired long ago.
    """
    certificate = station["certificate"]
    is_replaced = certificate["not_after"] < bundle_ends
    return station["state"] == "offline" and bool(is_replaced or certificate["days_left"] < -LONG_AGO)


def _look(store: CertificateStore) -> tuple[tuple[list[str], list[str]], bool, Rows]:
    return store.problems(), store.has_authority_key(), store.revoked()
