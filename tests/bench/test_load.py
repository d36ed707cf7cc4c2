"""The load generator: what it packs, what it recognises, and a short run of each measure."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import msgspec
import pytest
import pytest_twisted
from hypothesis import given, strategies
from twisted.internet import reactor
from twisted.internet.ssl import Certificate, PrivateCertificate

from bench.fastwire import FIRST_OP_ID, AnswerReader, Head
from bench.load import Load, UplinkStation, add_arguments
from bssci.simulator.connection import CODECS
from bssci.wire.codec import Encoding
from bssci.wire.errors import FramingError
from bssci.wire.frame import encode_frame
from bssci.wire.messages import (
    AttPrp,
    Error,
    Ping,
    UlData,
    UlDataCmp,
)
from tests.simulator.service_center import CenterConnection, ServiceCenterDouble
from tests.support.tls import TLSFiles, tls_files

__all__ = ["tls_files"]
CODEC = CODECS[Encoding.MESSAGEPACK]


def answer(op_id: int, code: int, command_first: bool) -> bytes:
    """``ulDataRsp``, or another message if ``code`` is not 0."""
    if code == 1:
        return CODEC.encode(Ping(opId=-op_id))
    if code:
        return CODEC.encode(Error(opId=op_id, code=code, message="no"))
    message = {"command": "ulDataRsp", "opId": op_id}
    return encode_frame(msgspec.msgpack.encode(message if command_first else dict(reversed(message.items()))))


@given(
    strategies.lists(strategies.sampled_from([0, 0, 0, 0, 1, 5])),
    strategies.lists(strategies.integers(0, 2000)),
    strategies.booleans(),
)
def test_any_cut_of_any_answers_gives_the_same_counts(
    codes: list[int], cuts: list[int], command_first: bool
) -> None:
    frames = [answer(FIRST_OP_ID + number, code, command_first) for number, code in enumerate(codes)]
    stream = b"".join(frames)
    others: list[Head] = []
    reader = AnswerReader(others.append)
    acknowledged: list[int] = []
    borders = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    for start, end in zip(borders, borders[1:], strict=False):
        acknowledged += reader.feed(stream[start:end])
    assert acknowledged == [FIRST_OP_ID + number for number, code in enumerate(codes) if not code]
    assert [head.code for head in others] == [0 if code == 1 else code for code in codes if code]


def test_a_stream_that_is_no_bssci_is_refused() -> None:
    with pytest.raises(FramingError):
        AnswerReader(lambda head: None).feed(b"HTTP/1.1 400 Bad Request\r\n")


def test_what_is_packed_by_hand_is_what_the_wire_understands() -> None:
    station = UplinkStation(eui=1, sensors=2, first_counter=0xFFFFFFFF, group=1, groups=2)
    station._add_uplinks(3)
    station.acknowledged([FIRST_OP_ID + 2])
    *uplinks, completion = [CODEC.decode(frame[12:]) for frame in station._out]
    assert completion == UlDataCmp(opId=FIRST_OP_ID + 2)
    assert all(isinstance(uplink, UlData) for uplink in uplinks)
    # Numbers 1, 3 and 5 of all uplinks, by two sensors in turns.
    assert [(uplink.opId - FIRST_OP_ID, uplink.epEui & 0xFF, uplink.packetCnt) for uplink in uplinks] == [
        (0, 2, 0xFFFFFFFF),
        (1, 2, 0),
        (2, 2, 1),
    ]


def propagate(connection: CenterConnection) -> None:
    """Attach three sensors."""
    flags = dict.fromkeys(("dualChan", "repetition", "wideCarrOff", "longBlkDist"), False)
    for number in (1, 2, 3):
        fields = {"epEui": number, "bidi": True, "nwkSnKey": [0] * 16, "shAddr": 1, "lastPacketCnt": 0}
        connection.send(AttPrp(opId=-number, **fields, **flags))


@pytest.fixture
def center() -> ServiceCenterDouble:
    return ServiceCenterDouble()


@pytest.fixture
def options(tls_files: TLSFiles, center: ServiceCenterDouble) -> Iterator[argparse.Namespace]:
    """Of a load generator that connects to the double."""
    server = PrivateCertificate.loadPEM(tls_files.key.read_bytes() + tls_files.certificate.read_bytes())
    tls = server.options(Certificate.loadPEM(tls_files.ca.read_bytes()))
    listening = reactor.listenSSL(0, center, tls, interface="127.0.0.1")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    chosen = ["--port", str(listening.getHost().port), "--bundle", str(tls_files.station_bundle())]
    yield parser.parse_args([*chosen, "--stations", "2", "--seconds", "0.1", "--sensors", "3"])
    pytest_twisted.blockon(listening.stopListening())


@pytest.mark.parts
@pytest.mark.parametrize("mode", ["open", "closed"])
async def test_uplinks_are_counted(
    options: argparse.Namespace, center: ServiceCenterDouble, mode: str
) -> None:
    options.mode, options.in_flight = mode, 2
    result = await Load(options, reactor).run()
    uplinks = center.of(UlData)
    assert result["sent"] == result["acknowledged"] == len(uplinks) == len(center.of(UlDataCmp)) > 0
    assert len({(uplink.epEui, uplink.packetCnt) for uplink in uplinks}) == len(uplinks)
    assert result["latency_ms"]["p99"] >= result["latency_ms"]["p50"] > 0


@pytest.mark.parts
async def test_refusals_are_counted_and_make_room(
    options: argparse.Namespace, center: ServiceCenterDouble
) -> None:
    options.in_flight = 2
    center.refuse["ulData"] = 11
    result = await Load(options, reactor).run()
    assert result["acknowledged"] == 0
    assert result["refused"] == {"11": result["sent"]}
    assert result["sent"] > 4


@pytest.mark.parts
async def test_copies_are_the_same_uplinks(options: argparse.Namespace, center: ServiceCenterDouble) -> None:
    options.mode, options.rate, options.copies = "open", 200, 2
    await Load(options, reactor).run()
    uplinks = center.of(UlData)
    assert len({(uplink.epEui, uplink.packetCnt) for uplink in uplinks}) * 2 == len(uplinks)


@pytest.mark.parts
async def test_propagation_is_measured(options: argparse.Namespace, center: ServiceCenterDouble) -> None:
    center.on_established = propagate
    options.measure, options.attachments, options.seconds = "attach", 3, 5
    result = await Load(options, reactor).run()
    assert result["propagated"] == result["expected"] == 6


@pytest.mark.parts
async def test_idle_stations_stay(options: argparse.Namespace, capsys: pytest.CaptureFixture[str]) -> None:
    options.measure = "idle"
    assert await Load(options, reactor).run() == {"stations": 2, "still_connected": 2}
    assert '"connected": 2' in capsys.readouterr().out
