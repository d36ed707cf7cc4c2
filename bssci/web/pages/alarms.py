"""The page of alarms."""

from __future__ import annotations

from typing import Any

from bssci.web.http.call import Call
from bssci.web.pages.base import PER_PAGE, PageData, arguments, page_number, paging, within

STATES = ("open", "new", "closed")


class AlarmPages(PageData):
    """The data of the page of alarms."""

    async def alarms(self, call: Call) -> dict[str, Any]:
        """Return the list of alarms: open errors, open warnings, watched ones, what is over.

        Query: state, page.
        """
        listed = self._views.alarms.list(call.choice("state", STATES))
        rows = sorted(listed["alarms"], key=_rank)
        page = within(page_number(call), PER_PAGE, len(rows))
        first = (page - 1) * PER_PAGE
        counts = listed["counts"]
        return {
            "rows": rows[first : first + PER_PAGE],
            "counts": counts | {"all": counts["open"] + counts["closed"]},
            "paging": paging(page, PER_PAGE, len(rows)),
            "args": arguments(call, "state"),
        }


def _rank(alarm: dict[str, Any]) -> int:
    if alarm["state"] != "open":
        return 3
    if alarm["over_since"] is not None:
        return 2
    return 0 if alarm["severity"] == "error" else 1
