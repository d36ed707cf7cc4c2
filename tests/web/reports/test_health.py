"""Whether all is well: the sentence, and what is a problem."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bssci.center.alarms import conditions
from bssci.journal import AlarmRecord
from bssci.web.reports import health
from bssci.web.reports.health import HealthProblem

JOURNAL = HealthProblem("error", "The journal cannot store", "/logs")
AWAY = HealthProblem("warning", "2 base stations are offline", "/stations?state=offline")
SILENT = HealthProblem("warning", "1 sensor is silent", "/sensors?status=warning")


@pytest.mark.parametrize(
    ("problems", "online", "said"),
    [
        ([], 1, "All is well."),
        ([], 0, "The service is ready and waits for its first base station."),
        ([AWAY], 1, "The service runs, but 2 base stations are offline."),
        ([HealthProblem("warning", "CAFE is refused", "/")], 1, "The service runs, but CAFE is refused."),
        ([AWAY, SILENT], 1, "The service runs, but 2 base stations are offline; 1 more problem."),
        ([JOURNAL], 0, "The journal cannot store."),
        ([AWAY, SILENT, JOURNAL], 1, "The journal cannot store; 2 more problems."),
    ],
)
def test_the_sentence_is_the_worst_problem(problems: list[HealthProblem], online: int, said: str) -> None:
    assert health.health_sentence(health.worst_first(problems), online) == said


@pytest.mark.parametrize(
    ("problems", "watched", "said"),
    [([], 0, "OK"), ([], 2, "2 watched"), ([AWAY], 0, "1"), ([JOURNAL, AWAY, SILENT], 2, "3")],
)
def test_a_narrow_screen_shows_two_words_at_most(
    problems: list[HealthProblem], watched: int, said: str
) -> None:
    assert health.brief_verdict(problems, watched) == said


def test_a_sink_that_delivers_with_a_warning_is_a_problem() -> None:
    figures = {"queued": 0, "failing": False, "trouble": "", "warning": "it held up", "oldest_seconds": 0.0}
    problems = list(health.of_sinks({"mine": figures}, {}, 300.0))
    assert problems == [
        HealthProblem("warning", "The sink mine has a warning", "/logs?level=warn&q=mine", "it held up")
    ]
    assert health.health_sentence(problems, 1) == "The service runs, but the sink mine has a warning."


@pytest.mark.parametrize(
    ("online", "offline", "alarmed", "severity"),
    [(1, 2, False, "warning"), (1, 2, True, "error"), (0, 2, False, "error"), (2, 0, False, None)],
)
def test_base_stations_that_are_offline_are_as_bad_as_their_alarm(
    online: int, offline: int, alarmed: bool, severity: str | None
) -> None:
    counts = {"online": online, "offline": offline}
    found = [each.severity for each in health.of_stations(counts, alarmed)]
    assert found == ([severity] if severity else [])


def test_errors_come_first_and_the_rest_as_it_was() -> None:
    assert health.worst_first([AWAY, JOURNAL, SILENT]) == [JOURNAL, AWAY, SILENT]


@pytest.mark.parametrize(
    ("size", "href", "detail"),
    [
        (16, "/config#JOURNAL_MAX_SIZE", "JOURNAL_MAX_SIZE is reached"),
        (15, "/logs?level=error", "disk is full"),
    ],
)
def test_a_journal_that_cannot_store_leads_to_its_size_if_that_is_why(
    size: int, href: str, detail: str
) -> None:
    journal = {
        "writable": False,
        "undelivered": size,
        "max_size": 16,
        "unreadable": 0,
        "trouble": "disk is full",
    }
    status = {"journal": journal}
    [problem] = health.of_service(status, listening=True)
    assert (problem.severity, problem.href, problem.detail) == ("error", href, detail)


def test_a_journal_that_fills_is_told_with_the_days_that_are_left() -> None:
    journal = {"writable": True, "undelivered": 13, "max_size": 16, "unreadable": 0, "full_in_days": 2.04}
    [problem] = health.of_service({"journal": journal}, listening=True)
    assert (problem.severity, problem.text) == ("warning", "The journal is 81 % full, full in 2.0 days")
    assert not list(health.of_service({"journal": journal | {"undelivered": 12}}, listening=True))
    [problem] = health.of_service({"journal": journal | {"undelivered": 16}}, listening=True)
    assert problem.severity == "error"


def test_damage_is_told() -> None:
    journal = {"writable": True, "undelivered": 0, "max_size": 16, "unreadable": 2, "full_in_days": None}
    [problem] = health.of_service({"journal": journal}, listening=True)
    assert problem.text == "2 entries of the journal are damaged and skipped"


def test_sensors_that_fell_silent_stay_a_problem_once_they_are_detached() -> None:
    counts = {"refused": 0, "warning": 0, "auto-detached": 12}
    assert list(health.of_sensors(counts)) == [
        HealthProblem(
            "warning", "12 sensors were detached because of silence", "/sensors?status=auto-detached"
        )
    ]


def test_an_alarm_that_another_problem_tells_of_is_not_told_twice() -> None:
    def alarm(kind: str) -> AlarmRecord:
        return AlarmRecord(number=1, id=f"{kind}:x", severity="warning", text=kind, href="/", since=1.0)

    alarms = [alarm(kind) for kind in ("endpoints-wrong", "device-certificate-ends", "station-refused")]
    assert [each.text for each in health.of_alarms(alarms)] == ["station-refused"]


def test_one_alarm_that_stands_for_all_of_its_kind_says_how_many_they_are() -> None:
    ids = [*(f"station-refused:{number}" for number in range(20)), f"station-refused:{conditions.MANY}"]
    alarms = [
        AlarmRecord(number=number, id=each, severity="warning", text=each, href="/stations", since=1.0)
        for number, each in enumerate(ids)
    ]
    alarms[-1] = replace(alarms[-1], text="A is refused, and 34 more like it")
    assert [each.text for each in health.of_alarms(alarms)] == ["A is refused, and 34 more like it"]


def test_kinds_of_alarms_that_are_said_here_exist() -> None:
    text = Path(conditions.__file__).read_text()
    assert {kind for kind in health.SAID_HERE if f'"{kind}' not in text} == set()


def test_devices_whose_certificates_end_are_counted() -> None:
    counts = {"active": 9, "ending": 2, "ended": 1, "revoked": 3}
    assert [each.text for each in health.of_provisioned(counts, "it is damaged")] == [
        "The registry of devices cannot be read",
        "1 device's certificate has expired",
        "2 devices' certificates expire soon: renew",
    ]


def certificate(days: int, **more: object) -> dict[str, object]:
    ends = {"not_before": 0.0, "not_after": days * 86400.0, "days_left": days}
    names = {"file": "server", "name": "Service center", "href": "/certificates", "in_use": True}
    return names | ends | more


def test_a_bundle_that_nobody_uses_is_no_error() -> None:
    bundle = certificate(-1, file=f"station:{'A' * 16}", in_use=False)
    assert [each.severity for each in health.of_certificates([bundle], 0.0, 30)] == ["warning"]
    assert [each.severity for each in health.of_certificates([bundle | {"in_use": True}], 0.0, 30)] == [
        "error"
    ]


def test_a_certificate_that_is_not_valid_yet() -> None:
    problems = list(health.of_certificates([certificate(400, not_before=101.0)], 100.0, 30))
    assert [(each.severity, each.text) for each in problems] == [
        ("error", "Service center: the certificate is not valid yet")
    ]
    assert not list(health.of_certificates([certificate(400, not_before=99.0)], 100.0, 30))


def test_a_certificate_counts_from_the_day_on_which_it_is_an_alarm() -> None:
    server = certificate(60)
    assert not list(health.of_certificates([server], 0.0, 60))
    assert [each.text for each in health.of_certificates([server, server], 0.0, 90)] == [
        "Service center: the certificate expires in 60 days, and 1 more within 90 days"
    ]


def test_requests_that_do_not_arrive_are_a_problem() -> None:
    statistics = {"mqtt": {"trouble": "the broker refuses the subscription to a/#"}, "own": {"queued": 1}}
    [problem] = health.of_requests(statistics)
    assert (problem.severity, problem.text) == ("warning", "Requests do not reach mqtt")
    assert problem.detail == "the broker refuses the subscription to a/#"
    assert list(health.of_requests({"mqtt": {"trouble": ""}})) == []
