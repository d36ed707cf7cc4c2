"""Messages to the service manager that started the service: systemd's ``sd_notify`` and its watchdog.

The protocol is a datagram of ``NAME=value`` lines to the socket that ``NOTIFY_SOCKET`` names. Outside of
systemd the variable is not set, and every call here does nothing.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bssci.system.clock import Clock, Ticker

MICROSECONDS = 1_000_000

_log = Logger()

Send = Callable[[str, bytes], None]


class ServiceManager:
    """The service manager as seen from the service.

    :param environ: the environment of the process.
    :param pid: id of the process: a watchdog that is meant for another process, such as our parent, is
        ignored.
    :param send: sends a datagram to an address; raises OSError.
    """

    def __init__(self, environ: Mapping[str, str], pid: int, send: Send | None = None) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._send = send or send_datagram
        self.watchdog_interval = _watchdog_interval(environ, pid)
        """seconds between two keep-alive messages; None if the manager asks for none"""

    def ready(self, status: str = "") -> None:
        """Report that the service is up; units that wait for it may start."""
        self._tell("READY=1", *_status(status))

    def reloading(self) -> None:
        """Report that settings are being reloaded; :meth:`ready` ends that."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Report that the service is stopping."""
        self._tell("STOPPING=1")

    def status(self, text: str) -> None:
        """Show a line in ``systemctl status``."""
        self._tell(*_status(text))

    def alive(self) -> None:
        """Send a keep-alive: without one for ``WatchdogSec=`` systemd kills and restarts the service."""
        self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if not self._address or not lines:
            return
        try:
            self._send(self._address, "\n".join(lines).encode())
        except OSError as error:
            # The service works without it, and systemd itself reports a missing message.
            _log.warn("service manager not notified {lines} {error}", lines=lines, error=error.strerror)


class Watchdog:
    """Sends keep-alives to the service manager for as long as the service answers a probe.

    :param answers: probes the part that must be alive; its Deferred fires or fails once that has answered. If
        it raises, there was no answer, and it is called again at the next interval.
    """

    def __init__(self, clock: Clock, manager: ServiceManager, answers: Callable[[], Deferred[Any]]) -> None:
        self._manager = manager
        self._answers = answers
        self._is_waiting = False
        self._ticker = Ticker(clock, manager.watchdog_interval or 1.0, self._ask)

    def start(self) -> None:
        """Begin, if the manager asks for keep-alives."""
        if self._manager.watchdog_interval is not None:
            self._ticker.start()
            self._ask()

    def stop(self) -> None:
        """Send no more keep-alives."""
        self._ticker.stop()

    def _ask(self) -> None:
        if self._is_waiting:
            return
        self._is_waiting = True
        try:
            answer = self._answers()
        except Exception:
            self._is_waiting = False
            _log.failure("probe for the service manager's watchdog failed")
        else:
            answer.addBoth(self._answered)

    def _answered(self, result: object) -> None:
        self._is_waiting = False
        self._manager.alive()


def send_datagram(address: str, data: bytes) -> None:
    """Send a datagram to a Unix socket without waiting; ``@`` in front stands for the abstract namespace.

    :raises OSError: it cannot be sent now.
    """
    target = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.sendto(data, socket.MSG_DONTWAIT, target)


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.split())}",) if text else ()


def _watchdog_interval(environ: Mapping[str, str], pid: int) -> float | None:
    microseconds = _number(environ.get("WATCHDOG_USEC"))
    if not microseconds or environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    # Half of the allowed time, as sd_watchdog_enabled(3) advises.
    return microseconds / MICROSECONDS / 2


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def service_manager() -> ServiceManager:
    """Return the service manager of this process."""
    return ServiceManager(os.environ, os.getpid())
