"""The page of steps in a bundle."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bssci.certificates import bundles
from bssci.certificates.steps import PAGE, PLACE, host_of, steps
from bssci.model import EUI
from tests.web.html import Document

STATION = EUI("CAFE000000000001")


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        ([], ""),
        (["sc.example", "192.0.2.1"], "sc.example"),
        (["vm", "192.0.2.1"], "192.0.2.1"),
        (["vm"], "vm"),
    ],
)
def test_the_host_is_a_name_of_the_certificate(tmp_path: Path, hosts: list[str], found: str) -> None:
    ca, server = tmp_path / "ca.pem", tmp_path / "server.pem"
    list(bundles.make_authority(ca, datetime.now(UTC)))
    list(bundles.make_server(ca, server, tmp_path / "key.pem", hosts, datetime.now(UTC)))
    assert host_of(server) == found
    assert host_of(tmp_path / "none.pem") == ""


def test_the_page_says_where_to_connect_and_what_to_load() -> None:
    files = steps(STATION, "sc.<example>", [16018, 16017], "2031-05-01")
    assert files[PLACE] == b"host=sc.<example>\nport=16018\nbase_station=CAFE000000000001\n"
    page = Document(files[PAGE].decode()).one("body").text
    for word in ("sc.<example>", "16018", "16017", "ca_cert.pem", "station_key.pem", STATION, "2031-05-01"):
        assert word in page


def test_a_port_that_is_open_at_several_addresses_is_named_once() -> None:
    page = (
        Document(steps(STATION, "sc.example", [16018, 16018], "2031-05-01")[PAGE].decode()).one("body").text
    )
    assert page.count("16018") == 1


@pytest.mark.parametrize(("host", "ports"), [("", [16018]), ("sc.example", [])])
def test_without_a_known_host_or_port_it_says_whom_to_ask(host: str, ports: list[int]) -> None:
    assert "ask its administrator" in steps(STATION, host, ports, "2031-05-01")[PAGE].decode()


@pytest.mark.parametrize(
    ("host", "ports", "said", "left_out"),
    [
        ("sc.example", [16018], "insist on finding the name that", "also"),
        ("192.0.2.1", [16018, 16017], "insist on finding the address that", "the name that"),
    ],
)
def test_the_page_calls_a_name_a_name_and_names_further_ports_only_where_there_are_some(
    host: str, ports: list[int], said: str, left_out: str
) -> None:
    page = Document(steps(STATION, host, ports, "2031-05-01")[PAGE].decode())
    text = " ".join(page.one("body").text.split())
    assert said in text and left_out not in text
