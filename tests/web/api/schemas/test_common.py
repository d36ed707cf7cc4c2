from __future__ import annotations

import pytest
from msgspec import UNSET, ValidationError

from bssci.web.api.schemas.common import SensorOutcome, told


def test_a_report_becomes_the_answer_that_is_described() -> None:
    report = {"sensor_eui": "70B3D56770110001", "base_stations": {"CAFE000000000001": {"state": "done"}}}
    answer = told(SensorOutcome, report | {"partially_failed": False})
    assert answer.base_stations["CAFE000000000001"].state == "done"
    assert answer.base_stations["CAFE000000000001"].code in (None, UNSET)


def test_a_report_with_more_or_less_than_is_described_is_a_fault_of_ours() -> None:
    with pytest.raises((ValidationError, TypeError)):
        told(SensorOutcome, {"sensor_eui": "70B3D56770110001"})
    with pytest.raises((ValidationError, TypeError)):
        told(
            SensorOutcome,
            {"sensor_eui": "70B3D56770110001", "base_stations": {}, "partially_failed": False, "x": 1},
        )
