"""Events as sentences for people, and the state by which each is coloured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bssci.decoders.bluetooth import presence
from bssci.model.counts import many
from bssci.web.formats import duration, number, percent, share

Described = Mapping[str, Any]
"""an event as :func:`bssci.web.live.event_json.event_dict` describes it"""


GATEWAYS = ("scanner", "controller")
"""kinds of devices that are gateways themselves, and report about themselves"""


def sentence(event: Described) -> str:
    """Return an event as a sentence such as ``Came online, session resumed``, without the EUIs and ids of
    devices, which are shown beside it.
    """
    say = _SENTENCES.get(event["kind"])
    return say(event) if say is not None else str(event["kind"]).replace("-", " ")


def state_of(event: Described) -> str:
    """Return the state by which an event is coloured."""
    if event["kind"] == "alarm":
        return str(event["severity"] if event["state"] == "open" else "ok")
    said = event.get("state") or event.get("action") or event.get("status")
    if event["kind"] in _SILENCE:
        return "warning"
    return str(said or _STATES.get(event["kind"], "info"))


def _uplink(event: Described) -> str:
    size = event.get("size", 0)
    known = "" if event.get("known", True) else " from an unknown sensor"
    copies = event.get("duplicates", 0)
    merged = f", {many(copies, 'copy', 'copies')} merged" if copies else ""
    return f"Uplink {event['cnt']}{known}, {many(size, 'byte')}{merged}"


def _sensor_status(event: Described) -> str:
    air = " over the air" if event.get("over_the_air") else ""
    match event["action"]:
        case "attached":
            return f"Attached{air}"
        case "detached":
            return f"Detached{air}"
    what = "Attaching" if event["action"] == "attach_failed" else "Detaching"
    return f"{what} was refused{_because(event)}"


def _because(event: Described) -> str:
    code = event.get("code")
    parts = [str(event.get("message") or ""), f"code {code}" if code is not None else ""]
    reason = ", ".join(filter(None, parts))
    return f": {reason}" if reason else ""


def _auto_detached(event: Described) -> str:
    return f"Detached after {_hours(event['inactive_hours'])} of silence"


def _warning(event: Described) -> str:
    silent, left = _hours(event["inactive_hours"]), _hours(event["hours_until_detach"])
    return f"Silent for {silent}; detached in {left} unless it is heard"


def _station_problem(event: Described) -> str:
    side = "The service center" if event["direction"] == "sent" else "The base station"
    times = f", {event['count']} times" if event["count"] > 1 else ""
    return f"{side} refused a message{_because(event)}{times}"


def _gateway_state(event: Described) -> str:
    kind, reason = str(event["gateway_kind"]).capitalize(), event.get("reason")
    called = event.get("name") or event["gateway"]
    return f"{kind} {called} is {event['state']}" + (f": {reason}" if reason else "")


def _telegram(event: Described) -> str:
    kind, own = event["device"].partition(":")[::2]
    envelope = event.get("envelope") or {}
    place = envelope.get(presence.FIELD)
    if isinstance(place, Mapping):
        return "Place: nearest to one scanner" if place.get("scanner") else "Place: away, no scanner hears it"
    if kind in GATEWAYS and own == event["gateway"]:
        return f"Report of the {kind}"
    what = _DIRECTIONS.get(str(envelope.get("direction")), "Advertisement" if kind == "ble" else "Telegram")
    size = len(event.get("dataHex") or "") // 2
    return f"{what}, {many(size, 'byte')}"


_DIRECTIONS = {"stat": "State", "tele": "Measurement", "cmnd": "Command"}
"""kind of a controller's message, by the first level of its topic"""


def _hours(hours: float) -> str:
    return duration(hours * 3600)


def _problem(event: Described) -> str:
    return f"{str(event['action']).replace('_', ' ').capitalize()} went wrong: {event['message']}"


def _command(event: Described) -> str:
    error = event.get("error")
    why = f": {getattr(error, 'message', None) or error['message']}" if error else ""
    return f"Command {event['command']} {event['status']}{why}"


def _downlink(event: Described) -> str:
    return f"Downlink {event['queId']} {event['status']}{_because(event)}"


def _downlink_reception(event: Described) -> str:
    signal = f"{number(event['snr'], 1, 'dB')}, {number(event['rssi'], 0, 'dBm')}"
    return f"Downlink received by the sensor with {signal}"


def _station_status(event: Described) -> str:
    parts = [f"{name} {form(event[field])}" for name, field, form in _STATUS if event.get(field) is not None]
    return f"Status: {', '.join(parts)}" if parts else "Status"


def _load(value: float) -> str:
    return percent(share(value))


def _degrees(value: float) -> str:
    return number(value, 1, "\N{DEGREE SIGN}C")


_STATUS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("CPU", "cpuLoad", _load),
    ("memory", "memLoad", _load),
    ("duty cycle", "dutyCycle", _load),
    ("temperature", "temp", _degrees),
    ("running for", "uptime", duration),
)


def _station_state(event: Described) -> str:
    if event["state"] == "online":
        attached = event.get("attached")
        serves = f", {many(attached, 'sensor')} attached" if attached else ""
        return f"Came online, {'session resumed' if event.get('resumed') else 'new session'}{serves}"
    reason = event.get("reason")
    return f"Went offline: {reason}" if reason else "Went offline"


def _alarm(event: Described) -> str:
    if event["state"] == "closed":
        return f"Over: {event['text']}"
    by = event.get("acknowledged_by")
    return f"Alarm{f', acknowledged by {by}' if by else ''}: {event['text']}"


def _variable_mac(event: Described) -> str:
    return f"Telegram of MAC type {event['mac_type']}, {len(event['payload']) // 2} bytes"


_SENTENCES: dict[str, Callable[[Described], str]] = {
    "uplink": _uplink,
    "sensor-status": _sensor_status,
    "sensor-auto-detached": _auto_detached,
    "sensor-warning": _warning,
    "sensor-problem": _problem,
    "command-response": _command,
    "downlink-status": _downlink,
    "downlink-reception": _downlink_reception,
    "station-status": _station_status,
    "station-problem": _station_problem,
    "station-state": _station_state,
    "variable-mac-uplink": _variable_mac,
    "alarm": _alarm,
    "telegram": _telegram,
    "gateway-state": _gateway_state,
}
KINDS: tuple[str, ...] = tuple(_SENTENCES)
_SILENCE = ("sensor-auto-detached", "sensor-warning")
_STATES = {
    "sensor-problem": "failed",
    "station-problem": "failed",
}
