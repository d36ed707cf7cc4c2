"""The inventory of certificates, with days left and what is wrong."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from bssci.web.certificate_store import BUNDLE, CertificateStore
from bssci.web.context import Context
from bssci.web.views.stations import days_left


class CertificateViews:
    """Questions about certificates."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def status(self) -> dict[str, Any]:
        """Certificates, errors that would keep the service from starting, and warnings."""
        store = CertificateStore(self._context.settings)
        inventory, (errors, warnings), can_issue = await self._context.run_in_thread(_look, store)
        now = self._context.now()
        for entry in inventory:
            entry["days_left"] = days_left(entry["not_after"], now)
        return {
            "certificates": inventory,
            "errors": errors,
            "warnings": warnings,
            "can_issue": can_issue,
        }


def by_end(inventory: list[dict[str, Any]], stations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Files and what base stations showed, whatever ends first in front; ``href`` leads to where it is seen.

    What a base station shows stands for the bundle that was made for it.
    """
    shown = {row["eui"]: row for row in stations if row["certificate"]}
    files = [
        entry | {"href": "/certificates"}
        for entry in inventory
        if entry["file"].removeprefix(BUNDLE) not in shown
    ]
    of_stations = [
        row["certificate"]
        | {
            "file": f"{BUNDLE}{eui}",
            "name": f"Base station {row['name'] or eui}",
            "href": f"/stations/{eui}",
        }
        for eui, row in shown.items()
    ]
    return sorted(files + of_stations, key=itemgetter("not_after"))


def _look(store: CertificateStore) -> tuple[list[dict[str, Any]], tuple[list[str], list[str]], bool]:
    return store.inventory(), store.problems(), store.has_authority_key()
