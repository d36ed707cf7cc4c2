"""Formats of numbers, durations and times for people: filters and functions of the templates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Undefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from bssci.center.retention import full_in
from bssci.model.counts import THIN_SPACE, grouped
from bssci.model.differences import quoted
from bssci.model.eui import EUI_IN_TEXT
from bssci.model.iso_times import iso_milliseconds

NOTHING = "\N{EN DASH}"
"""text for unknown values"""
LONGEST = 21
"""digits before the decimal point that are written out"""
_SHORT = {"co2": "CO\N{SUBSCRIPT TWO}", "co": "CO", "tvoc": "TVOC", "ph": "pH", "rssi": "RSSI", "snr": "SNR"}
_SEPARATORS = str.maketrans("_.-", "   ")
"""translation of the separators of words in the name of a reading"""
_NO_ATTRIBUTES = Markup("")
_QUOTED = re.compile(r'^$|,|^"|^\s|\s$')
"""parts of texts that need quotation marks in a list"""
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_OK = {"online", "attached", "done", "acknowledged", "ok", "delivered", "active"}
_WARNING = {"warning", "partial", "connecting", "expired", "warn", "unanswered", "auto-detached"}
_ERROR = {"failed", "refused", "blocked", "error", "critical", "invalid", "attach_failed", "detach_failed"}
_INFO = {"queued", "sent", "pending", "info", "expected"}


def _missing(value: object) -> bool:
    return value is None or isinstance(value, Undefined) or value == ""


def number(value: Any, digits: int = 0, unit: str = "") -> str:
    """Return a number such as ``12 345.6 dB``, with grouped digits and a space that does not break before
    the unit; a number of more than :data:`LONGEST` digits with a power of ten.

    :param digits: digits after the decimal point.
    """
    if _missing(value):
        return NOTHING
    given = float(value)
    text = grouped(given, digits) if abs(given) < 10.0**LONGEST else f"{given:.6g}"
    text = text.replace("-", "\N{MINUS SIGN}")
    return f"{text}{THIN_SPACE}{unit}" if unit else text


def measured(value: Any, unit: str | None = "") -> str:
    """Return a decoded value: yes or no, text, or a number rounded to thousandths, or to three significant
    digits if that would be zero.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return NOTHING if _missing(value) else str(value)
    rounded = round(value, 3)
    if not rounded and value:
        text = f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
        return f"{text}{THIN_SPACE}{unit}" if unit else text
    digits = next(places for places in range(4) if round(rounded, places) == rounded)
    return number(rounded, digits, unit or "")


def words(name: Any) -> str:
    """Return the name of a reading as words: ``battery_voltage`` as ``Battery voltage``."""
    text = str(name).translate(_SEPARATORS).strip() or str(name)
    return _SHORT.get(text) or text[:1].upper() + text[1:]


def rank(name: str, value: Any) -> int:
    """Return a value's place among those of a device, the most telling first: flags that are true, then
    measurements, then the battery and counts of messages, then flags that are false.
    """
    if isinstance(value, bool):
        return 0 if value else 3
    return 2 if name.startswith("battery") or name.endswith("_count") else 1


def typed(value: Any) -> str:
    """Return a number as people type it into a field, ``10`` and not ``10.0``; empty for an unknown one."""
    return "" if _missing(value) else f"{value:.15g}"


def percent(value: Any, digits: int = 0) -> str:
    """Return a share (0..1) in percent."""
    return NOTHING if _missing(value) else number(float(value) * 100, digits, "%")


def share(value: Any) -> Any:
    """Return a load as a share (0..1); some base stations report it in percent."""
    return value / 100 if isinstance(value, (int, float)) and value > 1 else value


def duration(seconds: Any) -> str:
    """Return the two largest parts of a duration: ``3 d 4 h``, ``2 min 5 s``."""
    if _missing(seconds):
        return NOTHING
    left = max(float(seconds), 0.0)
    if left < 10:
        return f"{left:.1f}{THIN_SPACE}s" if left % 1 >= 0.05 else f"{left:.0f}{THIN_SPACE}s"
    parts: list[tuple[int, str]] = []
    whole = round(left)
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (1, "s")):
        count, whole = divmod(whole, size)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count}{THIN_SPACE}{unit}" for count, unit in parts[:2] if count)


def octets(hexadecimal: Any) -> str:
    """Return ``0a0b0c`` as ``0A 0B 0C``."""
    if _missing(hexadecimal):
        return NOTHING
    text = str(hexadecimal).upper()
    return " ".join(text[at : at + 2] for at in range(0, len(text), 2))


def payload(hexadecimal: Any) -> str:
    """Return a payload that is JSON as this text, and any other as octets."""
    if not _missing(hexadecimal) and str(hexadecimal)[:2] in ("7b", "5b"):
        try:
            text = bytes.fromhex(str(hexadecimal)).decode()
        except ValueError:
            return octets(hexadecimal)
        if text.isprintable():
            return text
    return octets(hexadecimal)


