from __future__ import annotations

import dataclasses

from bssci.sinks.pump import SinkStatistics
from bssci.web.api.schemas.status import SinkFigures


def test_a_sink_s_figures_are_all_described() -> None:
    told = {each.name for each in dataclasses.fields(SinkStatistics)} - {"last_error"}
    assert set(SinkFigures.__struct_fields__) == told
