"""Files of sensors: exported, imported, and wrong entries of endpoints.json."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bssci.web.api.schemas.common import Answer, EuiText
from bssci.web.api.schemas.sensors import ChosenSensors, SensorEntry
from bssci.web.http.replies import Done

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}


class WantedWrong(msgspec.Struct, kw_only=True):
    """Length of the list of wrong entries."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="how many")] = 100


class WantedFile(ChosenSensors, kw_only=True):
    """Format and content of an exported file of sensors; without a selection it holds all."""

    format: Annotated[Literal["json", "csv"], Meta(description="of the file")] = "json"
    keys: Annotated[bool, Meta(description="1: with network keys")] = False
    separator: Annotated[
        Literal["comma", "semicolon", "tab"], Meta(description="what stands between the cells of CSV")
    ] = "comma"


class ExportedSensor(SensorEntry, kw_only=True):
    """A sensor as endpoints.json has it, with its key or a masked one."""

    nwKey: Annotated[str, Meta(pattern=r"^([0-9A-F]{32}|\*+)$")]


class WrongEntryRow(Answer):
    """A wrong entry of endpoints.json."""

    entry: int
    """its place in the file, from 1"""
    eui: EuiText | None
    problem: str
    used: bool
    """the sensor is in force as it was before"""


class WrongEntries(Answer):
    """Entries of endpoints.json that are not used, and why the file as a whole is not."""

    file: str
    trouble: str
    """why the file as a whole is not read; empty: it is"""
    total: int
    entries: list[WrongEntryRow]


class Reloaded(Done):
    """Numbers of sensors to attach and detach after a reload of the file."""

    attach: int
    detach: int


class WrongRow(Answer):
    """A row of a file that cannot be read."""

    row: int
    field: str
    message: str


class ImportReport(Answer):
    """Numbers of rows in an imported file, with the errors."""

    rows: int
    valid: int
    wrong: int
    added: int
    changed: int
    unchanged: int
    errors: list[WrongRow]


class Imported(ImportReport, kw_only=True):
    """Result of an import, or of a dry run of it."""

    success: Literal[True] = True
    dry_run: bool
    outcomes: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    partially_failed: bool | msgspec.UnsetType = msgspec.UNSET
    message: str | msgspec.UnsetType = msgspec.UNSET
