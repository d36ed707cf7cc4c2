from __future__ import annotations

import pytest

from bssci.sinks.postgres.rows import EventRow, RawRow, ReadingRow
from bssci.sinks.postgres.staging import STAGES, Stage, create_all


def test_statements_of_a_stage() -> None:
    stage = Stage("stage_x", (("id", "text"), ("count", "int8")))
    assert (
        stage.create
        == "CREATE TEMPORARY TABLE IF NOT EXISTS stage_x (id text, count int8) ON COMMIT DELETE ROWS"
    )
    assert stage.insert(2) == "INSERT INTO stage_x VALUES (%s::text, %s::int8), (%s::text, %s::int8)"
    assert stage.copy == "COPY stage_x FROM STDIN (FORMAT BINARY)"
    assert stage.types == ["text", "int8"]


@pytest.mark.parametrize(
    ("stage", "row"), [(STAGES.raw, RawRow), (STAGES.reading, ReadingRow), (STAGES.event, EventRow)]
)
def test_a_row_has_a_value_for_each_column_of_its_stage(stage: Stage, row: type[tuple[object, ...]]) -> None:
    assert len(row._fields) == len(stage.columns)  # type: ignore[attr-defined]


def test_every_stage_is_made() -> None:
    assert len(list(create_all())) == len(STAGES)
