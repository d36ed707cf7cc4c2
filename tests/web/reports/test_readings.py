from __future__ import annotations

from typing import Any

import pytest

from bssci.center.decoding.collecting import ChartValue, Past, Series
from bssci.model import DecodeFailure
from bssci.web.reports.readings import latest_of

TEMPERATURE = Series(name="t", unit="°C", points=[ChartValue(1.0, 20.5), ChartValue(2.0, 21.5)], steps=[])


def past(*series: Series, **changes: Any) -> Past:
    fields: dict[str, Any] = {
        "decoder": "meter@1", "uplinks": 2, "failed": 0, "without_decoder": 0, "failure": None,
        "failed_at": None, "complete": True,
    }  # fmt: skip
    return Past(series=list(series), **fields | changes)


def test_the_last_value_of_each_name_counts() -> None:
    latest = latest_of(past(TEMPERATURE, Series(name="none", unit=None, points=[], steps=[])))
    assert [(each.name, each.value, each.unit, each.at) for each in latest.values] == [("t", 21.5, "°C", 2.0)]
    assert latest.decoder == "meter@1"


@pytest.mark.parametrize(("failed_at", "shown"), [(1.5, False), (2.5, True)])
def test_a_failure_is_told_until_a_newer_uplink_is_read(failed_at: float, shown: bool) -> None:
    latest = latest_of(past(TEMPERATURE, failure=DecodeFailure("fault", "no"), failed_at=failed_at))
    assert (latest.failure is not None) is shown


@pytest.mark.parametrize(("decoder", "undecoded"), [(None, True), ("meter@1", False)])
def test_uplinks_that_nothing_decodes_are_told_of(decoder: str | None, undecoded: bool) -> None:
    assert latest_of(past(decoder=decoder, without_decoder=3)).undecoded is undecoded
