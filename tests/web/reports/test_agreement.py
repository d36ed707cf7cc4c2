"""Verdict, readiness, alarms and ``health_check`` agree about whatever is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.python.failure import Failure

from bssci.center.devices.endpoints import EndpointsError
from bssci.certificates import bundles
from bssci.journal import StationEntry, StorageError
from bssci.model import EUI
from bssci.web.outside import Outside
from tests.support.center import STATION, Line
from tests.support.guard import guard_of
from tests.support.telegrams import telegram
from tests.support.web import SENSOR, WebHouse

Dated = Callable[..., None]


@dataclass
class Ports:
    """Those for base stations."""

    are_open: bool = True


@dataclass
class Service:
    """The service, as each fault changes it."""

    web: WebHouse
    dated: Dated
    ports: Ports

    @property
    def is_listening(self) -> bool:
        return self.ports.are_open

    def sink(self, **figures: Any) -> None:
        [well] = self.web.center.deliveries.statistics().values()
        self.web.center.deliveries.statistics = lambda: {"mqtt": well | figures}

    def journal_filled(self, percent: int) -> None:
        usage = replace(self.web.journal.usage(), undelivered=percent, max_size=100)
        self.web.journal.usage = lambda: usage  # type: ignore[method-assign]

    def station(self, number: int = 0) -> Line:
        line = Line(self.web, STATION + number)
        line.connect()
        return line

    def block(self) -> None:
        """Block the station."""
        entry = StationEntry(base_station_eui=EUI(f"{STATION:016X}"), blocked_at=1.0, entered_at=1.0)
        self.web.center.entries.put([entry])

    def refuse(self) -> None:
        """Refuse uplinks for a while, although the journal takes a small write."""
        for _ in range(4):
            self.web.center.storing.refused(Failure(StorageError("full")))
            self.web.advance(5, step=1)


@pytest.fixture
def ports() -> Ports:
    return Ports()


@pytest.fixture
def web(make_web_house: Callable[..., WebHouse], ports: Ports) -> WebHouse:
    return make_web_house(outside=Outside(listening=lambda: ports.are_open))


@pytest.fixture
def service(web: WebHouse, dated: Dated, ports: Ports) -> Service:
    return Service(web, dated, ports)


def nothing(service: Service) -> None:
    service.station()


def refused_uplinks(service: Service) -> None:
    service.refuse()


def nearly_full(service: Service) -> None:
    service.journal_filled(85)


def full(service: Service) -> None:
    service.journal_filled(98)


def closed_ports(service: Service) -> None:
    service.ports.are_open = False


def only_station_away(service: Service) -> None:
    service.station().lose()


def one_station_away(service: Service) -> None:
    service.station().lose()
    service.station(1)


def only_station_blocked(service: Service) -> None:
    service.station().lose()
    service.block()


def failing_sink(service: Service) -> None:
    service.sink(failing=True, trouble="no broker")


def sink_a_little_behind(service: Service) -> None:
    service.sink(oldest_seconds=299.0)


def sink_behind(service: Service) -> None:
    service.sink(oldest_seconds=301.0)


def sink_with_a_warning(service: Service) -> None:
    service.sink(warning="nothing is deleted")


def own_certificate_ended(service: Service) -> None:
    service.dated(server=-1.0)


def own_certificate_ends(service: Service) -> None:
    service.dated(server=20.0)


def certificate_of_a_station_ended(service: Service) -> None:
    service.dated(station=-1.0)


def certificate_of_a_station_to_begin(service: Service) -> None:
    now = datetime.fromtimestamp(service.web.now() + 2 * 86400.0, UTC)
    certs = service.web.directory / "certs"
    eui = EUI(f"{STATION:016X}")
    list(bundles.make_station(certs / "ca.pem", service.web.directory / "shown", eui, now))
    pem = (service.web.directory / "shown" / eui / "station_cert.pem").read_bytes()
    line = Line(service.web)
    line.certificate = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    line.connect()


def certificate_of_a_blocked_station(service: Service) -> None:
    service.dated(station=-1.0)
    service.block()


def silent_sensor(service: Service) -> None:
    service.station()
    service.web.center.silence.attached([SENSOR], service.web.now())
    service.web.advance(2 * 86400.0, step=3600.0)


def wrong_sensor(service: Service) -> None:
    service.web.sensors_file.write_text('[{"eui": "x"}]')
    service.web.center.sensors.reload().addErrback(lambda failure: failure.trap(EndpointsError))


def failing_source(service: Service) -> None:
    figures = {"kafka": {"trouble": "no broker"}}
    service.web.center.sources.statistics = lambda: figures  # type: ignore[assignment,method-assign]


def gateway_away(service: Service) -> None:
    service.web.center.gateways.heard([telegram(device="scanner:roof", envelope={"status": "offline"})])


@pytest.mark.parametrize(
    ("fault", "severity"),
    [
        (nothing, None),
        (refused_uplinks, "error"),
        (nearly_full, "warning"),
        (full, "error"),
        (closed_ports, "error"),
        (only_station_away, "error"),
        (one_station_away, "error"),
        (only_station_blocked, None),
        (failing_sink, "error"),
        (sink_a_little_behind, None),
        (sink_behind, "warning"),
        (sink_with_a_warning, "warning"),
        (own_certificate_ended, "error"),
        (own_certificate_ends, "warning"),
        (certificate_of_a_station_ended, "error"),
        (certificate_of_a_station_to_begin, "error"),
        (certificate_of_a_blocked_station, None),
        (silent_sensor, "warning"),
        (wrong_sensor, "warning"),
        (failing_source, "error"),
        (gateway_away, "warning"),
    ],
)
def test_they_agree(
    service: Service, dated: Dated, fault: Callable[[Service], None], severity: str | None
) -> None:
    dated()
    web, center = service.web, service.web.center
    with guard_of(web, listening=lambda: service.is_listening):
        fault(service)
        web.advance(75, step=5)
        is_storing = fault is not refused_uplinks
        if not is_storing:
            service.refuse()
        browser = web.browser("viewer")
        verdict = browser.get("/api/dashboard").json()["health"]
        readiness = browser.get("/readyz").json()
    worst = verdict["problems"][0]["severity"] if verdict["problems"] else None
    holding = {each.severity for each in center.alarms.open() if center.alarms.calm_of(each) is None}
    alarmed = next((each for each in ("error", "warning") if each in holding), None)
    assert (worst, alarmed) == (severity, severity), (verdict, [each.id for each in center.alarms.open()])
    assert readiness["ready"] is (is_storing and service.is_listening)
    sinks_are_well = fault not in (failing_sink, sink_with_a_warning)
    assert center.health()["status"] == ("ok" if is_storing and sinks_are_well else "degraded")
