"""What a sink reports about itself: used if it can be used, else a warning of that sink."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.python.failure import Failure

from bssci.sinks import SetAside
from bssci.sinks.self_report import SelfReport

FIGURES = {"queued": 1, "oldest_seconds": 2.5, "answered": 3, "failed": 0, "rate": 0.5, "failing": False}


class Sink:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


def report_of(**attributes: Any) -> SelfReport:
    return SelfReport("test", Sink(**attributes))


def test_nothing_need_be_reported() -> None:
    report = report_of()
    assert (report.trouble, report.warning, report.replayable) == ("", "", False)
    assert (report.set_aside(), report.requests(), report.reached) == ((0, ""), None, True)


def test_what_is_reported_is_returned() -> None:
    set_aside = SetAside("test")
    report = report_of(trouble="away", warning="old", replayable="asked", set_aside=set_aside)
    set_aside.add(object(), "too large")
    assert (report.trouble, report.warning, report.replayable) == ("away", "old", "asked")
    assert report.set_aside() == (1, "too large")
    assert report_of(replayable=True).replayable is True
    assert report_of(reached=False).reached is False
    assert report_of(request_figures=lambda: FIGURES).requests() == FIGURES
    troubled = FIGURES | {"trouble": "no\nbroker", "misaddressed": 4.0}
    told = FIGURES | {"trouble": "no broker", "misaddressed": 4}
    assert report_of(request_figures=lambda: troubled).requests() == told


@pytest.mark.parametrize(
    ("attribute", "value", "fault"),
    [
        ("set_aside", 5, "AttributeError: 'int' object has no attribute 'count'"),
        ("replayable", "perhaps", "ValueError: it is 'perhaps'; False, True or 'asked' is allowed"),
        ("request_figures", lambda: None, "TypeError: 'NoneType' object is not iterable"),
        ("request_figures", dict, "KeyError: 'queued'"),
        ("request_figures", lambda: FIGURES | {"rate": float("nan")}, "ValueError: rate is nan"),
        ("request_figures", lambda: FIGURES | {"queued": "a"}, "TypeError: must be real number, not str"),
        ("request_figures", lambda: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_what_cannot_be_used_is_a_warning_and_logged_once(
    attribute: str, value: Any, fault: str, expected_errors: list[Failure]
) -> None:
    sink = Sink(warning="old", **{attribute: value})
    report = SelfReport("test", sink)
    for _ in range(2):
        assert (report.replayable, report.set_aside(), report.requests()) == (False, (0, ""), None)
    assert report.warning == f"old; its {attribute} cannot be used: {fault}"
    assert len(expected_errors) == 1
    expected_errors.clear()
    delattr(sink, attribute)
    assert (report.replayable, report.set_aside(), report.requests()) == (False, (0, ""), None)
    assert report.warning == "old"
