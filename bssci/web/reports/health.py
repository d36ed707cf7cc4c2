"""Health of the service in one sentence, and its problems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bssci.center.alarms.conditions import condition_kind, stands_for_all
from bssci.center.alarms.judging import CERTIFICATE_SEVERITY, certificate_state, fill_severity
from bssci.center.retention import full_in
from bssci.certificates.store import BUNDLE
from bssci.journal import AlarmRecord
from bssci.model.counts import grouped, many
from bssci.model.states import Severity
from bssci.web.formats import link


class HealthProblem(NamedTuple):
    """A problem of the service, with a link to details."""

    severity: Severity
    text: str
    href: str
    """page that shows more of it, or where it can be fixed"""
    detail: str = ""
    """the fault as it was reported"""


def health_sentence(problems: Sequence[HealthProblem], online: int, watched: int = 0) -> str:
    """Return one sentence about the service.

    :param online: base stations.
    :param watched: open alarms whose condition is over.
    """
    if not problems and watched:
        return f"All is well again; {many(watched, 'alarm is', 'alarms are')} watched for a while."
    if not problems:
        return "All is well." if online else "The service is ready and waits for its first base station."
    first, *others = problems
    text = first.text
    if first.severity == "warning":
        text = f"The service runs, but {text if text[1:2].isupper() else text[0].lower() + text[1:]}"
    return f"{text}; {many(len(others), 'more problem', 'more problems')}." if others else f"{text}."


def short_verdict(problems: Sequence[HealthProblem], online: int, watched: int = 0) -> str:
    """Return the short verdict that every page shows in its corner.

    :param problems: the worst comes first.
    :param online: base stations.
    :param watched: open alarms whose condition is over.
    """
    if not problems and watched:
        return f"All is well, {grouped(watched)} watched"
    if not problems:
        return "All is well" if online else "Ready, no base station yet"
    errors = sum(each.severity == "error" for each in problems)
    if errors:
        others = len(problems) - errors
        return many(errors, "error") + (f", {grouped(others)} more" if others else "")
    return many(len(problems), "warning")


def brief_verdict(problems: Sequence[HealthProblem], watched: int = 0) -> str:
    """Return the verdict for the corner of a narrow screen, in two words at most.

    :param watched: open alarms whose condition is over.
    """
    if problems:
        return str(len(problems))
    return f"{watched} watched" if watched else "OK"


def worst_first(problems: Iterable[HealthProblem]) -> list[HealthProblem]:
    return sorted(problems, key=lambda problem: problem.severity != "error")


def of_service(status: Mapping[str, Any], listening: bool) -> Iterator[HealthProblem]:
    """Yield the problems of the service.

    :param status: result of :meth:`bssci.web.reports.status.StatusViews.status`.
    """
    journal = status["journal"]
    fill = fill_severity(journal["undelivered"] / journal["max_size"])
    if not journal["writable"]:
        text = "The journal cannot store: uplinks are refused, and base stations are told to keep them"
        if fill == "error":
            yield HealthProblem("error", text, "/config#JOURNAL_MAX_SIZE", "JOURNAL_MAX_SIZE is reached")
        else:
            yield HealthProblem("error", text, "/logs?level=error", journal["trouble"])
    elif fill is not None:
        percent = round(100 * journal["undelivered"] / journal["max_size"])
        text = f"The journal is {percent} % full{full_in(journal['full_in_days'])}"
        yield HealthProblem(fill, text, "/config#JOURNAL_MAX_SIZE", "sinks have not taken these events yet")
    if journal["unreadable"]:
        text = many(journal["unreadable"], "entry of the journal is", "entries of the journal are")
        yield HealthProblem("warning", f"{text} damaged and skipped", "/logs?level=error")
    if not listening:
        yield HealthProblem("error", "Base stations cannot connect", "/logs")


def of_stations(counts: Mapping[str, int], alarmed: bool) -> Iterator[HealthProblem]:
    """Yield the problems of base stations.

    :param counts: base stations by state; those that are blocked, or never connected, are not offline.
    :param alarmed: there is an alarm that one is offline, which is an error here as it is there.
    """
    if counts["offline"] and not counts["online"]:
        yield HealthProblem("error", "No base station is connected", "/stations")
    elif counts["offline"]:
        text = f"{many(counts['offline'], 'base station is', 'base stations are')} offline"
        yield HealthProblem("error" if alarmed else "warning", text, "/stations?state=offline")


SAID_HERE = frozenset(
    {
        "certificate-ends",
        "decoder-rests",
        "decoder-unusable",
        "device-certificate-ends",
        "device-registry-unusable",
        "endpoints-wrong",
        "gateway-offline",
        "journal-failing",
        "journal-filling",
        "not-listening",
        "sensor-silent",
        "sink-backlog",
        "sink-failing",
        "sink-warning",
        "source-failing",
        "station-offline",
    }
)
"""kinds of alarms that the other functions of this module put into words of their own"""


def of_alarms(alarms: Iterable[AlarmRecord]) -> Iterator[HealthProblem]:
    """Yield a problem for each kind of open alarms that nothing else here puts into words.

    :param alarms: the open alarms whose conditions hold.
    """
    by_kind: dict[str, list[AlarmRecord]] = {}
    for each in alarms:
        kind = condition_kind(each.id)
        if kind not in SAID_HERE:
            by_kind.setdefault(kind, []).append(each)
    for found in by_kind.values():
        first = min(found, key=lambda each: each.severity != "error")
        others = f", and {len(found) - 1} more like it" if len(found) > 1 else ""
        # One may stand for all of its kind, and says how many they are.
        first, others = next(((each, "") for each in found if stands_for_all(each.id)), (first, others))
        href = first.href if len(found) == 1 else "/alarms?state=open"
        yield HealthProblem(first.severity, f"{first.text}{others}", href)


def of_requests(statistics: Mapping[str, Mapping[str, Any]]) -> Iterator[HealthProblem]:
    """Yield the sinks that requests do not reach.

    :param statistics: figures of the requests by sink.
    """
    for name, figures in statistics.items():
        if figures.get("trouble"):
            text = f"Requests do not reach {name}"
            yield HealthProblem("warning", text, "/logs?level=error", figures["trouble"])


def of_sensors(counts: Mapping[str, int]) -> Iterator[HealthProblem]:
    """Yield the problems of sensors.

    :param counts: sensors by status.
    """
    if counts["refused"]:
        text = f"{many(counts['refused'], 'sensor is', 'sensors are')} refused by a base station"
        yield HealthProblem("warning", text, "/sensors?status=refused")
    if counts["warning"]:
        text = f"{many(counts['warning'], 'sensor is', 'sensors are')} silent and about to be detached"
        yield HealthProblem("warning", text, "/sensors?status=warning")
    if counts["auto-detached"]:
        text = f"{many(counts['auto-detached'], 'sensor was', 'sensors were')} detached because of silence"
        yield HealthProblem("warning", text, "/sensors?status=auto-detached")


def of_sensor_file(report: Mapping[str, Any]) -> Iterator[HealthProblem]:
    """Yield the problems of the file of sensors.

    :param report: result of :meth:`bssci.web.reports.sensors.SensorViews.wrong`.
    """
    if report["trouble"]:
        text = f"{report['file']} cannot be used in its present state: sensors stay as they were"
        yield HealthProblem("warning", text, "/sensors#wrong", report["trouble"])
    if report["total"]:
        text = many(report["total"], "entry", "entries") + f" of {report['file']} cannot be used"
        first = report["entries"][0]
        named = f" ({first['eui']})" if first["eui"] else ""
        detail = f"entry {first['entry']}{named}: {first['problem']}"
        yield HealthProblem("warning", text, "/sensors#wrong", detail)


def of_sinks(
    sinks: Mapping[str, Mapping[str, Any]], settings: Mapping[str, str], patience: float
) -> Iterator[HealthProblem]:
    """Yield the problems of delivery.

    :param sinks: figures of each, by its name.
    :param settings: the main setting of each sink that has settings, by the sink's name.
    :param patience: s that the oldest event of a sink may wait, as for alarms.
    """
    for name, sink in sinks.items():
        buffered = f"{many(int(sink['queued']), 'event')} buffered"
        if sink["failing"]:
            mend = f"/config#{settings[name]}" if name in settings else link("/logs", level="warn", q=name)
            yield HealthProblem("error", f"{name} cannot deliver: {buffered}", mend, sink["trouble"])
        elif sink["oldest_seconds"] > patience:
            yield HealthProblem("warning", f"{name} is behind: {buffered}", "/#sinks")
        if sink["warning"]:
            mend = link("/logs", level="warn", q=name)
            yield HealthProblem("warning", f"The sink {name} has a warning", mend, sink["warning"])


def of_sources(sources: Mapping[str, Mapping[str, Any]]) -> Iterator[HealthProblem]:
    """Yield the problems of sources.

    :param sources: figures of each, by its name.
    """
    for name, source in sources.items():
        if source["trouble"]:
            mend = link("/logs", level="warn", q=name)
            yield HealthProblem("error", f"The source {name} delivers nothing", mend, source["trouble"])


def of_gateways(counts: Mapping[str, Mapping[str, int]]) -> Iterator[HealthProblem]:
    """Yield the problems of scanners and controllers.

    :param counts: by kind, then by state.
    """
    for kind, states in counts.items():
        if states["offline"]:
            text = f"{many(states['offline'], f'{kind} is', f'{kind}s are')} offline"
            yield HealthProblem("warning", text, "/gateways")
        if states["degraded"]:
            text = f"{many(states['degraded'], f'{kind} has', f'{kind}s have')} problems"
            yield HealthProblem("warning", text, "/gateways")


def of_provisioned(counts: Mapping[str, int], trouble: str) -> Iterator[HealthProblem]:
    """Yield the problems of provisioned devices.

    :param counts: devices by state.
    :param trouble: why their registry cannot be read; empty: it can.
    """
    if trouble:
        yield HealthProblem("warning", "The registry of devices cannot be read", "/provisioned", trouble)
    if counts["ended"]:
        text = many(counts["ended"], "device's certificate has expired", "devices' certificates have expired")
        yield HealthProblem("warning", text, "/provisioned?state=ended")
    if counts["ending"]:
        text = many(counts["ending"], "device's certificate expires", "devices' certificates expire")
        yield HealthProblem("warning", f"{text} soon: renew", "/provisioned?state=ending")


def of_decoders(report: Mapping[str, Any] | None) -> Iterator[HealthProblem]:
    """Yield the problems of decoders.

    :param report: result of :meth:`bssci.center.decoding.decoders.Decoders.report`; None: there are no
    decoders.
    """
    if report is None:
        return
    for text, found in (
        (("decoder cannot be used", "decoders cannot be used"), report["problems"]),
        (
            ("decoder takes too long and is paused", "decoders take too long and are paused"),
            [f"{rest['decoder']}: {rest['reason']}" for rest in report["resting"]],
        ),
    ):
        if found:
            yield HealthProblem("warning", many(len(found), *text), link("/logs", q="decoder"), found[0])


def of_certificates(
    certificates: Sequence[Mapping[str, Any]], now: float, days: float
) -> Iterator[HealthProblem]:
    """Yield the problems of certificates.

    :param certificates: result of :func:`bssci.web.reports.certificates.by_end`.
    :param now: Unix seconds.
    :param days: days before it expires from which a certificate is a problem, as for alarms.
    """
    ours: list[tuple[Mapping[str, Any], Severity]] = []
    stations: list[tuple[Mapping[str, Any], Severity]] = []
    for each in certificates:
        state = certificate_state(each["not_before"], each["not_after"], now, days)
        if state is None:
            continue
        severity = CERTIFICATE_SEVERITY[state] if each["in_use"] else "warning"
        if state == "early":
            yield HealthProblem(severity, f"{each['name']}: the certificate is not valid yet", each["href"])
        else:
            (stations if each["file"].startswith(BUNDLE) else ours).append((each, severity))
    for low in (ours, stations):
        if low:
            yield _ending(low, days)


def _ending(low: Sequence[tuple[Mapping[str, Any], Severity]], limit: float) -> HealthProblem:
    """Return the problem of certificates that expire within ``limit`` days, or have expired."""
    (first, _), *others = low
    days = first["days_left"]
    when = f"in {many(days, 'day', 'days')}" if days else "today"
    text = f"{first['name']}: the certificate " + (f"expires {when}" if days >= 0 else "has expired")
    worst: Severity = "error" if any(severity == "error" for _, severity in low) else "warning"
    if not others:
        return HealthProblem(worst, text, first["href"])
    return HealthProblem(
        worst, f"{text}, and {grouped(len(others))} more within {limit:.0f} days", "/certificates"
    )
