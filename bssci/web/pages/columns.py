"""Columns of last values in the list of sensors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, unquote

from bssci.decoders.bluetooth.presence import PLACE
from bssci.web.formats import rank
from bssci.web.http.call import Call
from bssci.web.reports.readings import LastValue, Latest

MAX_COLUMNS = 12
MAX_OFFERED = 40
NONE = "-"
"""asks for no columns, whereas an empty text asks for those that were chosen before"""
COOKIE = "columns"
MAX_COOKIE = 3000
"""longest value of the cookie, in characters"""
YEAR = 365 * 86400
"""s of a year"""
IN_SHORT = 2
"""values that are shown for a sensor if no columns were chosen"""


def remembered(call: Call) -> str:
    """Return the columns that the query asks for, and remember them in a cookie; if it asks for none, return
    those that this user chose last in this browser.
    """
    asked, user = call.text("show"), quote(call.identity.name, safe="")
    if asked:
        value = f"{user}:{quote(asked, safe='')}"
        if len(value) <= MAX_COOKIE:
            path = call.prefix or "/"
            call.request.addCookie(
                COOKIE, value, path=path, max_age=str(YEAR), httpOnly=True, sameSite="strict"
            )
        return asked
    kept = (call.request.getCookie(COOKIE.encode()) or b"").decode("ascii", "replace")
    owner, _, names = kept.partition(":")
    return unquote(names) if owner == user else ""


def columns_of(latest: Iterable[Latest], asked: str) -> dict[str, Any]:
    """Return which columns can be shown, and which are.

    :param asked: names of the columns that are shown, separated by ``,``.
    :return: ``chosen``: names of the columns that are shown; ``columns``: for each column that is offered its
    name, whether it is shown, and the value of ``asked`` that shows or hides it.
    """
    wanted = [name for name in dict.fromkeys(asked.split(",")) if name not in ("", NONE)][:MAX_COLUMNS]
    known = dict.fromkeys(value.name for each in latest for value in each.values)
    offered = list(dict.fromkeys([*wanted, *sorted(known)]))[:MAX_OFFERED]
    return {
        "chosen": wanted,
        "columns": [(name, name in wanted, ",".join(_turned(wanted, name)) or NONE) for name in offered],
    }


def in_short(values: Iterable[LastValue]) -> list[LastValue]:
    """Return the most telling values: measurements rather than where a Bluetooth device is."""
    of_place = (PLACE, "occupancy", "rssi", "distance")
    found = list(values)
    has_place = any(each.name == PLACE for each in found)

    def key(each: LastValue) -> tuple[bool, int]:
        return has_place and each.name in of_place, rank(each.name, each.value)

    return sorted(found, key=key)[:IN_SHORT]


def _turned(wanted: list[str], name: str) -> list[str]:
    return [each for each in wanted if each != name] if name in wanted else [*wanted, name]
