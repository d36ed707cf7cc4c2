"""The page of alarms."""

from __future__ import annotations

from typing import Any

from bssci.web.http.call import Call
from bssci.web.pages.base import PER_PAGE, PageData, arguments, page_number, paging, within
from bssci.web.reports.alarms import has_state

STATES = ("open", "new", "closed")


class AlarmPages(PageData):
    """The data of the page of alarms."""

    async def alarms(self, call: Call) -> dict[str, Any]:
        """Return the list of alarms: open errors, open warnings, watched ones, what is over.

        Query: state, q, page.
        """
        listed = self._views.alarms.list(call.choice("state", STATES), call.text("q"))
        rows = sorted(listed["alarms"], key=_rank)
        page = within(page_number(call), PER_PAGE, len(rows))
        first = (page - 1) * PER_PAGE
        counts, shown = listed["counts"], rows[first : first + PER_PAGE]
        return {
            "rows": shown,
            "new": [row["id"] for row in shown if has_state(row, "new")],
            "counts": counts | {"all": counts["open"] + counts["closed"]},
            "paging": paging(page, PER_PAGE, len(rows)),
            "args": arguments(call, "state", "q"),
        }


def _rank(alarm: dict[str, Any]) -> int:
    if alarm["state"] != "open":
        return 3
    if alarm["over_since"] is not None:
        return 2
    return 0 if alarm["severity"] == "error" else 1
