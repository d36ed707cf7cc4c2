"""The benchmark's load generator, a process of its own: ``python -m bench.load --help``.

What it sends is packed beforehand and written in batches, and what it gets is read in bulk, so that it takes
much less time than any service center at the other end. It measures three things: uplinks (``--measure
uplinks``), the propagation of sensors to a fresh station (``attach``), stations that do nothing (``idle``).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from twisted.internet.defer import (
    Deferred,
    DeferredSemaphore,
    FirstError,
    TimeoutError,
    ensureDeferred,
    gatherResults,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall, deferLater
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from bench.fastwire import FIRST_OP_ID, AnswerReader, Head, Template
from bssci.simulator.certs import Bundle, BundleError, ClientTLS
from bssci.simulator.configuration import FIRST_SENSOR, FIRST_STATION
from bssci.simulator.report import in_milliseconds
from bssci.wire.codec import Codec, Encoding
from bssci.wire.errors import FramingError
from bssci.wire.frame import encode_frame
from bssci.wire.messages import Con, ConCmp, Message, Ping, StatusRsp, UlData, UlDataCmp

PAYLOAD = list(range(20))
"""Bytes of an uplink; the third and the fifth are others in each, as counters and measurements are."""
OPEN_TICK = 0.005
"""Seconds between two batches at an open rate."""
PING_TICK = 0.05
DRAIN_TIMEOUT = 10.0
RING = 1 << 20
"""Uplinks of one station that may be without an answer."""
CONNECTING_AT_ONCE = 20
CONNECT_TIMEOUT = 60.0
"""Seconds for all stations together."""

_codec = Codec(Encoding.MESSAGEPACK)
_MARK32, _MARK64, _MARK_TIME = 0xF1F2F3F4, 0xD1D2D3D4D5D6D7D8, 0xC1C2C3C4C5C6C7C8
_COUNTER_MARK = 0xE1E2E3E4
_BYTE_MARKS = 0xB1B2B3B4, 0xA1A2A3A4
_UPLINK = Template(
    _codec.encode(
        UlData(
            opId=_MARK32,
            epEui=_MARK64,
            rxTime=_MARK_TIME,
            packetCnt=_COUNTER_MARK,
            snr=12.5,
            rssi=-101.25,
            profile="eu1",
            mode="ulp",
            userData=[*PAYLOAD[:2], _BYTE_MARKS[0], PAYLOAD[3], _BYTE_MARKS[1], *PAYLOAD[5:]],
            dlOpen=False,
            responseExp=False,
            dlAck=False,
        )
    ),
    [
        *((_MARK32, "I"), (_MARK64, "Q"), (_MARK_TIME, "Q"), (_COUNTER_MARK, "I")),
        *((mark, "I") for mark in _BYTE_MARKS),
    ],
)
_COMPLETION = Template(_codec.encode(UlDataCmp(opId=_MARK32)), [(_MARK32, "I")])


class LoadStation(Protocol):
    """A connection that answers everything quickly and keeps no state it does not need."""

    transport: TLSMemoryBIOProtocol

    def __init__(self, eui: int) -> None:
        self.eui = eui
        self.ready: Deferred[LoadStation] = Deferred()
        self.is_connected = False
        self.is_joining = False
        """True if frames that are written together share a TLS record."""
        self.requests: Counter[str] = Counter()
        """Requests and completions of the service center, by command."""
        self.on_request: Callable[[str], None] = lambda _command: None
        self.on_pong: Callable[[], None] = lambda: None
        self._answers = AnswerReader(self._other)
        self._out: list[bytes] = []

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        uuid = list(Random().randbytes(16))
        self._send(Con(opId=0, version="1.0.0", bsEui=self.eui, bidi=True, snBsUuid=uuid))
        self._flush()

    def dataReceived(self, data: bytes) -> None:
        try:
            op_ids = self._answers.feed(data)
        except FramingError:
            self.transport.abortConnection()
            return
        if op_ids:
            self.acknowledged(op_ids)
        self._flush()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.is_connected = False
        if not self.ready.called:
            self.ready.errback(reason)

    def acknowledged(self, op_ids: list[int]) -> None:
        """Count uplinks that were acknowledged."""

    def refused(self, op_id: int, code: int) -> None:
        """Count an operation that was answered by ``error``."""

    def ping(self, op_id: int) -> None:
        """Ask whether the service center is still there; ``on_pong`` tells."""
        self._send(Ping(opId=op_id))
        self._flush()

    def _other(self, head: Head) -> None:
        command = head.command
        if command == "conRsp":
            self._send(ConCmp(opId=0))
            self.is_connected = True
            # Whoever waits may write at once, and conCmp must be first.
            self._flush()
            self.ready.callback(self)
        elif command == "error":
            self._answer("errorAck", head.opId)
            if self.is_connected:
                self.refused(head.opId, head.code)
        elif command == "pingRsp":
            self._answer("pingCmp", head.opId)
            self.on_pong()
        elif command == "status":
            self._send(StatusRsp(opId=head.opId, code=0, message="", time=time.time_ns(), dutyCycle=0.0))
        elif not command.endswith(("Rsp", "Cmp", "Ack")):
            self._answer(command + "Rsp", head.opId)
        self.requests[command] += 1
        self.on_request(command)

    def _answer(self, command: str, op_id: int) -> None:
        self._out.append(encode_frame(msgspec.msgpack.encode({"command": command, "opId": op_id})))

    def _send(self, message: Message) -> None:
        self._out.append(_codec.encode(message))

    def _flush(self) -> None:
        """Write each frame, so that it is a TLS record of its own, or all of them at once."""
        if self.is_joining:
            self.transport.write(b"".join(self._out))
        else:
            for frame in self._out:
                TLSMemoryBIOProtocol.write(self.transport, frame)
        self._out.clear()


class UplinkStation(LoadStation):
    """Sends uplinks: each answer makes room for the next one, or as many as it is told.

    :param sensors: how many sensors take turns.
    :param first_counter: the packet counter of the first turn.
    :param group: which uplinks it hears: its n-th is number ``group + n * groups`` of all.
    """

    def __init__(self, eui: int, sensors: int, first_counter: int, group: int, groups: int) -> None:
        super().__init__(eui)
        self.sent = 0
        self.acknowledgements = 0
        self.refusals: Counter[int] = Counter()
        self.latencies = array("d")
        """s, of every acknowledged uplink"""
        self.last_answer = 0.0
        self.is_refilling = False
        self._sensors = [FIRST_SENSOR + number for number in range(sensors)]
        self._first_counter = first_counter
        self._group = group
        self._groups = groups
        self._sent_at = array("d", bytes(8 * RING))

    @property
    def unanswered(self) -> int:
        return self.sent - self.acknowledgements - self.refusals.total()

    def send_uplinks(self, count: int) -> None:
        """Write the next ``count`` uplinks, or as many as the ring has room for."""
        self._add_uplinks(count)
        self._flush()

    def acknowledged(self, op_ids: list[int]) -> None:
        now, sent_at, mask = time.perf_counter(), self._sent_at, RING - 1
        self.last_answer = now
        self.acknowledgements += len(op_ids)
        self.latencies.extend([now - sent_at[op_id & mask] for op_id in op_ids])
        pack, (before, after) = _COMPLETION.pack, _COMPLETION.constants
        self._out.extend([pack(before, op_id, after) for op_id in op_ids])
        if self.is_refilling:
            self._add_uplinks(len(op_ids))

    def refused(self, op_id: int, code: int) -> None:
        self.last_answer = time.perf_counter()
        self.refusals[code] += 1
        if self.is_refilling:
            self._add_uplinks(1)

    def _add_uplinks(self, count: int) -> None:
        count = min(count, RING - self.unanswered)
        first = self.sent
        now, sent_at, mask = time.perf_counter(), self._sent_at, RING - 1
        for op_id in range(FIRST_OP_ID + first, FIRST_OP_ID + first + count):
            sent_at[op_id & mask] = now
        rx_time = time.time_ns()
        start = self._group + first * self._groups
        numbers = range(start, start + count * self._groups, self._groups)
        sensors, amount, base = self._sensors, len(self._sensors), self._first_counter
        pack, (c0, c1, c2, c3, c4, c5, c6) = _UPLINK.pack, _UPLINK.constants
        self._out.extend(
            [
                pack(
                    c0, op_id, c1, sensors[n % amount], c2, rx_time, c3, base + n // amount & 0xFFFFFFFF,
                    c4, op_id & 0xFF, c5, op_id >> 2 & 0xFF, c6,
                )
                for op_id, n in enumerate(numbers, FIRST_OP_ID + first)
            ]
        )  # fmt: skip
        self.sent += count


class Load:
    """One measurement.

    :param options: as :func:`add_arguments` describes them.
    """

    def __init__(self, options: argparse.Namespace, reactor: Any) -> None:
        self._options = options
        self._reactor = reactor
        tls = ClientTLS(Bundle.in_directory(options.bundle), options.server_name)
        self._endpoint = tls.endpoint(reactor, options.host, options.port)

    async def run(self) -> dict[str, Any]:
        """Run the load; return the result, ready to print."""
        measures = {"uplinks": self._uplinks, "attach": self._attach, "idle": self._idle}
        result: dict[str, Any] = await measures[self._options.measure]()
        return result

    async def _uplinks(self) -> dict[str, Any]:
        options = self._options
        groups = options.stations // options.copies
        first_counter = time.time_ns() // 1_000_000 & 0x7FFFFFFF
        stations = [
            UplinkStation(FIRST_STATION + number, options.sensors, first_counter, number % groups, groups)
            for number in range(options.stations)
        ]
        for station in stations:
            station.is_joining = options.joined
        await self._connect(stations)
        await deferLater(self._reactor, options.settle)
        started = time.perf_counter()
        await (self._closed(stations) if options.mode == "closed" else self._open(stations))
        deadline = time.perf_counter() + DRAIN_TIMEOUT
        while any(station.unanswered for station in stations) and time.perf_counter() < deadline:
            await deferLater(self._reactor, 0.01)
        await self._close(stations)
        seconds = max(station.last_answer for station in stations) - started
        acknowledged = sum(station.acknowledgements for station in stations)
        refused: Counter[int] = sum((station.refusals for station in stations), Counter())
        latencies = array("d")
        for station in stations:
            latencies.extend(station.latencies)
        return {
            "sent": sum(station.sent for station in stations),
            "acknowledged": acknowledged,
            "refused": {str(code): count for code, count in sorted(refused.items())},
            "seconds": round(seconds, 3),
            "rate": round(acknowledged / seconds, 1) if seconds > 0 else 0.0,
            "latency_ms": in_milliseconds(latencies),
        }

    async def _closed(self, stations: list[UplinkStation]) -> None:
        for station in stations:
            station.is_refilling = True
            station.send_uplinks(self._options.in_flight)
        await deferLater(self._reactor, self._options.seconds)
        for station in stations:
            station.is_refilling = False

    async def _open(self, stations: list[UplinkStation]) -> None:
        share = self._options.rate / len(stations)
        started = time.perf_counter()

        def send_due() -> None:
            due = int((time.perf_counter() - started) * share) + 1
            for station in stations:
                station.send_uplinks(due - station.sent)

        ticking = LoopingCall(send_due)
        ticking.clock = self._reactor
        ticking.start(OPEN_TICK)
        await deferLater(self._reactor, self._options.seconds)
        ticking.stop()

    async def _attach(self) -> dict[str, Any]:
        """Wait until all sensors are propagated to every station, or ``--seconds`` are over."""
        expected = self._options.attachments * self._options.stations
        stations = [LoadStation(FIRST_STATION + number) for number in range(self._options.stations)]
        moments: list[float] = []  # of each attPrp and attPrpCmp
        pongs = array("d")
        completed = [0]
        finished: Deferred[None] = Deferred()

        def request(command: str) -> None:
            if command.startswith("attPrp"):
                moments.append(time.perf_counter())
            if command == "attPrpCmp":
                completed[0] += 1
                if completed[0] == expected:
                    finished.callback(None)

        for station in stations:
            station.on_request = request
        await self._connect(stations)
        pinging = [self._ping_steadily(station, pongs) for station in stations]
        finished.addTimeout(self._options.seconds, self._reactor)
        with suppress(TimeoutError):  # then the result is what was propagated until now
            await finished
        for ticking in pinging:
            ticking.stop()
        await self._close(stations)
        seconds = moments[-1] - moments[0] if moments else 0.0
        return {
            "expected": expected,
            "propagated": completed[0],
            "seconds": round(seconds, 3),
            "rate": round(completed[0] / seconds, 1) if seconds > 0 else 0.0,
            "ping_ms": in_milliseconds(pongs),
        }

    def _ping_steadily(self, station: LoadStation, pongs: array[float]) -> LoopingCall:
        """Send one ping at a time, each ``PING_TICK`` after the last; answers that take longer delay the
        next.
        """
        asked_at: list[float] = []
        op_id = [0]

        def ask() -> None:
            if not asked_at:
                op_id[0] += 1
                asked_at.append(time.perf_counter())
                station.ping(op_id[0])

        station.on_pong = lambda: pongs.append(time.perf_counter() - asked_at.pop())
        ticking = LoopingCall(ask)
        ticking.clock = self._reactor
        ticking.start(PING_TICK)
        return ticking

    async def _idle(self) -> dict[str, Any]:
        """Connect, say so in a line of JSON, and stay for ``--seconds``."""
        stations = [LoadStation(FIRST_STATION + number) for number in range(self._options.stations)]
        started = time.perf_counter()
        await self._connect(stations)
        connected = {"connected": len(stations), "seconds": round(time.perf_counter() - started, 3)}
        print(json.dumps(connected), flush=True)
        await deferLater(self._reactor, self._options.seconds)
        left = sum(station.is_connected for station in stations)
        await self._close(stations)
        return {"stations": len(stations), "still_connected": left}

    async def _connect(self, stations: list[Any]) -> None:
        slots = DeferredSemaphore(CONNECTING_AT_ONCE)

        def connect(station: LoadStation) -> Deferred[Any]:
            factory = Factory.forProtocol(lambda: station)
            factory.noisy = False
            connecting = self._endpoint.connect(factory)
            return connecting.addCallback(lambda _: station.ready)

        connected = gatherResults([slots.run(connect, station) for station in stations], consumeErrors=True)
        connected.addTimeout(CONNECT_TIMEOUT, self._reactor)
        try:
            await connected
        except FirstError as error:
            error.subFailure.raiseException()

    async def _close(self, stations: list[Any]) -> None:
        for station in stations:
            if station.is_connected:
                station.transport.abortConnection()
        await deferLater(self._reactor, 0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the load generator."""
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=16018)
    parser.add_argument(
        "--bundle", type=Path, required=True, help="ca_cert.pem, station_cert.pem, station_key.pem"
    )
    parser.add_argument("--server-name", help="check that the certificate is for this name")
    parser.add_argument("--measure", choices=("uplinks", "attach", "idle"), default="uplinks")
    parser.add_argument("--stations", type=int, default=4)
    parser.add_argument("--sensors", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--mode", choices=("closed", "open"), default="closed")
    parser.add_argument("--in-flight", type=int, default=256, help="per station, for --mode closed")
    parser.add_argument("--rate", type=float, default=1000.0, help="uplinks/s in all, for --mode open")
    parser.add_argument(
        "--joined",
        action="store_true",
        help="uplinks that are due together share a TLS record; else each has its own",
    )
    parser.add_argument(
        "--copies", type=int, default=1, help="stations that hear each uplink; divides --stations"
    )
    parser.add_argument("--settle", type=float, default=0.0, help="s from connecting to the first uplink")
    parser.add_argument("--attachments", type=int, default=1000, help="attPrp to wait for at each station")
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")


def main(argv: list[str] | None = None) -> int:
    """Measure; 0 if everything was answered well, 1 if not, 2 if the stations could not connect."""
    parser = argparse.ArgumentParser(prog="bench.load", description=__doc__)
    add_arguments(parser)
    options = parser.parse_args(argv)
    if options.stations % options.copies:
        parser.error("--stations must be a multiple of --copies")
    from twisted.internet import reactor

    outcome: list[dict[str, Any] | Failure] = []
    try:
        load = Load(options, reactor)
    except BundleError as error:
        parser.error(str(error))

    def start() -> None:
        ensureDeferred(load.run()).addBoth(outcome.append).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(start)
    reactor.run()
    result = outcome[0] if outcome else Failure(KeyboardInterrupt())
    if isinstance(result, Failure):
        print(f"error: {result.getErrorMessage()}", file=sys.stderr)
        return 2
    print(
        json.dumps(result)
        if options.json
        else "\n".join(f"{name}: {value}" for name, value in result.items())
    )
    if options.measure == "attach":
        return 0 if result["propagated"] == result["expected"] else 1
    if options.measure == "idle":
        return 0 if result["still_connected"] == result["stations"] else 1
    return 0 if result["acknowledged"] == result["sent"] else 1


if __name__ == "__main__":
    sys.exit(main())
