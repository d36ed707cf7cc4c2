"""A private D-Bus with a bluetoothd on it that a test speaks for, and ``bssci scan`` beside it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/><allow user="*"/></policy></busconfig>
"""


class Bluetooth:
    """A context manager: bus and bluetoothd.

    :param options: of ``tests.scanner.bluez``.
    """

    def __init__(self, *options: str) -> None:
        if shutil.which("dbus-daemon") is None:
            pytest.skip("needs dbus-daemon: apt-get install dbus")
        pytest.importorskip("bleak", reason="needs bleak: pip install bssci[scanner]")
        self._options = options
        self._directory = Path(tempfile.mkdtemp(prefix="bssci-bus-"))
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Bluetooth:
        socket, file = self._directory / "socket", self._directory / "bus.conf"
        file.write_text(BUS.format(socket=socket))
        self._start(["dbus-daemon", f"--config-file={file}", "--nofork", "--print-address"]).stdout.readline()  # type: ignore[union-attr]
        self.environment = os.environ | {
            "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={socket}",
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "tests.scanner.bluez", *self._options]
        self._bluetoothd = self._start(command, env=self.environment, stdin=subprocess.PIPE)
        assert self.said() == "ready"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def said(self) -> str:
        """Return the next word of bluetoothd: ready, monitor, discovery, stopped."""
        assert self._bluetoothd.stdout is not None
        return self._bluetoothd.stdout.readline().strip()

    def hear(self, address: str, **more: Any) -> None:
        """Have the adapter hear an advertisement."""
        assert self._bluetoothd.stdin is not None
        self._bluetoothd.stdin.write(json.dumps({"address": address, **more}) + "\n")
        self._bluetoothd.stdin.flush()

    def scan(self, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
        """Start ``bssci scan``."""
        command = [sys.executable, "-m", "bssci.cli", "scan", *arguments]
        return self._start(command, env=self.environment, cwd=cwd)

    def _start(self, command: list[str], **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
        self._processes.append(process)
        return process
