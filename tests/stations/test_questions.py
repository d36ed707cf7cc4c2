"""Questions to sensors how well they receive."""

from __future__ import annotations

import pytest

from bssci.model.commands import CommandError
from bssci.wire.messages import (
    DlRxStatQry,
    Error,
)
from tests.center.downlinks.gateway import (
    OTHER_STATION,
    SENSOR,
    DownlinkHouse,
    Gateway,
    gateway,
)
from tests.support.center import result_of


def test_a_query_goes_to_a_station_that_can_send(site: DownlinkHouse) -> None:
    deaf, other = gateway(site, bidi=False), Gateway(site, OTHER_STATION)
    other.come()
    other.hear(2, snr=1.0)
    site.downlinks.query_reception(SENSOR)
    site.settle()
    assert deaf.take(DlRxStatQry) == []
    assert len(other.take(DlRxStatQry)) == 1


def test_a_query_needs_a_station_that_agrees(site: DownlinkHouse) -> None:
    def failure() -> str:
        with pytest.raises(CommandError) as error:
            result_of(asked)
        return error.value.code

    asked = site.downlinks.query_reception(SENSOR)
    assert failure() == "unavailable"
    station = gateway(site)
    asked = site.downlinks.query_reception(SENSOR)
    site.settle()
    (query,) = station.take(DlRxStatQry)
    station.say(Error(opId=query.opId, code=95, message="no"))
    assert failure() == "unavailable"
    asked = site.downlinks.query_reception(SENSOR)
    site.advance(11)
    assert failure() == "unavailable"
