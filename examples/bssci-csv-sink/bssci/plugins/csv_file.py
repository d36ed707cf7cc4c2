"""A sink that appends uplinks to a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.threads import deferToThread
from twisted.plugin import IPlugin
from zope.interface import implementer

from bssci.model import AnyEvent, Uplink
from bssci.sinks import ISink, ISinkFactory, SinkSetting

COLUMNS = ("id", "time", "sensor", "counter", "station", "snr", "rssi", "payload")


@implementer(ISink)
class CsvSink:
    """Writes in a thread: a slow disk must not hold up the service."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = DeferredLock()

    def start(self) -> None:
        """Do nothing: a fault of the file is reported by each delivery."""

    def deliver(self, batch: Sequence[AnyEvent]) -> Deferred[None]:
        rows = [_row(event) for event in batch if isinstance(event, Uplink)]
        return self._writing.run(deferToThread, self._append, rows) if rows else succeed(None)

    def stop(self) -> Deferred[None]:
        """Wait for what is being written."""
        return self._writing.run(lambda: None)

    def _append(self, rows: list[tuple[object, ...]]) -> None:
        is_new = not self._path.exists()
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(COLUMNS)
            writer.writerows(rows)


def _row(uplink: Uplink) -> tuple[object, ...]:
    best = uplink.best
    time = datetime.fromtimestamp(best.rx_time / 1e9, UTC).isoformat(timespec="milliseconds")
    return (
        uplink.id,
        time,
        best.end_point_eui,
        best.packet_counter,
        best.base_station_eui,
        best.snr,
        best.rssi,
        best.payload.hex(),
    )


def _path(text: str) -> Path:
    path = Path(text)
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent} is no directory")
    return path


@implementer(IPlugin, ISinkFactory)
class CsvSinkFactory:
    """Builds the sink ``csv``."""

    name = "csv"
    description = "appends uplinks to a CSV file"
    settings = (SinkSetting("CSV_FILE", "uplinks.csv", "file that uplinks are appended to", _path),)

    def build(self, settings: Mapping[str, Any], center: Any) -> CsvSink:
        return CsvSink(settings["CSV_FILE"])


csv_file = CsvSinkFactory()
