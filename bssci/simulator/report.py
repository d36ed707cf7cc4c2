"""Report on a simulation: messages sent, messages acknowledged, and the latency."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

KEPT_LATENCIES = 100_000
"""Number of latest acknowledgements from which percentiles are computed."""


class SimulationReport:
    """Counts of a run; an uplink counts once for each station that delivers it."""

    def __init__(self) -> None:
        self.sent = 0
        self.acknowledged = 0
        self.not_sent = 0
        """uplinks that a station did not send, as too many were without an answer"""
        self.refused: Counter[int] = Counter()
        self._latencies: deque[float] = deque(maxlen=KEPT_LATENCIES)

    @property
    def unanswered(self) -> int:
        return self.sent - self.acknowledged - self.refused.total()

    @property
    def is_complete(self) -> bool:
        """True if everything was sent and acknowledged."""
        return self.acknowledged == self.sent and not self.not_sent

    def acknowledge(self, latency: float) -> None:
        """Count an uplink that was acknowledged ``latency`` seconds after it was sent."""
        self.acknowledged += 1
        self._latencies.append(latency)

    def summary(self, seconds: float) -> dict[str, Any]:
        """Return the report as plain values, with latencies in ms."""
        return {
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "refused": {str(code): count for code, count in sorted(self.refused.items())},
            "unanswered": self.unanswered,
            "not_sent": self.not_sent,
            "seconds": round(seconds, 3),
            "rate": round(self.acknowledged / seconds, 1) if seconds > 0 else 0.0,
            "latency_ms": in_milliseconds(self._latencies),
        }


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest of ordered values such that at least ``share`` (0..1) of them do not exceed it."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def in_milliseconds(latencies: Sequence[float]) -> dict[str, float]:
    """Return p50, p95, p99 and the maximum of latencies, converted from s to ms; empty if there are none."""
    if not latencies:
        return {}
    ordered = sorted(latencies)
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(percentile(ordered, share) * 1000, 2) for name, share in shares.items()}


def describe(summary: dict[str, Any]) -> str:
    """Return a summary for people, in one line."""
    refused = ", ".join(f"{count} by error {code}" for code, count in summary["refused"].items()) or "0"
    not_sent = summary["not_sent"]
    withheld = f", not sent {not_sent} (too many were unanswered)" if not_sent else ""
    latency = summary["latency_ms"]
    timing = f"; latency p50 {latency['p50']} p95 {latency['p95']} p99 {latency['p99']} ms" if latency else ""
    return (
        f"sent {summary['sent']}, acknowledged {summary['acknowledged']}, refused {refused}, "
        f"unanswered {summary['unanswered']}{withheld} "
        f"in {summary['seconds']:.1f} s ({summary['rate']}/s){timing}"
    )
