"""The inventory of certificates, with days left and what is wrong."""

from __future__ import annotations

from typing import Any

from bssci.web.certificate_store import CertificateStore
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


def _look(store: CertificateStore) -> tuple[list[dict[str, Any]], tuple[list[str], list[str]], bool]:
    return store.inventory(), store.problems(), store.has_authority_key()
