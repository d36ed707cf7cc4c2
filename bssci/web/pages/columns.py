"""Columns of last values in the list of sensors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, unquote

from bssci.web.http.call import Call
from bssci.web.reports.readings import LastValue, Latest

MAX_COLUMNS = 12
MAX_OFFERED = 40
NONE = "-"
"""asks for no column, where an empty text asks for those chosen before"""
COOKIE = "columns"
MAX_COOKIE = 3000
"""characters of the cookie, at most"""
YEAR = 365 * 86400
"""s of a year"""
IN_SHORT = 2
"""values of a sensor where nobody chose columns"""


def remembered(call: Call) -> str:
    """Return the columns that are asked for, else those that this user chose last in this browser."""
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
    """Return what can be shown and what is.

    :param asked: names that are shown, with ``,`` between.
    :return: ``chosen``: the names that are columns; ``columns``: of each that is offered its name, whether it
        is shown, and what is to be asked for to turn that round.
    """
    wanted = [name for name in dict.fromkeys(asked.split(",")) if name not in ("", NONE)][:MAX_COLUMNS]
    known = dict.fromkeys(value.name for each in latest for value in each.values)
    offered = list(dict.fromkeys([*wanted, *sorted(known)]))[:MAX_OFFERED]
    return {
        "chosen": wanted,
        "columns": [(name, name in wanted, ",".join(_turned(wanted, name)) or NONE) for name in offered],
    }


def in_short(values: Iterable[LastValue]) -> list[LastValue]:
    """Return what tells the most: what is the case, then what is measured, then how the device does."""
    return sorted(values, key=_rank)[:IN_SHORT]


def _rank(value: LastValue) -> int:
    if isinstance(value.value, bool):
        return 0 if value.value else 3
    return 2 if value.name.startswith("battery") else 1


def _turned(wanted: list[str], name: str) -> list[str]:
    return [each for each in wanted if each != name] if name in wanted else [*wanted, name]
