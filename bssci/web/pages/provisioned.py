"""Pages of provisioned devices."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bssci.certificates import qr_code
from bssci.web.http.call import Call
from bssci.web.pages.base import PER_PAGE, PageData, arguments, page_number, paging, within
from bssci.web.reports.provisioned import STATE_NAMES


class ProvisionedPages(PageData):
    """The data of the pages of provisioned devices."""

    async def provisioned(self, call: Call) -> dict[str, Any]:
        """Return the list of devices. Query: q, state, page."""
        page = page_number(call)
        asked: dict[str, Any] = {
            "q": call.text("q"),
            "state": call.choice("state", STATE_NAMES),
            "per_page": PER_PAGE,
        }
        found = await self._views.provisioned.list(**asked, page=page)
        if (last := within(page, PER_PAGE, found["total"])) != page:
            page = last
            found = await self._views.provisioned.list(**asked, page=page)
        counts = found["counts"]
        return {
            "rows": found["devices"],
            "counts": {"all": sum(counts.values()), **counts},
            "trouble": found["trouble"],
            "paging": paging(page, PER_PAGE, found["total"]),
            "args": arguments(call, "q", "state"),
        }

    async def provisioned_device(self, call: Call) -> dict[str, Any]:
        """Return one device."""
        device = await self._views.provisioned.detail(call.path["device"])
        return {
            "device": device,
            "registered": datetime.fromisoformat(device["registered_at"]).timestamp(),
            "has_qr": qr_code.is_installed(),
        }
