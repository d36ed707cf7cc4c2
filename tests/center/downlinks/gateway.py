"""A service center in memory that sends downlinks, and base stations with hands on their queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bssci.center.downlinks.downlinks import DownlinkDesk
from bssci.center.uplinks.paths import Paths
from bssci.model import (
    EUI,
    Downlink,
    DownlinkReception,
    DownlinkRequest,
    DownlinkStatus,
    eui_to_int,
)
from bssci.wire.messages import (
    DetPrp,
    DetPrpRsp,
    DlDataQue,
    DlDataQueRsp,
    DlDataRes,
    DlDataResCmp,
    DlDataResRsp,
    DlDataRev,
    DlDataRevRsp,
    Error,
    UlDataCmp,
)
from tests.support.center import STATION, House, Line, result_of, sensor_entry, sensor_eui
from tests.support.wire import connect, uplink

SENSOR = EUI(sensor_eui(1))
ONE_WAY_SENSOR = EUI(sensor_eui(5000))
OTHER_STATION = STATION + 1


class DownlinkHouse(House):
    """With two bidirectional sensors, and one that is not."""

    def __init__(self, directory: Path, sensors: int = 2) -> None:
        self.sensors_file = directory / "endpoints.json"
        self.configure(
            [sensor_entry(number, bidi=True) for number in range(1, sensors + 1)]
            + [sensor_entry(5000, bidi=False)]
        )
        super().__init__(directory, **{"deduplication-delay": "0"})

    @property
    def downlinks(self) -> DownlinkDesk:
        return self.center.downlinks

    @property
    def paths(self) -> Paths:
        return self.center.paths

    def set_clock(self, seconds: float) -> None:
        """Set the time of day forward, or back, at once."""
        self._began -= seconds

    def queue(self, *data: bytes, sensor: EUI = SENSOR, **changes: Any) -> int:
        """Queue a downlink; its queue id."""
        fields: dict[str, Any] = {"end_point_eui": sensor, "data": data or (b"\1\2",)}
        request = DownlinkRequest(**(fields | changes))
        queued = self.downlinks.queue(request)
        self.settle()
        return int(result_of(queued).queue_id)

    def downlink(self, queue_id: int, sensor: EUI = SENSOR) -> Downlink:
        found = self.downlinks.of(sensor)
        self.settle()
        return next(each for each in result_of(found) if each.queue_id == queue_id)

    def statuses(self, queue_id: int) -> list[str]:
        """The states that were published of a downlink."""
        return [event.status for event in self.happened(DownlinkStatus) if event.queue_id == queue_id]

    def receptions(self) -> list[DownlinkReception]:
        return self.happened(DownlinkReception)


class Gateway(Line):
    """A base station that answers attachments by itself, and downlink operations when it is told to.

    :ivar held: queue ids that it has taken.
    """

    def __init__(self, house: House, eui: int = STATION) -> None:
        super().__init__(house, eui)
        self.held: list[int] = []
        self.uuid = list(range(16))

    @property
    def name(self) -> EUI:
        return EUI(f"{self.eui:016X}")

    def come(self, *, bidi: bool = True, fresh: bool = False) -> None:
        """Connect; the session goes on if the service center has it."""
        if fresh:
            self.uuid = [byte + 1 & 0xFF for byte in self.uuid]
        self.sent.clear()
        self.connect(connect(bsEui=self.eui, bidi=bidi, snBsUuid=self.uuid))
        self.answer_attachments()

    def answer_attachments(self) -> None:
        self.answer_everything()
        for request in self.take(DetPrp):
            self.say(DetPrpRsp(opId=request.opId))

    def hear(self, counter: int, sensor: EUI = SENSOR, snr: float = 10.0, **changes: Any) -> None:
        """Pass an uplink on, and see it published."""
        self.op_id += 1
        message = uplink(self.op_id, epEui=eui_to_int(sensor), packetCnt=counter, snr=snr, **changes)
        self.say(message)
        self.say(UlDataCmp(opId=self.op_id))
        self.house.advance(0.1)

    def asked(self) -> list[DlDataQue]:
        """Take what was asked to be queued, without an answer."""
        return self.take(DlDataQue)

    def accept(self) -> list[int]:
        """Take and hold what is asked to be queued; its queue ids."""
        requests = self.asked()
        self.held += [request.queId for request in requests]
        self.say(*(DlDataQueRsp(opId=request.opId) for request in requests))
        return [request.queId for request in requests]

    def refuse(self, code: int) -> None:
        self.say(*(Error(opId=request.opId, code=code, message="no") for request in self.asked()))

    def forget(self, unknown: int = 2) -> list[int]:
        """Answer revocations: what is held goes, for the rest the error ``unknown``."""
        requests = self.take(DlDataRev)
        for request in requests:
            if request.queId in self.held:
                self.held.remove(request.queId)
                self.say(DlDataRevRsp(opId=request.opId))
            else:
                self.say(Error(opId=request.opId, code=unknown, message="not held"))
        return [request.queId for request in requests]

    def result(self, queue_id: int, result: str = "sent", counter: int = 1, sensor: EUI = SENSOR) -> bool:
        """Tell the result of a downlink; whether that was answered."""
        if queue_id in self.held:
            self.held.remove(queue_id)
        self.op_id += 1
        sent = result == "sent"
        self.say(
            DlDataRes(
                opId=self.op_id,
                epEui=eui_to_int(sensor),
                queId=queue_id,
                result=result,
                txTime=1_700_000_000_000_000_000 if sent else None,
                packetCnt=counter if sent else None,
            )
        )
        self.say(DlDataResCmp(opId=self.op_id))
        return bool(self.take(DlDataResRsp))


def gateway(site: DownlinkHouse, counter: int = 1, **options: bool) -> Gateway:
    """A base station that hears the sensor."""
    gateway = Gateway(site)
    gateway.come(**options)
    gateway.hear(counter)
    return gateway


def connected(site: DownlinkHouse, eui: int | None = None, counter: int = 1, snr: float = 10.0) -> Gateway:
    """A base station that hears the sensor at this counter, with this signal to noise ratio in dB."""
    station = Gateway(site) if eui is None else Gateway(site, eui)
    station.come()
    station.hear(counter, snr=snr)
    return station


@pytest.fixture
def site(tmp_path: Path, whole_service: None) -> Iterator[DownlinkHouse]:
    house = DownlinkHouse(tmp_path)
    yield house
    house.close()


@pytest.fixture
def make_site(tmp_path: Path, whole_service: None) -> Iterator[Callable[[int], DownlinkHouse]]:
    """A site with this many sensors."""
    houses: list[DownlinkHouse] = []

    def make(sensors: int) -> DownlinkHouse:
        houses.append(DownlinkHouse(tmp_path, sensors))
        return houses[-1]

    yield make
    for house in houses:
        house.close()


__all__ = ["DownlinkHouse", "Gateway", "make_site", "site"]
