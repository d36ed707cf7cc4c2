"""Refused connections: summed up, bounded, on disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from bssci.certificates.issuing import new_key
from bssci.model import EUI
from bssci.stations import causes
from bssci.stations.causes import Cause
from bssci.stations.refusals import MAX_REFUSALS, Refusals
from tests.support.center import House
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]

WRONG = Cause("wrong CA", "make a bundle")
STATION = EUI("CAFE000000000001")


def test_the_same_again_is_counted_and_comes_first(house: House) -> None:
    refusals = house.center.refused_stations
    refusals.add("192.0.2.1", WRONG)
    refusals.add("192.0.2.2", WRONG)
    house.advance(2)
    refusals.add("192.0.2.1", WRONG)
    refusals.add("192.0.2.1", Cause("not allowed"), STATION)
    assert [(each.address, each.reason, each.base_station_eui, each.count) for each in refusals.listed()] == [
        ("192.0.2.1", "not allowed", STATION, 1),
        ("192.0.2.1", "wrong CA", None, 2),
        ("192.0.2.2", "wrong CA", None, 1),
    ]
    again = refusals.listed()[1]
    assert (again.remedy, again.at - again.first_at) == ("make a bundle", 2)


def test_they_survive_a_crash(house: House) -> None:
    house.center.refused_stations.add("192.0.2.1", WRONG, STATION)
    house.advance(6)
    before = house.center.refused_stations.listed()
    house.crash()
    assert house.center.refused_stations.listed() == before != []


def test_a_full_disk_only_delays_that(house: House) -> None:
    house.journal.broken = True
    house.center.refused_stations.add("192.0.2.1", WRONG)
    house.advance(6)
    house.journal.broken = False
    house.advance(6)
    assert [each.reason for each in house.journal.kept().refusals.values()] == ["wrong CA"]


def test_a_full_disk_is_told_once_a_minute(house: House, log_lines: list[str]) -> None:
    house.journal.broken = True
    house.center.refused_stations.add("192.0.2.1", WRONG)
    house.advance(50)
    assert len([line for line in log_lines if line.startswith("refused connections not stored")]) == 1


def test_scanners_push_no_station_out(house: House) -> None:
    refusals: Refusals = house.center.refused_stations
    refusals.add("192.0.2.1", WRONG, STATION)
    for number in range(MAX_REFUSALS + 5):
        refusals.add(f"198.51.100.{number}", WRONG)
    house.advance(6)
    listed = refusals.listed()
    assert len(listed) == len(house.journal.kept().refusals) == MAX_REFUSALS
    assert (listed[0].address, listed[-1].base_station_eui) == (f"198.51.100.{MAX_REFUSALS + 4}", STATION)


def test_one_address_pushes_no_other_out(house: House) -> None:
    refusals = house.center.refused_stations
    refusals.add("192.0.2.1", WRONG, STATION)
    for number in range(MAX_REFUSALS + 5):
        refusals.add("198.51.100.1", WRONG, EUI(f"CAFE00000001{number:04X}"))
    listed = refusals.listed()
    assert (len(listed), listed[-1].base_station_eui) == (MAX_REFUSALS, STATION)


def test_details_that_differ_make_no_further_entry(house: House) -> None:
    refusals = house.center.refused_stations
    for number in range(3):
        refusals.add("192.0.2.1", causes.of_message(f"command 'x{number}' is not supported"), STATION)
    [refusal] = refusals.listed()
    assert refusal.count == 3 and "'x2'" in refusal.reason


def test_what_a_peer_says_is_one_line_in_alarms_and_messages(house: House) -> None:
    refusals = house.center.refused_stations
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a\n- The journal is full\x1b[31m")])
    key = new_key()
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(named, named, key.public_key(), 1, now, now + timedelta(days=1))
    refusals.add("192.0.2.1", causes.of_answer(5, "no\n- All is lost"), STATION, builder.sign(key, SHA256()))
    [refusal] = refusals.listed()
    assert refusal.reason == "it refused our answer to its con: error 5, no - All is lost"
    assert refusal.subject == refusal.issuer == "CN=a - The journal is full\N{REPLACEMENT CHARACTER}[31m"


def test_a_station_s_are_forgotten_once_it_is_dealt_with(house: House) -> None:
    refusals = house.center.refused_stations
    refusals.add("192.0.2.1", WRONG, STATION)
    house.advance(6)
    refusals.forget(STATION)
    house.advance(6)
    assert refusals.listed() == [] and not house.journal.kept().refusals
