from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from bssci.certificates.contexts import described_key, server_context, station_context
from bssci.certificates.handshakes import meet
from bssci.certificates.issuing import Authority, create_authority, issue_server, issue_station, new_key
from bssci.certificates.reading import CertificateError
from bssci.model import EUI

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def authority() -> Authority:
    key = new_key()
    return Authority(create_authority(key, NOW), key)


def test_stations_need_a_certificate_of_the_authorities(authority: Authority) -> None:
    key, station_key, other_key = new_key(), new_key(), new_key()
    context = station_context([issue_server(key, authority, [], NOW)], key, [authority.certificate])
    station = issue_station(station_key, authority, EUI("CAFE000000000001"), NOW)
    trusted = [authority.certificate]
    assert meet(context, trusted, identity=(station, station_key)).refused == ""
    assert meet(context, trusted).refused
    stranger = Authority(create_authority(other_key, NOW), other_key)
    theirs = issue_station(station_key, stranger, EUI("CAFE000000000001"), NOW)
    assert meet(context, trusted, identity=(theirs, station_key)).refused


def test_a_server_asks_for_no_certificate(authority: Authority) -> None:
    key = new_key()
    context = server_context([issue_server(key, authority, [], NOW)], key)
    meeting = meet(context, [authority.certificate])
    assert (meeting.refused, meeting.faults) == ("", [])


def test_a_key_of_another_certificate_is_refused_with_its_kind(authority: Authority) -> None:
    certificate = issue_server(new_key(), authority, [], NOW)
    with pytest.raises(CertificateError, match="OpenSSL refuses it .*secp256r1"):
        server_context([certificate], new_key())


def test_a_key_is_described_by_its_kind() -> None:
    assert described_key(ec.generate_private_key(ec.SECP384R1())) == "secp384r1"
    assert described_key(rsa.generate_private_key(65537, 1024)) == "RSA 1024"
    assert described_key(object()) == "object"
