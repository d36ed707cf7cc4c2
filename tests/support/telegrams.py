"""Telegrams, scanners' messages, and a door for sources that a test opens and shuts."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from bssci.model import Telegram
from bssci.settings.table import Settings
from tests.support.settings import CATALOGUE

AT = 1_700_000_000.0
ADDRESS = "A4:C1:38:00:00:01"
ATC = bytes.fromhex("A4C138000001") + bytes.fromhex("00C8 32 5A 0BB8 07")
"""service data of a thermometer: 20.0 degrees Celsius, 50 %, battery 90 %"""


def settings_of(**environ: str) -> Settings:
    """The settings in force with these in the environment."""
    return CATALOGUE.load({}, environ, Path(os.devnull)).settings


def telegram(number: int = 1, **changes: Any) -> Telegram:
    values = {
        "at": AT, "id": f"telegram-{number}", "device": "ble:AA:BB:CC:DD:EE:FF", "gateway": "roof",
        "source": "mqtt", "payload": b"\1\2",
    }  # fmt: skip
    return Telegram(**(values | changes))


def advertisement(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A scanner's message about a thermometer; of another number: at another time."""
    return {
        "version": "1.0",
        "timestamp": f"2023-11-14T22:{number // 60 % 60:02}:{number % 60:02}.{number // 3600:03}Z",
        "scanner_id": "roof",
        "device": {"address": ADDRESS, "address_type": "public", "name": "ATC_000001", "rssi": -71},
        "service_data": {"0000181a-0000-1000-8000-00805f9b34fb": base64.b64encode(ATC).decode()},
        "raw_data": "",
    } | changes


def as_json(body: Any) -> bytes:
    return json.dumps(body).encode()


class Ingest:
    """A door that takes what it is given when it is told to.

    :ivar offered: telegrams of each call, and the Deferred that it got.
    """

    def __init__(self) -> None:
        self.offered: list[tuple[list[Telegram], Deferred[None]]] = []
        self.cursors: dict[str, int] = {}
        self.known: set[str] = set()
        self.rejected: list[str] = []
        self.remarks: list[str] = []

    def __call__(
        self, telegrams: Sequence[Telegram], cursors: Mapping[str, int] | None = None
    ) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self.offered.append((list(telegrams), done))
        return done

    def take(self) -> list[Telegram]:
        """Say that the first offer is on disk; what it was."""
        telegrams, done = self.offered.pop(0)
        self.known.update(each.id for each in telegrams)
        done.callback(None)
        return telegrams

    def refuse(self, error: Exception) -> None:
        self.offered.pop(0)[1].errback(error)

    def knows(self, id: str) -> bool:
        return id in self.known

    def reject(self, reason: str, example: str = "", count: int = 1) -> None:
        self.rejected.append(reason)

    def remark(self, reason: str, example: str = "") -> None:
        self.remarks.append(reason)
