"""Mutual TLS: who gets in, and certificates that change while stations are connected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.python.failure import Failure

from bssci.certificates.reading import CertificateError
from bssci.certificates.server import ServerTLS, StationFiles
from bssci.stations.admission import ConnectionLimits
from bssci.system.line_limit import LINES, PERIOD
from bssci.wire.messages import Ping, PingRsp, UlDataRsp
from tests.support.center import STATION
from tests.support.tls import Authority, TLSFiles
from tests.support.wire import uplink


@pytest.fixture
def own_files(tmp_path: Path) -> TLSFiles:
    """Certificates that this test may change."""
    (tmp_path / "tls").mkdir()
    return TLSFiles(tmp_path / "tls")


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_tls_1_2_and_later(room, version: int) -> None:
    client = room.station(version=version)
    client.establish(STATION)
    client.say(uplink(1))
    assert client.take(UlDataRsp) == [UlDataRsp(opId=1)]


def test_a_certificate_of_another_authority_stays_out(room, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    Authority(stranger, "somebody else").issue(
        "localhost", stranger / "station_cert.pem", stranger / "station_key.pem"
    )
    (stranger / "ca_cert.pem").write_bytes(room.files.ca.read_bytes())
    client = room.station(bundle=stranger)
    client.say(client.con(STATION))
    room.advance(1)
    assert client.lost is not None
    assert room.count.failed_handshakes == 1
    assert len(room.house.center.stations) == 0
    [refusal] = room.factory.refusals.listed()
    assert refusal.reason == "its certificate is signed by another authority, CN=somebody else"
    assert (refusal.subject, refusal.issuer) == ("CN=localhost", "CN=somebody else")
    assert "add its certificate to CA_FILE" in refusal.remedy


class _Bare(StringTransport):
    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing is sent."""


@pytest.mark.parametrize(("sent", "refused"), [(b"", 0), (b"GET / HTTP/1.0\r\n\r\n", 1), (b"\x16\x03", 1)])
@pytest.mark.parametrize("error", [ConnectionDone, ConnectionLost])
def test_who_connects_and_closes_without_a_byte_is_not_refused(
    room, sent: bytes, refused: int, error: type[Exception]
) -> None:
    transport = _Bare(peerAddress=IPv4Address("TCP", "192.0.2.9", 1))
    connection = room.listening.buildProtocol(transport.getPeer())
    with capturedLogs() as told:
        connection.makeConnection(transport)
        if sent:
            connection.dataReceived(sent)
        connection.connectionLost(Failure(error()))
    assert len(room.factory.refusals.listed()) == room.count.failed_handshakes == refused
    lines = [formatEvent(each) for each in told if each["log_level"] is not LogLevel.debug]
    assert len(lines) == refused
    if sent.startswith(b"GET"):
        assert lines == ["connection refused 192.0.2.9:1: it spoke HTTP, not TLS"]
    assert room.count.open == 0


def test_strangers_write_few_lines_however_often_they_come(room) -> None:
    def come() -> None:
        transport = _Bare(peerAddress=IPv4Address("TCP", "192.0.2.9", 1))
        connection = room.listening.buildProtocol(transport.getPeer())
        connection.makeConnection(transport)
        connection.dataReceived(b"GET / HTTP/1.0\r\n\r\n")
        connection.connectionLost(Failure(ConnectionDone()))

    with capturedLogs() as told:
        for _ in range(500):
            come()
        room.house.advance(PERIOD)
        come()
    lines = [formatEvent(each) for each in told if each["log_level"] is not LogLevel.debug]
    assert len(lines) == LINES + 1
    assert lines[-1].endswith(f": it spoke HTTP, not TLS, {500 - LINES} lines left out")
    assert room.count.failed_handshakes == 501


def test_who_connects_and_says_nothing_is_given_up(room) -> None:
    transport = _Bare(peerAddress=IPv4Address("TCP", "192.0.2.9", 1))
    transport.abortConnection = transport.loseConnection  # type: ignore[method-assign]
    connection = room.listening.buildProtocol(transport.getPeer())
    connection.makeConnection(transport)
    room.house.advance(ConnectionLimits.handshake_time)
    assert transport.disconnecting
    connection.connectionLost(Failure(ConnectionLost()))
    assert room.count.failed_handshakes == 1


def renew(files: TLSFiles) -> None:
    files.authority.issue("renewed", files.certificate, files.key, server=True)


def subject_seen_by(client) -> str:
    subject = client.transport.getPeerCertificate().to_cryptography().subject
    return subject.rfc4514_string().removeprefix("CN=")


