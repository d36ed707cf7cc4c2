"""Downlinks as messages to base stations."""

from __future__ import annotations

from tests.center.downlinks.gateway import (
    DownlinkHouse,
    gateway,
)


def test_an_acknowledgement_alone_has_no_entry_of_data(site: DownlinkHouse) -> None:
    station = gateway(site)
    site.queue(data=())
    site.queue(b"", priority=1.0)
    assert [request.userData for request in station.asked()] == [[], []]


def test_each_counter_has_its_data(site: DownlinkHouse) -> None:
    station = gateway(site)
    site.queue(b"\1", b"\2", packet_counters=(7, 9))
    (request,) = station.asked()
    assert (request.cntDepend, request.packetCnt, request.userData) == (True, [7, 9], [[1], [2]])
