"""Conditions that become alarms when they hold for long enough: pure functions of the center's state.

The id of a condition is its kind and its subject, ``station-offline:CAFE000000000001``, or the kind alone
where there is only one subject. It identifies the alarm in the API, and is its topic on MQTT.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from bssci.center.alarms.judging import (
    CERTIFICATE_SEVERITY,
    SILENT,
    certificate_state,
    fill_severity,
)
from bssci.center.devices.endpoints import WrongEntry
from bssci.center.retention import FULL, FULL_SOON
from bssci.center.silence.standing import Standing
from bssci.journal import RefusedConnection, Usage
from bssci.model import EUI, Sensor
from bssci.model.counts import grouped, many
from bssci.model.events import GatewayState, StationState
from bssci.model.iso_times import iso_day
from bssci.model.states import Severity
from bssci.stations.causes import BLOCKED, OF_STATIONS
from bssci.stations.station import ConnectionState, Station

REFUSED_LATELY = 900.0
"""s for which a refused connection keeps its alarm open"""
MANY_ERRORS = 10
"""protocol errors of one station within ten minutes that are an alarm"""
MANY_COMINGS = 6
"""times that one station came online within ten minutes that are an alarm"""
LEARNED = frozenset({"protocol-errors", "station-unsteady", "alarms-not-told"})
"""kinds of conditions that show only when something happens, which is remembered in memory only"""
SLOW_DISK = 10.0
"""s for which the journal may fail before that is an alarm: a slow write is over by then, a refusal is not"""
FAILING_AFTER = 30.0
"""s for which a sink or a source may fail before that is an alarm"""
MAX_OF_KIND = 20
"""separate alarms of one kind; if there are more, one alarm stands for all others"""
MANY = "many"
"""subject of the alarm that stands for all others"""


class Condition(NamedTuple):
    """A condition that holds now."""

    id: str
    severity: Severity
    text: str
    href: str
    """page of the web admin with details"""
    since: float | None = None
    """Unix seconds since when the condition has held; None: unknown"""
    patience: float = 0.0
    """s for which it must hold before it is an alarm"""


class CertificateSpan(NamedTuple):
    """A certificate that is in use."""

    subject: str
    """subject of the alarm about it"""
    name: str
    """owner of the certificate, for people"""
    begins_at: float
    """Unix seconds"""
    ends_at: float
    """Unix seconds"""
    href: str = "/certificates"
    """page that shows it"""


class ChannelState(NamedTuple):
    """State of a notification channel that is configured."""

    name: str
    needs: str
    """settings that the channel needs, in words"""
    trouble: str
    """reason for which the last message could not be sent; empty: it was sent"""


def condition_kind(alarm_id: str) -> str:
    """Return the kind of a condition by its id."""
    return alarm_id.partition(":")[0]


def stands_for_all(alarm_id: str) -> bool:
    """Return whether a condition stands for all of its kind, and its text tells how many they are."""
    return alarm_id.partition(":")[2] == MANY


def of_stations(
    stations: Iterable[Station], is_blocked: Callable[[EUI], bool], started_at: float, patience: float
) -> Iterator[Condition]:
    """Yield base stations that are offline, except those that have never connected or are blocked.

    :param started_at: Unix seconds of the service's start, from which on their absence counts.
    :param patience: s that a station may be offline.
    """
    for station in stations:
        if (
            station.connection is ConnectionState.OFFLINE
            and station.has_connected
            and not is_blocked(station.eui)
        ):
            yield Condition(
                f"station-offline:{station.eui}",
                "error",
                f"Base station {named(station.state.name, station.eui)} is offline",
                f"/stations/{station.eui}",
                max(station.record.last_seen_at, started_at),
                patience,
            )


def of_protocol_errors(stations: Iterable[Station], now: float) -> Iterator[Condition]:
    """Yield base stations with many protocol errors lately."""
    for station in stations:
        count = station.faults.lately.count(now)
        if count >= MANY_ERRORS:
            yield Condition(
                f"protocol-errors:{station.eui}",
                "warning",
                f"Base station {named(station.state.name, station.eui)}: many protocol errors",
                f"/stations/{station.eui}",
            )


def of_unsteady_stations(
    stations: Iterable[Station], is_blocked: Callable[[EUI], bool], now: float
) -> Iterator[Condition]:
    """Yield base stations that lose their connection again and again, each time too briefly for an alarm."""
    for station in stations:
        if station.comings.count(now) >= MANY_COMINGS and not is_blocked(station.eui):
            yield Condition(
                f"station-unsteady:{station.eui}",
                "warning",
                f"Base station {named(station.state.name, station.eui)} keeps losing its connection",
                f"/stations/{station.eui}",
            )


def of_refusals(
    refusals: Iterable[RefusedConnection], now: float, state_of: Callable[[EUI], StationState | None]
) -> Iterator[Condition]:
    """Yield stations that were refused lately, and have not connected since.

    An address without a certificate is a port scanner, and blocked stations are meant to be refused.

    :param state_of: returns the state of a station; None if it is not known.
    """
    found: dict[str, tuple[RefusedConnection, str]] = {}
    for each in refusals:
        if each.reason == BLOCKED.reason:
            continue
        eui = each.base_station_eui
        state = state_of(eui) if eui is not None else None
        # One that went offline afterwards had got in before.
        if state is not None and state.at >= each.at:
            continue
        is_station = eui or each.subject or each.reason in OF_STATIONS
        if now - each.at < REFUSED_LATELY and is_station:
            subject = eui or each.address
            # Somebody else, or a second connection: the station itself was let in.
            is_in = state is not None and state.state == "online"
            who = f"A connection that calls itself {subject}, which is online," if is_in else subject
            found.setdefault(subject, (each, who))
    for subject, (each, who) in found.items():
        yield Condition(
            f"station-refused:{_level(subject)}",
            "warning",
            f"{who} is refused: {each.reason}",
            "/stations#refused",
            each.at,
        )


def of_gateways(states: Iterable[GatewayState]) -> Iterator[Condition]:
    """Yield scanners and controllers that are offline."""
    for each in states:
        if each.state == "offline":
            text = f"{each.gateway_kind.capitalize()} {each.name or each.gateway} is offline: {each.reason}"
            yield Condition(f"gateway-offline:{_level(each.gateway)}", "warning", text, "/gateways", each.at)


def of_sources(statistics: Mapping[str, Mapping[str, Any]]) -> Iterator[Condition]:
    """Yield sources that fail."""
    for name, figures in statistics.items():
        if figures["trouble"]:
            text = f"The source {name} delivers nothing: {figures['trouble']}"
            yield Condition(f"source-failing:{name}", "error", text, "/", patience=FAILING_AFTER)


def of_sensor(sensor: Sensor, standing: Standing) -> Condition | None:
    """Return the condition of a silent sensor; None if it is not silent."""
    if standing.state not in SILENT:
        return None
    what = "was detached because it is silent" if standing.state == "auto-detached" else "is silent"
    return Condition(
        f"sensor-silent:{sensor.eui}",
        "warning",
        f"Sensor {named(sensor.name, sensor.eui)} {what}",
        f"/sensors/{sensor.eui}",
        standing.silent_since,
    )


def of_sinks(statistics: Mapping[str, Mapping[str, Any]], patience: float) -> Iterator[Condition]:
    """Yield sinks that fail, and those that are behind.

    :param patience: s that the oldest event of a sink may wait.
    """
    for name, figures in statistics.items():
        if figures["failing"]:
            why = f": {figures['trouble']}" if figures["trouble"] else ""
            text = f"{name} cannot deliver{why}"
            yield Condition(f"sink-failing:{name}", "error", text, "/#sinks", patience=FAILING_AFTER)
        if figures["warning"]:
            text = f"{name} delivers, but something is wrong: {figures['warning']}"
            yield Condition(f"sink-warning:{name}", "warning", text, "/#sinks", patience=FAILING_AFTER)
        if figures["oldest_seconds"] > patience:
            text = f"{name} is behind: events wait for more than {patience:.0f} s"
            yield Condition(f"sink-backlog:{name}", "warning", text, "/#sinks")


def of_journal(usage: Usage, is_failing: bool, forecast: str = "") -> Iterator[Condition]:
    """Yield a journal that fills up or cannot store.

    :param is_failing: see :meth:`bssci.center.storing.Storing.is_failing`.
    :param forecast: when it will be full: ``, full in 2.5 days``.
    """
    page = "/config#JOURNAL_MAX_SIZE"
    if is_failing:
        text = "The journal cannot store: uplinks are refused, base stations keep them"
        yield Condition("journal-failing", "error", text, "/logs?level=error", patience=SLOW_DISK)
        forecast = ""
    severity = fill_severity(usage.share)
    if severity is not None:
        percent = int(100 * (FULL if severity == "error" else FULL_SOON))
        text = f"The journal is more than {percent} % full of events that sinks have yet to take{forecast}"
        yield Condition("journal-filling", severity, text, page)


def of_listening(is_listening: bool) -> Iterator[Condition]:
    """Yield the condition that base stations cannot connect."""
    if not is_listening:
        yield Condition("not-listening", "error", "Base stations cannot connect", "/logs", patience=10.0)


def of_certificates(spans: Iterable[CertificateSpan], now: float, days: float) -> Iterator[Condition]:
    """Yield certificates that expire soon, have expired, or are not valid yet.

    :param now: Unix seconds.
    :param days: days before it expires from which on a certificate counts.
    """
    for each in spans:
        state = certificate_state(each.begins_at, each.ends_at, now, days)
        if state is None:
            continue
        what = {
            "early": f"is valid only from {iso_day(each.begins_at)}",
            "ended": f"expired on {iso_day(each.ends_at)}",
            "ending": f"expires on {iso_day(each.ends_at)}",
        }[state]
        text = f"{each.name}: the certificate {what}"
        severity = CERTIFICATE_SEVERITY[state]
        yield Condition(f"certificate-ends:{_level(each.subject)}", severity, text, each.href)


def of_provisioned(ends: Iterable[tuple[float, str]], now: float) -> Iterator[Condition]:
    """Yield provisioned devices whose certificates expire soon or have expired.

    :param ends: Unix seconds of expiry, and name, of the certificates that expire soon.
    :param now: Unix seconds.
    """
    for at, name in ends:
        text = f"Device {name}: the certificate {'has expired' if at < now else 'expires soon'}"
        href = f"/provisioned/{quote(name, safe='')}"
        yield Condition(f"device-certificate-ends:{_level(name)}", "warning", text, href)


def of_channels(channels: Iterable[ChannelState]) -> Iterator[Condition]:
    """Yield notification channels that are configured but cannot send; other channels report that."""
    for each in channels:
        if each.trouble:
            text = f"Alarms are not sent by {each.name}: {each.trouble}"
            page = f"/config#{each.needs.partition(' ')[0]}"
            yield Condition(f"alarms-not-told:{each.name}", "error", text, page)


def of_device_registry(trouble: str) -> Iterator[Condition]:
    """Yield the condition that the registry of provisioned devices cannot be read."""
    if trouble:
        text = f"The registry of devices cannot be read: {trouble}"
        yield Condition("device-registry-unusable", "warning", text, "/provisioned")


def of_unused_settings(trouble: str) -> Iterator[Condition]:
    """Yield the condition that ``.env``, which somebody changed, cannot be used: a start would be refused."""
    if trouble:
        text = f"The settings stay as they were, as .env cannot be used: {trouble}"
        yield Condition("settings-unusable", "warning", text, "/config")


def of_log(trouble: str) -> Iterator[Condition]:
    """Yield the condition that LOG_FILE cannot be written."""
    if trouble:
        text = f"The log file cannot be written, and lines are missing there: {trouble}"
        yield Condition("log-failing", "warning", text, "/logs")


class HasTrouble(Protocol):
    """Certificates in use; ``trouble`` is why their present files are not, or empty."""

    @property
    def trouble(self) -> str: ...


def of_unused_certificates(used: Iterable[HasTrouble]) -> Iterator[Condition]:
    """Yield the condition that certificate files, which somebody changed, cannot be used."""
    trouble = next((each.trouble for each in used if each.trouble), "")
    if trouble:
        text = f"The certificates stay as they were, as their files cannot be used: {trouble}"
        yield Condition("certificates-unusable", "warning", text, "/certificates")


def of_wrong_entries(wrong: Sequence[WrongEntry], trouble: str = "") -> Iterator[Condition]:
    """Yield the condition that endpoints.json has invalid entries, or is not in force as a whole.

    :param trouble: reason why the present file is not in force.
    """
    if trouble:
        text = f"The sensors stay as they were, as their file cannot be used: {trouble}"
        yield Condition("endpoints-wrong", "warning", text, "/sensors")
    elif wrong:
        count = len(wrong)
        some = many(count, "entry", "entries")
        text = f"{some} of endpoints.json cannot be used; the first: {wrong[0]}"
        yield Condition("endpoints-wrong", "warning", text, "/sensors")


def of_decoders(report: Mapping[str, Any] | None) -> Iterator[Condition]:
    """Yield decoders that are paused because they took too long, and decoder files that cannot be used.

    :param report: result of :meth:`bssci.center.decoding.decoders.Decoders.report`.
    """
    if report is None:
        return
    for rest in report["resting"]:
        text = f"Decoder {rest['decoder']} is paused: {rest['reason']}"
        yield Condition(f"decoder-rests:{_level(rest['decoder'])}", "warning", text, "/decoders")
    if report["problems"]:
        text = f"A decoder cannot be used: {report['problems'][0]}"
        yield Condition("decoder-unusable", "warning", text, "/decoders")


def bounded(conditions: Iterable[Condition], is_open: Container[str]) -> Iterator[Condition]:
    """Yield conditions, at most :data:`MAX_OF_KIND` of each kind, and one that stands for all others.

    If there are more, those that are alarms already come first.

    :param is_open: ids of the open alarms.
    """
    by_kind: dict[str, list[Condition]] = {}
    for each in conditions:
        by_kind.setdefault(condition_kind(each.id), []).append(each)
    for kind, found in by_kind.items():
        if len(found) <= MAX_OF_KIND:
            yield from found
            continue
        known = [each for each in found if each.id in is_open]
        yield from known[:MAX_OF_KIND]
        first = max(found, key=lambda each: each.severity == "error")
        begins = sorted(each.since for each in found if each.since is not None)
        # Since when there are more than so many, and not since the newest began: ever newer ones may come.
        since = begins[MAX_OF_KIND] if len(begins) > MAX_OF_KIND else None
        page = "/" + first.href.strip("/").split("/")[0].partition("#")[0]
        text = f"{first.text}, and {grouped(len(found) - 1)} more like it"
        yield first._replace(id=f"{kind}:{MANY}", text=text, href=page, since=since)


def named(name: str | None, eui: EUI) -> str:
    """Return name and EUI: a name may not be unique, and an EUI alone tells people little."""
    return f"{name} ({eui})" if name and eui not in name else str(name or eui)


def _level(subject: str) -> str:
    """Return a text quoted as one level of a topic and one segment of a path."""
    return quote(subject, safe="")
