"""The figures of a simulation."""

from __future__ import annotations

from bssci.simulator.report import SimulationReport, describe, in_milliseconds


def test_percentiles_are_of_the_values_themselves() -> None:
    assert in_milliseconds([number / 1000 for number in range(1, 101)]) == {
        "p50": 50,
        "p95": 95,
        "p99": 99,
        "max": 100,
    }
    assert in_milliseconds([]) == {}


def test_the_summary_is_readable() -> None:
    report = SimulationReport()
    report.sent = 3
    report.acknowledge(0.002)
    report.refused[11] += 1
    assert describe(report.summary(2.0)) == (
        "sent 3, acknowledged 1, refused 1 by error 11, unanswered 1 in 2.0 s (0.5/s); "
        "latency p50 2.0 p95 2.0 p99 2.0 ms"
    )


def test_what_was_not_sent_is_said() -> None:
    report = SimulationReport()
    report.not_sent = 7
    assert "unanswered 0, not sent 7 (too many were unanswered) in 1.0 s" in describe(report.summary(1.0))
    assert not report.is_complete
