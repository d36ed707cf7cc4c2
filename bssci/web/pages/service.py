"""Pages of the service itself: dashboard, live, logs, settings, certificates, accounts, audit."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any

from bssci.certificates.store import BUNDLE
from bssci.settings.configuration import setting_text
from bssci.web.access.accounts import may
from bssci.web.http.call import Call
from bssci.web.http.errors import ApiError
from bssci.web.live.copies import joined
from bssci.web.live.live import filter_of
from bssci.web.live.sentences import KINDS
from bssci.web.monitoring.logbook import LEVELS
from bssci.web.pages.audit_actions import FAMILIES, WORDS, in_words
from bssci.web.pages.base import PageData, arguments, range_name
from bssci.web.reports.history import delivered_at

EVENTS = 50
"""events that the live page shows at first"""
LINES = 200
ENTRIES = 100
_BROWSER = re.compile(r"(Edg|OPR|Firefox|Chrome|Version)/(\d+)")
_BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Version": "Safari"}
"""names of browsers that call themselves something else"""
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}
"""the most specific first, as Android also says Linux"""


class ServicePages(PageData):
    """The data of the pages of the service itself."""

    async def dashboard(self, call: Call) -> dict[str, Any]:
        """Return the data of the dashboard. Query: range."""
        return await self._views.status.dashboard(range_name(call))

    async def live(self, call: Call) -> dict[str, Any]:
        """Return the newest events. Query: kind, station, sensor, q, before."""
        args = arguments(call, "kind", "station", "sensor", "q")
        try:
            asked = filter_of(
                call.text("kind"), call.optional_eui("sensor"), call.optional_eui("station"), call.text("q")
            )
        except ApiError as error:
            if error.field not in ("station", "sensor"):
                raise
            return {"wrong": {error.field: error.message}, "kinds": KINDS, "args": args}
        newest = self._context.journal.events.last_seq
        read = await self._views.events.read(asked, call.before(), EVENTS)
        events = read["events"]
        sinks = self._context.center.deliveries.statistics()
        last = self._context.journal.events.last_seq
        deliveries = self._context.center.deliveries.taken()
        for event in events:
            event["delivered_at"] = delivered_at(deliveries, event["seq"])
        return {
            "events": joined(events),
            "newest": max([newest, *(event["seq"] for event in events[:1])]),
            "delivered": {name: last - figures["queued"] for name, figures in sinks.items()},
            "kinds": KINDS,
            "older": read["next"],
            "args": args,
        }

    async def replays(self, call: Call) -> dict[str, Any]:
        """Return the replays, newest first, and the sinks that can take one."""
        replays = self._context.outside.replays
        return {
            "replays": replays.listed() if replays is not None else [],
            "sinks": replays.sinks() if replays is not None else {},
        }

    async def logs(self, call: Call) -> dict[str, Any]:
        """Return the newest log lines. Query: level, logger, q."""
        read = await self._views.logs.read(
            call.choice("level", LEVELS), call.text("logger"), call.text("q"), LINES
        )
        return read | {"args": arguments(call, "level", "logger", "q")}

    async def configuration(self, call: Call) -> dict[str, Any]:
        settings = (await self._views.config.get())["settings"]
        entries = [_setting(each) for each in settings]
        groups = {group.title: group for group in self._context.configuration.catalogue.groups}
        return {
            "groups": [
                {
                    "title": title,
                    "key": groups[title].key,
                    "test": groups[title].trial_title if groups[title].trial is not None else "",
                    "settings": list(rows),
                }
                for title, rows in groupby(entries, key=lambda each: each["group"])
            ]
        }

    async def certificates(self, call: Call) -> dict[str, Any]:
        status = await self._views.certificates.status()
        stations = (await self._views.stations.list())["base_stations"]
        of_stations = [each for each in status["certificates"] if each["file"].startswith(BUNDLE)]
        return {
            "files": [each for each in status["certificates"] if each not in of_stations],
            "bundles": of_stations,
            "stations": [each for each in stations if each["certificate"]],
            "errors": status["errors"],
            "warnings": status["warnings"],
            "can_issue": status["can_issue"],
            "revoked": status["revoked"],
            "for_station": call.optional_eui("station"),
        }

    async def accounts(self, call: Call) -> dict[str, Any]:
        views, identity = self._views.accounts, call.identity
        admin = may(identity.role, "admin")
        sessions = (await views.sessions(identity))["sessions"]
        return {
            "users": (await views.list())["accounts"] if admin else [],
            "tokens": (await views.tokens())["tokens"] if admin else [],
            "live_tokens": (await views.live_tokens())["tokens"] if admin else [],
            "sessions": [each | {"device": device(each["agent"])} for each in sessions],
        }

    async def audit(self, call: Call) -> dict[str, Any]:
        """Return entries of the audit log. Query: who, action, q, before."""
        asked = (call.text(name) for name in ("who", "action", "q"))
        read = await self._views.audit.read(ENTRIES, call.before(), *asked)
        return {
            "entries": [entry | {"said": in_words(entry["action"])} for entry in read["entries"]],
            "older": read["next"],
            "families": FAMILIES,
            "words": WORDS,
            "args": arguments(call, "who", "action", "q"),
        }

    async def explorer(self, call: Call) -> dict[str, Any]:
        """Return nothing: the script of the page reads the descriptions that programs get, too."""
        return {}


def _setting(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a setting with its value as text and the kind of its field."""
    value, allowed = entry["value"], entry["allowed"]
    text = f"{value:.15g}" if isinstance(value, float) else setting_text(entry["name"], value)
    words = allowed.split(" or ")
    choices = words if len(words) > 1 and all(word.isalnum() for word in words) else []
    if entry["secret"]:
        kind = "secret"
    elif isinstance(value, bool):
        kind = "bool"
    elif isinstance(value, (int, float)):
        kind = "number"
    else:
        kind = "choice" if choices else "text"
    return entry | {
        "value": "" if entry["secret"] else text,
        "is_set": bool(value),
        "kind": kind,
        "choices": choices,
    }


def device(agent: str) -> str:
    """Return a browser's name, version and system from its ``User-Agent``, as in ``Firefox 140 on
    Windows``; an unknown ``User-Agent`` is returned as it is.
    """
    found = dict(_BROWSER.findall(agent))
    # Browsers name those that they want to be taken for; what they are is the most special of the names.
    browser = next((name for name in ("Edg", "OPR", "Firefox", "Chrome", "Version") if name in found), None)
    if browser is None:
        return agent
    system = next((name for part, name in _SYSTEMS.items() if part in agent), None)
    return f"{_BROWSERS.get(browser, browser)} {found[browser]}{f' on {system}' if system else ''}"