def listed(texts: Iterable[str]) -> str:
    """Return texts with commas between them, as a field of a form takes them: those that have a comma are in
    quotation marks.
    """
    return ", ".join(quoted(text) if _QUOTED.search(text) else text for text in texts)


def with_euis(text: Any) -> Markup:
    """Return a text in which each EUI is marked, so that it stays on one line; lines may end at commas,
    as in ``CN=70B3D56770111505,O=Example``.
    """
    marked, end = Markup(""), 0
    for match in EUI_IN_TEXT.finditer(str(text)):
        marked += Markup('{}<span class="eui">{}</span>').format(str(text)[end : match.start()], match[0])
        end = match.end()
    return (marked + str(text)[end:]).replace(",", Markup(",<wbr>"))


def fingerprint(hexadecimal: Any) -> str:
    """Return the fingerprint of a certificate as other tools print it: ``AB:CD:…``."""
    return NOTHING if _missing(hexadecimal) else octets(str(hexadecimal).replace(":", "")).replace(" ", ":")


def tone(state: Any) -> str:
    """Return the CSS class that colours a state: ok, warning, error, info or off."""
    word = str(state)
    for group, name in ((_OK, "ok"), (_WARNING, "warning"), (_ERROR, "error"), (_INFO, "info")):
        if word in group:
            return name
    return "off"


@pass_context
def days_tone(context: Mapping[str, Any] | Context, days: Any) -> str:
    """Return the CSS class that colours the expiry of a certificate, by the days left.

    It is a warning from ``certificate_days`` of the context on, as for alarms.
    """
    if _missing(days):
        return "off"
    return "error" if days < 0 else "warning" if days < context["certificate_days"] else "ok"


_LAST_TIME = 253_370_764_800.0
"""Unix seconds of the year 9999, which the calendar ends with"""


@pass_context
def moment(context: Context, at: Any) -> str | Markup:
    """Return a time to the second, which the browser converts to the viewer's time zone."""
    if _is_no_time(at):
        return NOTHING
    return _time(at, f"{_in_zone(at, context):%Y-%m-%d %H:%M:%S}")


@pass_context
def ago(context: Context, at: Any) -> str | Markup:
    """Return how long ago a time is, which the browser keeps up to date."""
    if _is_no_time(at):
        return NOTHING
    return _time(at, since(float(context["now"]) - float(at)), Markup(" data-ago"))


@pass_context
def day(context: Context, at: Any) -> str | Markup:
    """Return the date of a time, which the browser converts to the viewer's time zone."""
    if _is_no_time(at):
        return NOTHING
    return _time(at, f"{_in_zone(at, context):%Y-%m-%d}", Markup(" data-day"))


@pass_context
def clock(context: Context, at: float, span: float) -> Markup:
    """Return a label for the time axis of a chart: the time of day, or the date if it spans more than a day.

    :param span: length of the axis in s.
    """
    form = "%H:%M" if span <= _DAY else "%m-%d"
    kind = Markup(" data-tick=clock") if span <= _DAY else Markup(" data-tick=date")
    return _time(at, f"{_in_zone(at, context):{form}}", kind)


def since(seconds: float) -> str:
    """Return a text such as ``5 min ago``; ``just now`` for less than 5 s."""
    return "just now" if seconds < 5 else f"{_largest(seconds)} ago"


def _largest(seconds: float) -> str:
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= size:
            return f"{int(seconds // size)}{THIN_SPACE}{unit}"
    return f"{int(seconds)}{THIN_SPACE}s"


def _is_no_time(at: Any) -> bool:
    """Return whether there is no such point in time, also because an entry of the journal is damaged."""
    return _missing(at) or not 0 <= float(at) <= _LAST_TIME


def _time(at: Any, text: str, attributes: Markup = _NO_ATTRIBUTES) -> Markup:
    utc = datetime.fromtimestamp(float(at), UTC)
    title = f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}"{}>{}</time>').format(
        iso_milliseconds(float(at)), title, attributes, text
    )


def _in_zone(at: Any, context: Mapping[str, Any] | Context) -> datetime:
    try:
        zone = ZoneInfo(str(context.get("timezone") or "UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    return datetime.fromtimestamp(float(at), zone)


def link(path: str, args: dict[str, Any] | None = None, **changes: Any) -> str:
    """Return a path with a query made of ``args`` and ``changes``, without empty values."""
    values = {**(args or {}), **changes}
    query = urlencode({name: value for name, value in values.items() if value not in (None, "")})
    return f"{path}?{query}" if query else path


FILTERS = {
    "full_in": full_in,
    "number": number,
    "measured": measured,
    "words": words,
    "percent": percent,
    "share": share,
    "duration": duration,
    "octets": octets,
    "payload": payload,
    "listed": listed,
    "typed": typed,
    "with_euis": with_euis,
    "fingerprint": fingerprint,
    "tone": tone,
    "days_tone": days_tone,
    "moment": moment,
    "ago": ago,
    "day": day,
    "clock": clock,
}
