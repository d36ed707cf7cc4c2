"""Whom a simulated station trusts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulator.simulation import simulation
from tests.support.tls import Authority, TLSFiles


@pytest.mark.parts
async def test_a_wrong_server_name_is_not_trusted(port: int, tls_files: TLSFiles) -> None:
    run = simulation(
        port, tls_files, "--server-name", "elsewhere", "--connect-timeout", "0.5", "--count", "1"
    )
    await run.start()
    assert run.exit_status == 2
    assert run.error is not None and "could not connect" in run.error


@pytest.mark.parts
async def test_a_service_center_of_another_authority_is_not_trusted(
    port: int, tls_files: TLSFiles, tmp_path: Path
) -> None:
    other = Authority(tmp_path).directory / "ca_cert.pem"
    run = simulation(port, tls_files, "--ca", str(other), "--connect-timeout", "0.5", "--count", "1")
    await run.start()
    assert run.exit_status == 2
