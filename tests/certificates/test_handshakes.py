from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bssci.certificates.contexts import server_context
from bssci.certificates.handshakes import meet, words_of_fault
from bssci.certificates.issuing import Authority, create_authority, issue_server, issue_station, new_key

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def authority() -> Authority:
    key = new_key()
    return Authority(create_authority(key, NOW), key)


def test_a_client_that_knows_the_authority_finds_no_fault(authority: Authority) -> None:
    key = new_key()
    server = server_context([issue_server(key, authority, [], NOW)], key)
    for whole_chain in (False, True):
        assert meet(server, [authority.certificate], whole_chain=whole_chain).faults == []


def test_a_client_that_does_not_know_it_says_which_certificate_is_at_fault(authority: Authority) -> None:
    key = new_key()
    certificate = issue_server(key, authority, [], NOW)
    meeting = meet(server_context([certificate], key), [])
    assert meeting.faults[0][0] == certificate
    assert words_of_fault(meeting.faults[0][1]) == "its issuer is missing"


def test_a_certificate_of_a_station_is_none_of_a_server(authority: Authority) -> None:
    key = new_key()
    meeting = meet(server_context([issue_station(key, authority, None, NOW)], key), [authority.certificate])
    assert [words_of_fault(number) for _, number in meeting.faults] == ["it is for another purpose"]


def test_a_fault_without_words_has_its_number() -> None:
    assert words_of_fault(9999) == "OpenSSL error 9999"
