"""``bssci replay`` beside a running service: it shows the progress, and Ctrl-C cancels."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from twisted.internet.threads import deferToThread

from bssci.web.access.accounts import AccountFile
from tests.support.running_service import free_ports
from tests.support.service import ROOT, endpoint, send, until

SENSOR = 0x70B3D56770120002
STATION = 0xCAFE00000000B002
UPLINKS = 3000
PATIENCE = 30.0


def command(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BSSCI_")}
    return subprocess.Popen(
        [sys.executable, "-m", "bssci.cli", "replay", "--sink", "file", "--from", "0", *arguments],
        cwd=directory,
        env=clean | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def delivered(file: Path) -> list[str]:
    """Return the ids of the uplinks in whole lines."""
    lines = file.read_text().split("\n")[:-1] if file.exists() else []
    return [line["id"] for line in map(json.loads, lines) if line["kind"] == "uplink"]


@pytest.mark.parts
async def test_a_replay_is_shown_and_cancelled(make_service, stations) -> None:
    service = make_service(SINKS="file", FILE_PATH="events.jsonl", WEB_PORT=free_ports(1)[0])
    service.configure([endpoint(SENSOR)])
    events = service.directory / "events.jsonl"
    await service.start()
    stations.append(service.station(STATION))
    await stations[-1].when_connected()
    for counter in range(UPLINKS):
        sent = send(stations[-1], SENSOR, counter, bytes([counter & 0xFF]))
    await sent
    await until(lambda: len(delivered(events)) == UPLINKS)

    process = command(service.directory, "--to", "now")
    said, wrong = await deferToThread(process.communicate, timeout=PATIENCE)
    assert (process.returncode, wrong) == (0, "")
    lines = said.splitlines()
    assert lines[0] == "replay 1 into file begun"
    assert lines[-1] == f"done, 100%, {UPLINKS} delivered"
    ids = delivered(events)
    assert ids[:UPLINKS] == ids[UPLINKS:]

    process = command(service.directory, "--to", "now")
    assert process.stdout is not None
    await deferToThread(process.stdout.readline)
    process.send_signal(signal.SIGINT)
    said, wrong = await deferToThread(process.communicate, timeout=PATIENCE)
    assert (process.returncode, wrong) == (130, "")
    assert said.splitlines()[-1].startswith("cancelled, ")
    assert len(delivered(events)) < 3 * UPLINKS
    assert not AccountFile(service.directory / "data").read().tokens

    process = command(service.directory, "--to", "now", "--device", "no device")
    said, wrong = await deferToThread(process.communicate, timeout=PATIENCE)
    assert process.returncode == 1 and wrong.startswith("error: devices"), wrong
    await deferToThread(service.end)
    process = command(service.directory, "--to", "now")
    said, wrong = await deferToThread(process.communicate, timeout=PATIENCE)
    assert process.returncode == 1 and wrong.startswith("error: the service is not running"), wrong
