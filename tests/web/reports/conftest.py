from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bssci.certificates import bundles
from bssci.model import EUI
from tests.support.center import Line
from tests.support.web import WebHouse
from tests.web.reports.dashboards import NOW, STATION_NAME


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
