"""Processes that end with the test, or the module, that started them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import ensureDeferred, gatherResults

from bssci.simulator.station import SimulatedStation
from tests.e2e.subscriber import Subscriber
from tests.mqtt.mosquitto import Mosquitto
from tests.support.service import ServiceProcess


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[Callable[..., ServiceProcess]]:
    """Makes the test's service with the given settings; it is not started yet."""
    services: list[ServiceProcess] = []

    def make(**settings: object) -> ServiceProcess:
        services.append(ServiceProcess(tmp_path / f"service{len(services)}", **settings))
        return services[-1]

    yield make
    for service in services:
        service.end()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture(scope="module")
def service(broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One that runs for a whole module, with the sinks ``mqtt`` and ``log``."""
    service = ServiceProcess(
        tmp_path_factory.mktemp("shared") / "service", SINKS="mqtt,log", MQTT_PORT=broker.port
    )
    pytest_twisted.blockon(ensureDeferred(service.start()))
    yield service
    service.end()


@pytest.fixture
def stations() -> Iterator[list[SimulatedStation]]:
    """Base stations that a test started: put them here, and they are stopped."""
    started: list[SimulatedStation] = []
    yield started
    pytest_twisted.blockon(gatherResults([station.stop() for station in started]))


@pytest.fixture
def make_subscriber() -> Iterator[Callable[[int], Subscriber]]:
    """Listens to a broker's port."""
    listeners: list[Subscriber] = []

    def listen(port: int) -> Subscriber:
        listeners.append(Subscriber(port))
        return listeners[-1]

    yield listen
    pytest_twisted.blockon(gatherResults([listener.stop() for listener in listeners]))
