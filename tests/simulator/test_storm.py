"""The storm of connections of one gateway model."""

from __future__ import annotations

import pytest

from tests.simulator.service_center import ServiceCenterDouble
from tests.simulator.simulation import simulation
from tests.support.tls import TLSFiles


@pytest.mark.parts
async def test_a_storm_finishes_six_connections(
    port: int, tls_files: TLSFiles, center: ServiceCenterDouble
) -> None:
    run = simulation(port, tls_files, "--quirk", "storm", "--count", "1")
    await run.start()
    assert run.exit_status == 0
    assert sum(connection.is_established for connection in center.connections) == 6
    assert len(center.connections) == 14
