"""Hardware addresses in one spelling."""

from __future__ import annotations

import pytest

from bssci.sources.envelopes.addresses import bluetooth_address, mac_digits
from bssci.sources.envelopes.values import BadMessage


@pytest.mark.parametrize(
    "text", ["3f0000000001", "3F-00-00-00-00-01", "3f00.0000.0001", " 3F:00:00:00:00:01"]
)
def test_every_spelling_is_one_address(text: str) -> None:
    assert bluetooth_address(text) == "3F:00:00:00:00:01"


@pytest.mark.parametrize("text", ["", "3F", "3F0000000001AA", "3G:00:00:00:00:01", None, 7, "3F" * 100])
def test_what_is_no_address(text: object) -> None:
    with pytest.raises(BadMessage, match="not a hardware address"):
        mac_digits(text)
