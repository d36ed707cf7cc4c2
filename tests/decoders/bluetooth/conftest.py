"""Advertisements as a scanner sends them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

import pytest

from bssci.decoders.interfaces import Payload

Scan = Callable[..., Payload]


@pytest.fixture
def scan() -> Scan:
    """Make the payload of an advertisement."""

    def make(
        manufacturer: dict[int, bytes] | None = None,
        service: dict[int, bytes] | None = None,
        address: str = "AA:BB:CC:DD:EE:FF",
        rssi: int = -60,
    ) -> Payload:
        return Payload(
            data=b"",
            kind="telegram",
            device=f"ble:{address}",
            received_at=1_790_000_000.0,
            envelope={
                "version": "1.0",
                "device": {"address": address, "address_type": "public", "rssi": rssi},
                "manufacturer_data": {
                    f"0x{k:04x}": b64encode(v).decode() for k, v in (manufacturer or {}).items()
                },
                "service_data": {
                    f"0000{k:04x}-0000-1000-8000-00805f9b34fb": b64encode(v).decode()
                    for k, v in (service or {}).items()
                },
            },
        )

    return make
