from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bssci.certificates import bundles
from bssci.certificates.store import CertificateStore
from bssci.model import EUI
from bssci.web.reports.certificates import HOUR, by_end
from tests.support.center import STATION, Line
from tests.support.web import WebHouse
from tests.web.html import Document

NOW = 1_800_000_000.0
"""Unix seconds, while certificates are looked at"""


STATION_NAME = f"{STATION:016X}"


def dashboard(web: WebHouse) -> dict[str, Any]:
    told: dict[str, Any] = web.browser("viewer").get("/api/dashboard").json()
    return told


def tiles(web: WebHouse) -> dict[str, str]:
    """Where each leads, by its label."""
    page = Document(web.browser("viewer").get("/").text)
    labels = [each for each in page.all("span") if each["class"] == "tile-label"]
    return {each.text: tile["href"] for each in labels if (tile := each.within("a"))}


@pytest.fixture
def dated(web: WebHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has certificates end in so many days: ours by their file, a station's with or without a bundle here."""
    web.clock.advance(NOW - web.now())
    web.settle()
    certs = web.directory / "certs"

    def make(server: float = 1000.0, station: float | None = None, bundle: float | None = None) -> None:
        def issue(directory: Path, life: float) -> bytes:
            now = datetime.fromtimestamp(web.now(), UTC)
            monkeypatch.setattr("bssci.certificates.issuing.LIFE", timedelta(days=life, seconds=60))
            list(bundles.make_station(certs / "ca.pem", directory, EUI(STATION_NAME), now))
            return (directory / STATION_NAME / "station_cert.pem").read_bytes()

        for file in ("server.pem", "server_key.pem"):
            (certs / file).unlink()
        monkeypatch.setattr("bssci.certificates.issuing.LIFE", timedelta(days=server, seconds=60))
        now = datetime.fromtimestamp(web.now(), UTC)
        list(bundles.make_server(certs / "ca.pem", certs / "server.pem", certs / "server_key.pem", [], now))
        if bundle is not None:
            issue(certs / "stations", bundle)
        if station is not None:
            line = Line(web)
            pem = issue(tmp_path / "shown", station)
            line.certificate = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
            line.connect()

    return make


@pytest.mark.parametrize(
    ("ends", "name", "days", "href"),
    [
        ({"server": 300.0}, "Service center", 300, "/certificates"),
        ({"server": 300.0, "station": 40.0}, f"Base station {STATION_NAME}", 40, f"/stations/{STATION_NAME}"),
        ({"server": 300.0, "bundle": 50.0}, f"Base station {STATION_NAME}", 50, "/certificates"),
        # What the station shows counts, not what it was once given.
        ({"server": 300.0, "station": 400.0, "bundle": 5.0}, "Service center", 300, "/certificates"),
    ],
)
def test_the_next_certificate_to_end_is_named_and_leads_to_it(
    web: WebHouse, dated: Callable[..., None], ends: dict[str, float], name: str, days: int, href: str
) -> None:
    dated(**ends)
    certificate = dashboard(web)["certificate"]
    assert (certificate["name"], certificate["days_left"], certificate["href"]) == (name, days, href)
    assert tiles(web)["Next certificate to expire"] == href
    assert name in web.browser("viewer").get("/").text


@pytest.mark.parametrize(
    ("state", "shown", "bundle", "counts"),
    [
        ("online", 5, 900, 5),
        ("offline", 5, 900, 900),
        ("offline", 5, None, 5),
        ("offline", -29, None, -29),
        ("offline", -31, None, None),
        ("online", -31, None, -31),
    ],
)
def test_what_a_station_that_went_had_shown_does_not_count_for_ever(
    state: str, shown: int, bundle: int | None, counts: int | None
) -> None:
    def ending(days: int) -> dict[str, Any]:
        return {"not_after": NOW + days * 86400.0, "days_left": days}

    row = {"eui": STATION_NAME, "name": None, "state": state, "certificate": ending(shown)}
    inventory = [] if bundle is None else [{"file": f"station:{STATION_NAME}"} | ending(bundle)]
    assert [each["days_left"] for each in by_end(inventory, [row])] == ([] if counts is None else [counts])


def test_handshakes_are_tried_again_when_a_file_or_the_hour_has_changed(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float] = []
    problems = CertificateStore.problems

    def counted(store: CertificateStore) -> tuple[list[str], list[str]]:
        tried.append(web.now())
        return problems(store)

    monkeypatch.setattr(CertificateStore, "problems", counted)
    browser = web.browser("viewer")

    def errors() -> list[str]:
        told: list[str] = browser.get("/api/certificates/status").json()["errors"]
        return told

    assert errors() == errors() == []
    assert len(tried) == 1
    (web.directory / "certs" / "server_key.pem").unlink()
    assert "server_key.pem" in errors()[0]
    assert errors() and len(tried) == 2
    web.clock.advance(HOUR)
    assert errors() and len(tried) == 3
