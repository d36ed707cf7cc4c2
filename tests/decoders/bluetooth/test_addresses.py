"""Bluetooth addresses: which of them last."""

from __future__ import annotations

import pytest

from bssci.decoders.bluetooth.addresses import is_changing


@pytest.mark.parametrize(
    ("address", "kind", "expected"),
    [
        ("C0:00:00:00:00:01", "random", False),
        ("7F:00:00:00:00:01", "random", True),
        ("3F:00:00:00:00:01", "random", True),
        ("3F:00:00:00:00:01", "public", False),
        ("3F:00:00:00:00:01", None, False),
    ],
)
def test_an_address_changes_if_it_is_random_and_not_static(
    address: str, kind: object, expected: bool
) -> None:
    assert is_changing(address, kind) is expected