def test_renewed_files_serve_new_connections_and_drop_nobody(make_room, own_files: TLSFiles) -> None:
    room = make_room(files=own_files)
    room.tls.start()
    old = room.station()
    old.establish(STATION)
    renew(own_files)
    room.advance(6)
    new = room.station()
    assert (subject_seen_by(old), subject_seen_by(new)) == ("localhost", "renewed")
    old.say(Ping(opId=1))
    assert old.take(PingRsp) == [PingRsp(opId=1)]


def test_a_key_that_does_not_fit_leaves_the_old_ones_in_force(make_room, own_files: TLSFiles) -> None:
    room = make_room(files=own_files)
    room.tls.start()
    key = own_files.key.read_bytes()
    renew(own_files)
    new_key = own_files.key.read_bytes()
    own_files.key.write_bytes(key)
    room.advance(6)
    assert subject_seen_by(room.station()) == "localhost"
    own_files.key.write_bytes(new_key)
    room.advance(6)
    assert subject_seen_by(room.station()) == "renewed"


def test_a_missing_file_leaves_the_old_ones_in_force(make_room, own_files: TLSFiles) -> None:
    room = make_room(files=own_files)
    room.tls.start()
    own_files.certificate.unlink()
    room.advance(6)
    assert subject_seen_by(room.station()) == "localhost"


def test_an_authority_that_is_added_lets_its_stations_in(
    make_room, own_files: TLSFiles, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    authority = Authority(other, "other CA")
    authority.issue("localhost", other / "station_cert.pem", other / "station_key.pem")
    trusted_by_station = own_files.ca.read_bytes()
    own_files.ca.write_bytes(trusted_by_station + authority.certificate_pem)
    (other / "ca_cert.pem").write_bytes(trusted_by_station)
    room = make_room(files=own_files)
    client = room.station(bundle=other)
    client.establish(STATION)
    client.say(uplink(1))
    assert client.take(UlDataRsp) == [UlDataRsp(opId=1)]


def test_a_look_is_over_when_the_files_of_now_are_in_force(house, own_files: TLSFiles) -> None:
    loads: list[Deferred[Any]] = []

    def in_thread(load: Callable[[], Any]) -> Deferred[Any]:
        loads.append(Deferred().addCallback(lambda _: load()))
        return loads[-1]

    tls = ServerTLS(house.clock, StationFiles(own_files.certificate, own_files.key, own_files.ca), in_thread)
    old, over = tls._context, []
    assert tls.check().called and not loads
    renew(own_files)
    tls.check()
    renew(own_files)
    tls.check().addCallback(over.append)
    loads[0].callback(None)
    first = tls._context
    assert first is not old and not over
    loads[1].callback(None)
    assert over == [None] and tls._context is not first


def test_files_that_do_not_fit_refuse_the_start(own_files: TLSFiles) -> None:
    key = own_files.key.read_bytes()
    renew(own_files)
    own_files.key.write_bytes(key)
    with pytest.raises(CertificateError, match="KEY_FILE"):
        StationFiles(own_files.certificate, own_files.key, own_files.ca).load(
            datetime.now(UTC), at_start=True
        )


def test_a_client_that_offers_protocols_gets_in(room) -> None:
    client = room.station(protocols=[b"bssci", b"h2"])
    client.establish(STATION)
    client.say(uplink(1))
    assert client.take(UlDataRsp) == [UlDataRsp(opId=1)]


def test_a_revoked_station_stays_out_from_the_next_look_on(make_room, own_files: TLSFiles) -> None:
    room = make_room(files=own_files)
    room.tls.start()
    room.station(STATION).establish(STATION)
    (own_files.directory / "crl.pem").write_bytes(
        own_files.authority.revoke(own_files.station_bundle(STATION))
    )
    room.advance(6)
    client = room.station(STATION)
    client.say(client.con(STATION))
    room.advance(1)
    assert client.lost is not None
    refusal = room.factory.refusals.listed()[0]
    assert refusal.reason == "its certificate was revoked"
    assert refusal.base_station_eui == f"{STATION:016X}"
    room.station().establish(STATION + 1)


def test_our_own_list_counts_beside_that_of_the_operator(make_room, own_files: TLSFiles) -> None:
    room = make_room(files=own_files)
    room.tls.start()
    (own_files.directory / "crl.pem").write_bytes(
        own_files.authority.revoke(own_files.station_bundle(STATION))
    )
    (own_files.directory / "revoked.pem").write_bytes(
        own_files.authority.revoke(own_files.station_bundle(STATION + 1))
    )
    room.advance(6)
    for number, gets_in in ((0, False), (1, False), (2, True)):
        client = room.station(STATION + number)
        client.say(client.con(STATION + number))
        room.advance(1)
        assert (client.lost is None) is gets_in, number
        assert gets_in or "alert certificate revoked" in str(client.lost.value)
