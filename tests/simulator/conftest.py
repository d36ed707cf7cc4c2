"""A simulated station in memory; a service center in memory and on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.interfaces import IListeningPort
from twisted.internet.ssl import Certificate, PrivateCertificate
from twisted.internet.task import Clock

from bssci.simulator import Quirks, SimulatedStation
from bssci.simulator.requests import Behaviour
from tests.simulator.service_center import Air, ServiceCenterDouble
from tests.simulator.simulated_station import EUI, NOW_NS, Connect
from tests.support.tls import TLSFiles, tls_files

__all__ = ["tls_files"]


@pytest.fixture
def air() -> Connect:
    """Builds a connected station."""

    def build(*quirks: str, behaviour: Behaviour | None = None) -> Air:
        clock = Clock()
        station = SimulatedStation(
            EUI,
            clock=clock,
            random=Random(1),
            quirks=Quirks(quirks),
            behaviour=behaviour,
            now_ns=lambda: NOW_NS + int(clock.seconds() * 1e9),
        )
        built = Air(station, ServiceCenterDouble(), clock)
        built.connect()
        return built

    return build


@pytest.fixture
def center() -> ServiceCenterDouble:
    return ServiceCenterDouble()


@pytest.fixture
def port(tls_files: TLSFiles, center: ServiceCenterDouble) -> Iterator[int]:
    """Where the double listens, with mutual TLS."""
    server = PrivateCertificate.loadPEM(tls_files.key.read_bytes() + tls_files.certificate.read_bytes())
    options = server.options(Certificate.loadPEM(tls_files.ca.read_bytes()))
    listening: IListeningPort = reactor.listenSSL(0, center, options, interface="127.0.0.1")
    yield listening.getHost().port
    pytest_twisted.blockon(listening.stopListening())
