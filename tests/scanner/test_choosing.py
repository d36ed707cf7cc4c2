from __future__ import annotations

from typing import Any

import pytest

from bssci.scanner import choosing
from bssci.scanner.choosing import Choice, DeviceChoice
from tests.scanner.test_advertisement import advertisement


@pytest.mark.parametrize(
    ("entry", "fits"),
    [
        ("A4:C1:38:00:00:01", True),
        ("a4-c1-38-00-00-01", True),
        ("A4C138000001", True),
        ("A4:C1:38:00:00:02", False),
        ("A4:C1:38", True),
        ("A4:C1:38:*", True),
        ("A4:C1:39:*", False),
        ("name:LYW*", True),
        ("LYW*", True),
        ("name:Govee_*", False),
        ("company:0x004c", True),
        ("company:77", False),
    ],
)
def test_an_entry_is_an_address_a_beginning_a_name_or_a_company(entry: str, fits: bool) -> None:
    assert DeviceChoice([entry]).fits(advertisement()) is fits


@pytest.mark.parametrize(
    "entry", ["", "zz", "A4:C1:3", "company:x", "company:70000", "name:", "AA:BB:CC:DD:EE:FF:00"]
)
def test_a_wrong_entry_costs_itself(entry: str) -> None:
    found = DeviceChoice([entry, "A4:C1:38:00:00:01"])
    assert found.wrong == [entry]
    assert found.fits(advertisement())


def test_a_list_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "MOST", 2)
    found = DeviceChoice(["00:00:00:00:00:01", "00:00:00:00:00:02", "A4:C1:38:00:00:01"])
    assert len(found) == 2
    assert "2 are allowed" in found.wrong[0]
    assert not found.fits(advertisement())


def test_a_nameless_device_fits_no_pattern() -> None:
    assert not DeviceChoice(["name:*"]).fits(advertisement(name=None))


@pytest.mark.parametrize(
    ("lists", "passes"),
    [
        ({}, True),
        ({"blocked": ["A4:C1:38"]}, False),
        ({"allowed": ["A4:C1:38"]}, True),
        ({"allowed": ["00:11:22"]}, False),
        ({"allowed": ["A4:C1:38"], "blocked": ["LYW*"]}, False),
    ],
)
def test_who_is_allowed_and_not_blocked_passes(lists: dict[str, Any], passes: bool) -> None:
    assert Choice(**lists).passes(advertisement()) is passes


@pytest.mark.parametrize("entry", ["zz", "company:70000", "name:"])
def test_a_wrong_entry_does_not_count(entry: str) -> None:
    assert len(DeviceChoice([entry])) == 0
    assert Choice(allowed=[entry]).passes(advertisement())
