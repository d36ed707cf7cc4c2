"""Texts of messages about alarms: a subject, a body, and a JSON object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from bssci.center.alarms.notices import Notice
from bssci.journal import AlarmRecord
from bssci.model.counts import many

MAX_LINES = 25
"""alarms that a message lists at most, of the new ones and of those that are over"""
MAX_SUBJECT = 120
"""characters of a subject, at most"""


def subject(notice: Notice) -> str:
    """Return the subject: the most severe alarm that began, or the first that is over."""
    if notice.begun:
        worst = min(notice.begun, key=lambda each: each.severity != "error")
        return _short(f"{worst.severity.upper()}: {worst.text}{_and_more(len(notice.begun))}")
    return _short(f"Over: {notice.over[0].text}{_and_more(len(notice.over))}")


def text(notice: Notice, zone: str, web_url: str = "") -> str:
    """Return the body of the message for people.

    :param zone: name of the time zone.
    :param web_url: address of the web admin, for links to its pages; empty: unknown.
    """
    base = web_url.rstrip("/")
    lines = [*_section("New:", notice.begun, zone, base), *_section("Over:", notice.over, zone, base)]
    count = many(notice.open, "alarm is", "alarms are")
    page = f"{base}/alarms" if base else "page Alarms of its web admin."
    lines.append(f"{count} open now. Service center {notice.service}, {page}")
    return "\n".join(lines) + "\n"


def as_json(notice: Notice, zone: str, web_url: str = "") -> dict[str, Any]:
    """Return the message for programs; chat programs show its ``text``."""
    return {
        "service": notice.service,
        "text": f"{subject(notice)}\n\n{text(notice, zone, web_url)}",
        "opened": [alarm_json(each) for each in notice.begun],
        "closed": [alarm_json(each) for each in notice.over],
        "open": notice.open,
    }


def alarm_json(record: AlarmRecord) -> dict[str, Any]:
    """Return an alarm as the API and messages represent it; times in Unix s."""
    return {
        "id": record.id,
        "number": record.number,
        "state": "open" if record.until is None else "closed",
        "severity": record.severity,
        "text": record.text,
        "href": record.href,
        "since": record.since,
        "until": record.until,
        "returns": record.returns,
        "acknowledged_by": record.acknowledged_by,
        "acknowledged_at": record.acknowledged_at,
    }


def _section(title: str, records: Sequence[AlarmRecord], zone: str, base: str) -> Iterator[str]:
    if records:
        yield title
        for each in sorted(records, key=lambda each: (each.severity != "error", each.since))[:MAX_LINES]:
            yield f"- {each.text} ({each.severity}, {_span(each, zone)})"
            if base and each.href:
                yield f"  {base}{each.href}"
        if len(records) > MAX_LINES:
            yield f"- and {len(records) - MAX_LINES} more"
        yield ""


def _span(record: AlarmRecord, zone: str) -> str:
    span = f"since {_moment(record.since, zone)}"
    if record.returns and record.until is None:
        span = f"again, first {span}"
    if record.until is not None:
        span = f"{span} until {_moment(record.until, zone)}"
    if record.returns:
        span = f"{span}, came back {many(record.returns, 'time')}"
    return span


def _moment(at: float, zone: str) -> str:
    moment = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone))
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"


def _and_more(count: int) -> str:
    return f" and {count - 1} more" if count > 1 else ""


def _short(line: str) -> str:
    plain = " ".join(line.split())
    return plain if len(plain) <= MAX_SUBJECT else f"{plain[: MAX_SUBJECT - 1]}…"
