"""A service, its base stations and sensors, and the time that passes for all of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.serialization import Encoding
from msgspec.structs import replace

from bssci.center.write_behind import INTERVAL
from bssci.model import EUI, Downlink, DownlinkRequest, eui_from_int, eui_to_int
from bssci.model.attach_crypto import attach_signature
from bssci.wire.errors import ErrorCode
from bssci.wire.messages import (
    Att,
    Det,
    DlDataQue,
    DlDataRes,
    Error,
    Message,
    Ping,
    Request,
    Response,
    Status,
    UlData,
)
from tests.center.sequences.base_station import BaseStation
from tests.center.sequences.service import Service
from tests.support.center import KEY, STATION, TESTER, sensor_entry, sensor_eui

STATIONS = ((STATION, "1.0.0"), (STATION + 1, "1.1.0"), (STATION + 2, "1.0.0"))
SENSORS = 3
"""sensors, of which the last cannot receive"""
LOOK = 5.0
"""s between two checks for silent sensors"""
FOR_EVER = 1e6
"""s of silence that never are over"""
PEACE = 150.0
"""s after which nothing may be left undone, if nothing hinders it"""
ROUND = 5.0
"""s of peace after which stations that are away come again"""
BUSY_WAIT = 3.0
"""s after which a station repeats what was refused as busy"""
ENDLESS = 200
"""exchanges of messages that must have come to their end"""
WRONG_KEY = "not a key"
BROKEN = "!"
"""what is too much in a file that was saved in the middle of a change"""
LATE = 1.5
"""s after which a downlink that has expired must not be ordered any more"""


@dataclass
class Heard:
    """One uplink on the air."""

    message: UlData
    stations: set[int] = field(default_factory=set)
    """those that heard it"""
    answered: bool = False
    beginnings: int = 0
    """beginnings of the sensor when the uplink was last passed on: after each it is an uplink of its own"""


class World:
    """The service, and all that it deals with.

    :ivar others: stations with the EUI and the certificate of one of these, in a session of their own.
    :ivar manners: how each station answers by itself: ``eager`` everything, ``slow`` pings and the like,
        ``mute`` nothing.
    :ivar counters: the last packet counter of each sensor.
    """

    def __init__(self, directory: Path) -> None:
        entries = [sensor_entry(number, bidi=number != SENSORS) for number in range(1, SENSORS + 1)]
        (directory / "endpoints.json").write_text(json.dumps(entries))
        self.stations = [BaseStation(eui, version, self._ordered) for eui, version in STATIONS]
        self.others = [BaseStation(eui, version, lambda station, order: None) for eui, version in STATIONS]
        self.manners = dict.fromkeys((eui for eui, _ in STATIONS), "eager")
        self.revoked: set[int] = set()
        """stations whose certificate was revoked"""
        self.heard: list[Heard] = []
        self.counters: Counter[int] = Counter()
        self._repeated: dict[int, int] = {}
        """by station, the lowest opId of the orders that a resume has repeated"""
        self._to_acknowledge: set[int] = set()
        """sensors that have got a downlink since they last sent"""
        self._attach_counters: Counter[int] = Counter()
        self._beginnings: Counter[int] = Counter()
        """how often each sensor attached, or may have got another key: it counts from 0 then"""
        self._detaches: dict[int, Det] = {}
        """the last one of each sensor"""
        self._again: list[tuple[float, Callable[[], None]]] = []
        """operations that were refused as busy, and when they are begun again"""
        self._clock_was_set = False
        self._expires_at: dict[int, float] = {}
        """s of the clock when downlinks expire that were queued by command"""
        self.has_forgotten = False
        """uplinks that the journal has forgotten may be taken for new ones when they come again"""
        self._sent: set[int] = set()
        """downlinks whose station knows that the service knows that they were sent"""
        self._payloads = count(1)
        self.service = Service(directory)
        self.house = self.service.house

    def kill(self, sinks: Sequence[str] = ()) -> None:
        """Kill the service, and start it again.

        :param sinks: those of the next run; none: the present ones.
        """
        for station in (*self.stations, *self.others):
            station.cut()
        self._complete_file()  # the service does not start with a broken one
        self.service.kill(sinks)

    def stop(self, sinks: Sequence[str] = ()) -> None:
        """Stop the service, which lets go of the stations, and start it again."""
        self.service.stop()
        self.kill(sinks)

    def begin_anew(self) -> None:
        """Note that sensors may get other keys."""
        self._beginnings.update(eui_to_int(EUI(sensor_eui(number))) for number in range(1, SENSORS + 1))

    def edit_sensor(self, number: int, **changes: Any) -> None:
        """Change a sensor in endpoints.json by hand, or remove it; the service reads the file later.

        :param changes: None: it is removed.
        """
        self.begin_anew()
        eui = sensor_eui(number)
        others = [entry for entry in self._entries() if entry["eui"] != eui]
        self._write([*others, *([sensor_entry(number, **changes)] if changes else [])])

    def break_file(self) -> None:
        """Save endpoints.json by hand before it is complete."""
        file = self.house.sensors_file
        file.write_text(file.read_text() + BROKEN)

    def mend_file(self) -> None:
        """Correct by hand what is wrong in endpoints.json."""
        self._complete_file()
        entries = self._entries()
        if any(entry["nwKey"] == WRONG_KEY for entry in entries):
            self.begin_anew()
            self._write(
                [entry | {"nwKey": KEY} if entry["nwKey"] == WRONG_KEY else entry for entry in entries]
            )

    def _complete_file(self) -> None:
        if self.house.sensors_file.read_text().endswith(BROKEN):
            self._write(self._entries())

    def _entries(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = json.loads(self.house.sensors_file.read_text().rstrip(BROKEN))
        return entries

    def _write(self, entries: Sequence[dict[str, Any]]) -> None:
        self.house.sensors_file.write_text(json.dumps(entries))

    def keep_journal_small(self) -> None:
        """Let the journal make room by what all sinks have taken, and refuse everything if there is none."""
        self.has_forgotten = True
        self.house.set_size(is_small=True)

    def forget_events(self, age: float) -> None:
        """Let the journal forget what happened earlier than ``age`` s ago, and all sinks have taken."""
        self.has_forgotten = True
        self.house.forget_events(age)

    # time

    def carry(self) -> None:
        """Carry messages between the stations and the service until nothing more comes."""
        self.house.clock.advance(0.001)
        for _ in range(ENDLESS):
            self.house.settle()
            waiting = [station for station in (*self.stations, *self.others) if station.inbox]
            if not waiting:
                return
            for station in waiting:
                self._read(station)
        raise AssertionError("it never ends")

    def _read(self, station: BaseStation) -> None:
        if station in self.others:
            station.read()
            return
        known = self.house.center.stations.get(eui_from_int(station.eui))
        was_online = station.online
        station.read()
        if station.online and not was_online and known is not None and known.session is not None:
            self._repeated[station.eui] = known.session.last_sc_op_id
        manner = self.manners[station.eui]
        for request in list(station.asked):
            if manner == "eager" or (manner == "slow" and isinstance(request, Ping | Status)):
                station.asked.remove(request)
                station.asked.appendleft(request)
                station.answer()

    def advance(self, seconds: float) -> None:
        """Let time pass, while everything else goes on."""
        clock = self.house.clock
        end = clock.seconds() + seconds
        while (left := end - clock.seconds()) > 1e-9:
            clock.advance(min(left, 0.5 if seconds < 10 else 2.0))
            again, self._again = self._again, []
            for at, begin in again:
                if at <= clock.seconds():
                    begin()
                else:
                    self._again.append((at, begin))
            self.carry()

    def set_clock(self, seconds: float) -> None:
        """Set the time of day; where the service is killed then, downlinks expire earlier or later."""
        self.house.set_clock(seconds)
        self._clock_was_set = True

    def make_peace(self) -> None:
        """Let nothing hinder the service any more, and all stations come and do as they are asked."""
        self.house.set_disk("well")
        self.house.set_size(is_small=False)
        self.house.set_threads(are_slow=False)
        self.let_sensors_be_silent(FOR_EVER)
        self.mend_file()
        self.service.do(self.house.center.commands.reload_sensors(TESTER))
        for other in self.others:
            other.lose()
        for station in self.stations:
            if station.eui in self.revoked:
                self.renew_certificate(station)
        self.manners = dict.fromkeys(self.manners, "eager")
        for sink in self.service.sinks.values():
            sink.set("takes")
        for _ in range(int(PEACE / ROUND)):
            for station in self.stations:
                is_blocked = self.house.center.registry.is_blocked(eui_from_int(station.eui))
                if not station.connected and not is_blocked:
                    self.connect(station)
                if station.online:
                    station.begin(Ping(opId=0))
                while station.answer():
                    self.carry()
            self.advance(ROUND)

    def let_go_of_copies(self) -> None:
        """Let the inbox forget copies whose uplink is forgotten: the next start would take them for new."""
        online = [station for station in self.stations if station.online]
        if self.has_forgotten and online:
            self.send_uplink(online[0], eui_to_int(EUI(sensor_eui(SENSORS))))
            self.advance(INTERVAL + 5)

    # stations and sensors

    def let_sensors_be_silent(self, seconds: float) -> None:
        """Detach sensors that are silent for so long, until the next start."""
        self.house.center.silence.configure(
            enabled=True, timeout=seconds, warning_timeout=seconds / 2, check_interval=LOOK
        )

    def revoke_certificate(self, station: BaseStation) -> None:
        """Revoke a station's certificate; it is refused with it until the service starts anew."""
        self.revoked.add(station.eui)
        self.house.center.registry.revoked(station.certificate.public_bytes(Encoding.DER))
        assert not station.online

    def renew_certificate(self, station: BaseStation) -> None:
        self.revoked.discard(station.eui)
        station.renew_certificate()
        self.others[self.stations.index(station)].renew_certificate()

    def connect(self, station: BaseStation) -> None:
        station.connect(self.service.factory)
        self.carry()

    def send_uplink(self, station: BaseStation, sensor: int) -> None:
        """Let a sensor send, and one station hear it."""
        self.counters[sensor] += 1
        message = UlData(
            opId=0,
            epEui=sensor,
            rxTime=self._time(),
            packetCnt=self.counters[sensor],
            snr=0.0,
            rssi=-100.0,
            userData=list(next(self._payloads).to_bytes(3, "big")),
            dlOpen=False,
            responseExp=False,
            dlAck=sensor in self._to_acknowledge,
        )
        self._to_acknowledge.discard(sensor)
        self.heard.append(Heard(message))
        self.hear(station, self.heard[-1])

    def hear(self, station: BaseStation, heard: Heard) -> None:
        """Let a station hear an uplink, if it did not, and pass it on."""
        if station.eui in heard.stations:
            return
        heard.stations.add(station.eui)

        def taken() -> None:
            heard.answered, heard.beginnings = True, self._beginnings[heard.message.epEui]

        # Each station has a signal of its own, so that one is always better than the other.
        self._pass_on(station, replace(heard.message, snr=10.0 - self.stations.index(station)), taken)

    def attach(self, station: BaseStation, sensor: int, ahead: int) -> None:
        """Let a sensor ask to be attached.

        :param ahead: what its attach counter is higher than at its last request; 0: a copy of that.
        """
        counter = self._attach_counters[sensor] = max(1, self._attach_counters[sensor] + ahead)
        self._beginnings[sensor] += 1
        station.begin(
            Att(
                opId=0,
                epEui=sensor,
                rxTime=self._time(),
                attachCnt=counter,
                snr=10.0,
                rssi=-100.0,
                nonce=list(counter.to_bytes(4, "big")),
                sign=list(attach_signature(bytes.fromhex(KEY), sensor, counter)),
                dualChan=True,
                repetition=False,
                wideCarrOff=False,
                longBlkDist=False,
            )
        )

    def detach(self, station: BaseStation, sensor: int, *, is_copy: bool) -> None:
        """Let a sensor say that it leaves, or another station hear that it did."""
        message = self._detaches.get(sensor) if is_copy else None
        if message is None:
            message = self._detaches[sensor] = Det(
                opId=0,
                epEui=sensor,
                rxTime=self._time(),
                packetCnt=self.counters[sensor],
                snr=10.0,
                rssi=-100.0,
                sign=list(next(self._payloads).to_bytes(4, "big")),
            )
        station.begin(message)

    def _pass_on(self, station: BaseStation, message: Request, taken: Callable[[], None]) -> None:
        """Let a station begin an operation, and again as long as the service is busy."""

        def answered(answer: Message) -> None:
            if isinstance(answer, Response):
                taken()
                return
            assert isinstance(answer, Error) and answer.code == ErrorCode.EAGAIN, answer
            at = self.house.clock.seconds() + BUSY_WAIT
            self._again.append((at, lambda: self._pass_on(station, message, taken)))

        station.begin(message, answered)

    def _time(self) -> int:
        return int(self.house.now() * 1e9)

    # downlinks

    def queue(self, request: DownlinkRequest) -> None:
        """Queue a downlink by command."""

        def queued(downlink: Downlink) -> None:
            if request.expires_in is not None:
                self._expires_at[downlink.queue_id] = self.house.clock.seconds() + request.expires_in

        self.service.do(self.house.center.commands.queue_downlink(request, TESTER), queued)

    def _ordered(self, station: BaseStation, order: DlDataQue) -> None:
        """Check an order to queue a downlink when a station gets it, unless a resume had to repeat it."""
        queue_id = order.queId
        if order.opId >= self._repeated.get(station.eui, 0):
            return
        assert queue_id not in self._sent, f"downlink {queue_id} is ordered after it was sent"
        late = self.house.clock.seconds() - self._expires_at.get(queue_id, float("inf"))
        assert late < LATE or self._clock_was_set, f"downlink {queue_id} is ordered {late} s after it expired"
        for other in self.stations:
            if other is not station and other.online and queue_id not in other.kept_away:
                assert queue_id not in other.held, f"two stations have downlink {queue_id}"

    def end_downlink(self, station: BaseStation, result: Literal["sent", "expired", "invalid"]) -> None:
        """Let a station end a downlink that it holds, and report that."""
        order = station.end_downlink()
        if order is None:
            return
        sent = result == "sent"
        if sent:
            self._to_acknowledge.add(order.epEui)
        report = DlDataRes(
            opId=0,
            epEui=order.epEui,
            queId=order.queId,
            result=result,
            txTime=self._time() if sent else None,
            packetCnt=self.counters[order.epEui] if sent else None,
        )
        self._pass_on(station, report, lambda: self._sent.update([order.queId] if sent else []))
