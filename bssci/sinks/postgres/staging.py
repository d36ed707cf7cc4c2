"""Temporary tables for rows that are to be merged; they live as long as the connection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Stage:
    """A temporary table.

    :ivar columns: names and types of the columns.
    """

    name: str
    columns: tuple[tuple[str, str], ...]

    @property
    def types(self) -> list[str]:
        return [kind for _, kind in self.columns]

    @property
    def create(self) -> str:
        columns = ", ".join(f"{name} {kind}" for name, kind in self.columns)
        return f"CREATE TEMPORARY TABLE IF NOT EXISTS {self.name} ({columns}) ON COMMIT DELETE ROWS"

    @property
    def clear(self) -> str:
        return f"DELETE FROM {self.name}"

    @property
    def copy(self) -> str:
        return f"COPY {self.name} FROM STDIN (FORMAT BINARY)"

    def insert(self, rows: int) -> str:
        """Return a statement with a placeholder for each value of ``rows`` rows."""
        row = "(" + ", ".join(f"%s::{kind}" for _, kind in self.columns) + ")"
        return f"INSERT INTO {self.name} VALUES " + ", ".join([row] * rows)


class Stages(NamedTuple):
    """All temporary tables. JSON is text here and becomes jsonb when it is merged."""

    raw: Stage
    reading: Stage
    decoded: Stage
    event: Stage
    device: Stage
    gateway: Stage


def _stage(table: str, /, **columns: str) -> Stage:
    return Stage(f"stage_{table}", tuple(columns.items()))


TIME = "timestamptz"
STAGES = Stages(
    raw=_stage(
        "raw", received_at=TIME, id="text", device="text", gateway="text", source="text", payload="text",
        bytes="bytea",
    ),
    reading=_stage(
        "reading", time=TIME, device="text", name="text", value="float8", text="text", unit="text", id="text",
        gateway="text", decoder="text", topic="text",
    ),
    decoded=_stage("decoded", time=TIME, id="text"),
    event=_stage("event", time=TIME, kind="text", device="text", gateway="text", body="text", id="text"),
    device=_stage(
        "device", id="text", kind="text", name="text", model="text", decoder="text", parent="text",
        port="text", tags="text", location="text", first_seen=TIME, last_seen=TIME, count="int8",
    ),
    gateway=_stage(
        "gateway", id="text", kind="text", name="text", location="text", state="text", state_at=TIME,
        last_seen=TIME, status="text", status_at=TIME,
    ),
)  # fmt: skip


def create_all() -> Iterator[str]:
    """Return the statements with which a new connection begins."""
    return (stage.create for stage in STAGES)
