"""Two base stations that hear the sensor."""

from __future__ import annotations

import pytest

from tests.center.downlinks.gateway import OTHER_STATION, DownlinkHouse, Gateway


@pytest.fixture
def two(site: DownlinkHouse) -> tuple[Gateway, Gateway]:
    """The preferred station, and another one that hears the sensor."""
    best, other = Gateway(site), Gateway(site, OTHER_STATION)
    best.come()
    other.come()
    best.hear(1, snr=15.0)
    other.hear(2, snr=5.0)
    return best, other
