"""Scans by bleak, without a bluetoothd: what is asked of it, and what its answers mean."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred

pytest.importorskip("bleak", reason="needs bleak: pip install bssci[scanner]")
from bleak.exc import BleakError  # noqa: E402

from bssci.scanner import bluez as module  # noqa: E402
from bssci.scanner.advertisement import HeardAdvertisement  # noqa: E402
from bssci.scanner.bluez import PATTERNS, scans_of  # noqa: E402
from bssci.scanner.radio import PassiveRefused  # noqa: E402


class Library:
    """Stands for BleakScanner."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.options: dict[str, Any] = {}
        self.stopped = False

    def __call__(self, detected: Any, **options: Any) -> Library:
        self.detected, self.options = detected, options
        return self

    async def start(self) -> None:
        if self.error is not None:
            raise self.error

    async def stop(self) -> None:
        self.stopped = True


def scan(library: Library, monkeypatch: pytest.MonkeyPatch, passive: bool = True) -> list[HeardAdvertisement]:
    """Begin a scan, have it hear one device, and end it."""
    monkeypatch.setattr(module, "BleakScanner", library)
    heard: list[HeardAdvertisement] = []
    device = SimpleNamespace(
        address="a4:c1:38:00:00:01", details={"props": {"AddressType": "random"}}, name="other"
    )
    data = SimpleNamespace(
        local_name=None, rssi=-70, manufacturer_data={76: b"\2"}, service_data={"ABCD": b"\1"},
        service_uuids=["EF"],
    )  # fmt: skip

    async def run() -> None:
        started: Deferred[Any] = scans_of("hci1")(passive, heard.append)
        running = await started.asFuture(asyncio.get_running_loop())
        library.detected(device, data)
        await running.stop().asFuture(asyncio.get_running_loop())

    asyncio.run(run())
    return heard


def test_an_advertisement_is_as_bluez_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library()
    assert scan(library, monkeypatch) == [
        HeardAdvertisement("A4:C1:38:00:00:01", "random", None, -70, {76: b"\2"}, {"abcd": b"\1"}, ("ef",))
    ]
    assert library.stopped


def test_a_passive_scan_names_beginnings_and_an_active_one_needs_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = Library()
    scan(library, monkeypatch)
    assert library.options["scanning_mode"] == "passive"
    assert library.options["bluez"] == {"adapter": "hci1", "or_patterns": PATTERNS}
    scan(library, monkeypatch, passive=False)
    assert library.options == {"scanning_mode": "active", "bluez": {"adapter": "hci1"}}


def test_a_bluetoothd_that_cannot_is_told_from_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PassiveRefused, match="BlueZ >= 5.56"):
        scan(Library(BleakError("passive scanning on Linux requires BlueZ >= 5.56")), monkeypatch)
    with pytest.raises(BleakError, match="not found"):
        scan(Library(BleakError("adapter 'hci1' not found")), monkeypatch)
    with pytest.raises(BleakError, match="busy"):
        scan(Library(BleakError("busy")), monkeypatch, passive=False)


def test_without_a_bus_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConnectionError, match="no D-Bus.* install bluez"):
        scan(Library(FileNotFoundError(2, "No such file or directory")), monkeypatch)
