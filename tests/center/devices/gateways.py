"""A house with a source that brings telegrams."""

from __future__ import annotations

from typing import Any

from bssci.model import Telegram
from tests.support.center import House
from tests.support.telegrams import telegram


def bring(house: House, *telegrams: Telegram) -> None:
    """Have telegrams come by the source mqtt, now."""
    house.center.sources.door("mqtt")(telegrams)
    house.settle()


class Air:
    """Devices around scanners: makes telegrams at the house's time.

    :ivar number: of telegrams that were made.
    """

    def __init__(self, house: House) -> None:
        self.house = house
        self.number = 0

    def advertise(self, address: str = "AA:BB:CC:DD:EE:FF", kind: str = "public", **changes: Any) -> None:
        device = {"address": address, "address_type": kind}
        envelope = {"device": device, **changes.pop("envelope", {})}
        self._bring(device=f"ble:{address}", envelope=envelope, **changes)

    def report(self, status: str = "online", scanner: str = "roof", **changes: Any) -> None:
        """A scanner's report about itself."""
        envelope = {"status": status, **changes.pop("envelope", {})}
        self._bring(device=f"scanner:{scanner}", gateway=scanner, envelope=envelope, payload=b"", **changes)

    def _bring(self, **changes: Any) -> None:
        self.number += 1
        bring(self.house, telegram(self.number, **({"at": self.house.now()} | changes)))
