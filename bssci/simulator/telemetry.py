"""Status reports of a simulated base station, with values that change slowly and plausibly."""

from __future__ import annotations

from random import Random

from bssci.wire.messages import StatusRsp

_HOME = (51.0504, 13.7373)
"""Latitude and longitude around which simulated stations are placed, in degrees."""
_SPREAD = 0.05


class Telemetry:
    """The condition of a station; each report differs a little from the last."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.position = [
            round(_HOME[0] + random.uniform(-_SPREAD, _SPREAD), 5),
            round(_HOME[1] + random.uniform(-_SPREAD, _SPREAD), 5),
            round(random.uniform(105, 160), 1),
        ]
        self._cpu = random.uniform(0.1, 0.4)
        self._memory = random.uniform(0.3, 0.5)
        self._temperature = random.uniform(32, 45)
        self._duty_cycle = 0.001

    def read(self, op_id: int, *, time_ns: int, uptime: float) -> StatusRsp:
        """Return the answer to a status request (§5.5.2); ``uptime`` in s."""
        self._cpu = self._walk(self._cpu, 0.03, 0.02, 0.95)
        self._memory = self._walk(self._memory, 0.005, 0.2, 0.9)
        self._temperature = self._walk(self._temperature, 0.4, 20, 70)
        self._duty_cycle = self._walk(self._duty_cycle, 0.0005, 0, 0.1)
        return StatusRsp(
            opId=op_id,
            code=0,
            message="ok",
            time=time_ns,
            dutyCycle=round(self._duty_cycle, 5),
            geoLocation=self.position,
            uptime=int(uptime),
            temp=round(self._temperature, 1),
            cpuLoad=round(self._cpu, 3),
            memLoad=round(self._memory, 3),
        )

    def _walk(self, value: float, step: float, low: float, high: float) -> float:
        return min(high, max(low, value + self._random.gauss(0, step)))
