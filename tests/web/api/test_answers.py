from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock

from bssci.model import EUI
from bssci.model.commands import Outcome, Outcomes
from bssci.web.api.answers import MAX_DETAILED, MAX_OUTCOMES, answer, answer_one, outcome_of, outcomes_of
from bssci.web.api.schemas.common import SensorOutcome, SensorsOutcome
from bssci.web.http.errors import ApiError
from tests.support.center import result_of

SENSOR, OTHER = EUI("70B3D56770110001"), EUI("70B3D56770110002")
STATION, SECOND = EUI("CAFE000000000001"), EUI("CAFE000000000002")
DONE, FAILED = Outcome("done"), Outcome("failed", 5, "no room")


def counted(euis: list[EUI], outcomes: Outcomes) -> dict[str, Any]:
    report: dict[str, Any] = result_of(ensureDeferred(outcomes_of(Clock(), euis, outcomes)))
    return report


def test_a_station_that_refused_says_why() -> None:
    assert outcome_of(SENSOR, Outcomes({SENSOR: {STATION: DONE, SECOND: FAILED}}))["base_stations"] == {
        STATION: {"state": "done"},
        SECOND: {"state": "failed", "code": 5, "message": "no room"},
    }
    assert outcome_of(OTHER, Outcomes())["base_stations"] == {}


def test_outcomes_of_many_are_counted_and_told_one_by_one_if_they_are_few() -> None:
    outcomes = Outcomes({SENSOR: {STATION: DONE}, OTHER: {STATION: FAILED}})
    report = counted([SENSOR, OTHER], outcomes)
    assert report["outcomes"] == {"done": 1, "failed": 1}
    assert report["base_stations"] == {STATION: {"done": 1, "failed": 1}}
    assert set(report["results"]) == {SENSOR, OTHER}
    assert "results" not in counted([SENSOR] * (MAX_DETAILED + 1), outcomes)


def test_what_a_part_of_the_stations_did_is_a_success_in_part() -> None:
    outcomes = Outcomes({SENSOR: {STATION: DONE, SECOND: FAILED}})
    told = answer_one(SensorOutcome, outcome_of(SENSOR, outcomes), outcomes)
    assert told.partially_failed and "1 of 2" in told.message


def test_what_no_station_did_is_in_conflict_unless_something_was_done_whatever_they_say() -> None:
    outcomes = Outcomes({SENSOR: {STATION: FAILED}})
    with pytest.raises(ApiError) as caught:
        answer_one(SensorOutcome, outcome_of(SENSOR, outcomes), outcomes)
    assert caught.value.status == 409 and caught.value.more["sensor_eui"] == SENSOR
    told = answer_one(SensorOutcome, outcome_of(SENSOR, outcomes), outcomes, "stored; ")
    assert told.message.startswith("stored; 1 of 1")


def test_nobody_asked_is_a_success() -> None:
    assert not answer_one(SensorOutcome, outcome_of(SENSOR, Outcomes()), Outcomes()).partially_failed


def test_stations_that_are_away_count_for_each_sensor_and_are_not_listed_for_thousands() -> None:
    away = [EUI(f"{number:016X}") for number in range(MAX_OUTCOMES // 2)]
    outcomes = Outcomes({SENSOR: {STATION: DONE}, OTHER: {}}, away)
    report = counted([SENSOR, OTHER], outcomes)
    assert report["outcomes"] == {"done": 1, "away": 2 * len(away)}
    assert report["base_stations"][away[0]] == {"away": 2}
    assert "results" not in report


def test_an_answer_for_many_counts_requests() -> None:
    report = counted([SENSOR, OTHER], Outcomes({SENSOR: {STATION: FAILED}, OTHER: {STATION: DONE}}))
    told = answer(SensorsOutcome, report, report["outcomes"])
    assert told.message == "1 of 2 requests to connected base stations failed"
