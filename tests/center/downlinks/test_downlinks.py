"""Downlinks: queued, placed, sent, acknowledged, revoked, expired, refused."""

from __future__ import annotations

import pytest

from bssci.model import DownlinkRequest
from bssci.model.commands import CommandError
from bssci.wire.messages import (
    DlDataQue,
)
from tests.center.downlinks.gateway import (
    SENSOR,
    DownlinkHouse,
    gateway,
)
from tests.support.center import result_of, sensor_eui
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]


def test_a_downlink_goes_all_the_way(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue(b"\1\2", ref="mine", priority=2.0, response_expected=True)
    (request,) = station.asked()
    assert request == DlDataQue(
        opId=request.opId,
        epEui=int(SENSOR, 16),
        queId=queue_id,
        cntDepend=False,
        userData=[[1, 2]],
        prio=2.0,
        responseExp=True,
    )
    station.sent = [request]
    station.accept()
    assert station.result(queue_id, counter=2)
    station.hear(3, dlAck=True)
    downlink = site.downlink(queue_id)
    assert (downlink.state, downlink.packet_counter, downlink.base_station_eui) == (
        "acknowledged",
        2,
        station.name,
    )
    assert downlink.tx_time == 1_700_000_000_000_000_000
    assert site.statuses(queue_id) == ["queued", "sent", "acknowledged"]
    assert site.downlinks.statistics() == {"queued": 0, "sent": 1, "acknowledged": 1}
    assert {event.ref for _, event in site.events if getattr(event, "queue_id", 0) == queue_id} == {"mine"}


def test_the_queue_operation_waits_for_the_disk(site: DownlinkHouse) -> None:
    station = gateway(site)
    queued = site.downlinks.queue(DownlinkRequest(end_point_eui=SENSOR, data=(b"x",)))
    assert not queued.called
    assert station.asked() == []
    site.settle()
    assert result_of(queued).state == "queued"


def test_without_a_disk_nothing_is_queued(site: DownlinkHouse) -> None:
    gateway(site)
    site.journal.broken = True
    queued = site.downlinks.queue(DownlinkRequest(end_point_eui=SENSOR, data=(b"x",)))
    site.settle()
    with pytest.raises(CommandError) as error:
        result_of(queued)
    assert error.value.code == "unavailable"
    site.journal.broken = False
    site.advance(2)
    assert site.queue() == 2
    assert site.downlinks.statistics() == {"queued": 1}


def test_a_full_disk_is_told_once_a_minute(site: DownlinkHouse, log_lines: list[str]) -> None:
    site.queue()
    site.journal.broken = True
    for _ in range(5):
        site.advance(1)
    site.journal.broken = False
    told = [line for line in log_lines if line.startswith("downlinks not found or stored")]
    assert told == ["downlinks not found or stored disk full"]


def test_revoked_while_it_waits_here(site: DownlinkHouse) -> None:
    queue_id = site.queue()
    revoked = site.downlinks.revoke(SENSOR, queue_id)
    site.settle()
    assert result_of(revoked).state == "revoked"
    station = gateway(site)
    assert station.asked() == []
    assert site.statuses(queue_id) == ["queued", "revoked"]


@pytest.mark.parametrize("unknown", [None, 2, 95])
def test_revoked_at_the_station(site: DownlinkHouse, unknown: int | None) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    ends = []
    site.downlinks.revoke(SENSOR, queue_id).addCallback(lambda downlink: ends.append(downlink.state))
    site.settle()
    assert ends == []
    if unknown is not None:
        station.held.clear()
    assert station.forget(unknown or 0) == [queue_id]
    assert ends == ["revoked"]
    assert site.statuses(queue_id) == ["queued", "revoked"]


def test_two_who_revoke_hear_the_same_answer(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    revoked = [site.downlinks.revoke(SENSOR, queue_id) for _ in range(2)]
    site.settle()
    assert station.forget() == [queue_id]
    assert [result_of(each).state for each in revoked] == ["revoked", "revoked"]


def test_what_was_sent_before_it_was_revoked_was_sent(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    revoked = site.downlinks.revoke(SENSOR, queue_id)
    site.settle()
    station.result(queue_id, counter=2)
    assert result_of(revoked).state == "sent"
    station.forget()
    assert site.statuses(queue_id) == ["queued", "sent"]


def test_who_revokes_does_not_wait_for_ever(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    revoked = site.downlinks.revoke(SENSOR, queue_id)
    site.advance(11)
    assert result_of(revoked).state == "queued"
    station.forget()
    assert site.downlink(queue_id).state == "revoked"


def test_what_cannot_be_revoked(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    station.result(queue_id)
    for sensor, which, code in (
        (SENSOR, queue_id, "conflict"),
        (SENSOR, 99, "unknown_downlink"),
        (SENSOR, -1, "unknown_downlink"),
        (SENSOR, 1 << 70, "unknown_downlink"),
        (sensor_eui(2), queue_id, "unknown_downlink"),
    ):
        revoked = site.downlinks.revoke(sensor, which)
        site.settle()
        with pytest.raises(CommandError) as error:
            result_of(revoked)
        assert (error.value.code, error.value.field) == (code, "queue_id")


def test_a_queue_is_bounded(site: DownlinkHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bssci.center.downlinks.downlinks.MAX_QUEUED_OF_SENSOR", 2)
    site.queue()
    site.queue()
    with pytest.raises(CommandError) as error:
        site.queue()
    assert error.value.code == "busy"
    site.queue(sensor=sensor_eui(2))


def test_a_service_that_stops_takes_nothing_more(site: DownlinkHouse) -> None:
    site.queue()
    stopped = site.downlinks.stop()
    site.settle()
    result_of(stopped)
    with pytest.raises(CommandError) as error:
        site.queue()
    assert error.value.code == "unavailable"
    assert site.journal.kept().downlinks.queued == {SENSOR: 1}
