"""Readers of the web admin while uplinks pass: readers of every page, viewers of the live stream."""

from __future__ import annotations

import http.client
import json
import math
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bssci.simulator.configuration import FIRST_SENSOR, FIRST_STATION
from bssci.web.pages.table import PAGES

READERS = 4
PAUSE = 0.03
"""s between a reader's answer and the next request"""
BEGIN = b"event: hello"
EXPORT = "/api/events/export"
"""as long as the journal: what counts is when it begins"""


class Readers:
    """They read one page or API route after another, until they are stopped.

    :ivar times: s that each answer took, by path.
    """

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Bearer {token}"}
        self._stopped = threading.Event()
        self._failed: list[str] = []
        self.paths = self._all_paths()
        self.times: dict[str, list[float]] = {path: [] for path in self.paths}

    def _all_paths(self) -> list[str]:
        """Return all paths that may be read, but for the stream."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection.request("GET", "/api/openapi.json", headers=self._headers)
        described: dict[str, dict[str, Any]] = json.loads(connection.getresponse().read())["paths"]
        paths = [
            path
            for path, methods in described.items()
            if path != "/api/live" and "get" in methods and methods["get"].get("x-role") != "admin"
        ]
        paths += [page.path.replace("<", "{").replace(">", "}") for page in PAGES if page.role != "admin"]
        return [_filled(path) for path in paths]

    def run(self, number: int) -> None:
        """Run one reader; each begins elsewhere."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        at = number * len(self.paths) // READERS
        while not self._stopped.wait(PAUSE):
            path = self.paths[at % len(self.paths)]
            began = time.perf_counter()
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            answer.read(1 if path == EXPORT else None)
            self.times[path].append(time.perf_counter() - began)
            answer.read()
            if answer.status not in (200, 404):
                self._failed.append(f"{path}: {answer.status}")
            at += 1

    def stop(self) -> None:
        self._stopped.set()

    def p95(self) -> float:
        """Return the ms that 95 % of the answers took at most.

        :raises RuntimeError: something was not answered.
        """
        if self._failed:
            raise RuntimeError(f"not answered: {self._failed[:5]}")
        return _p95([each for times in self.times.values() for each in times])

    def slowest(self) -> tuple[float, str]:
        """Return the same of the path where it is most, and that path."""
        return max((_p95(times), path) for path, times in self.times.items() if times)


def _filled(path: str) -> str:
    eui = FIRST_STATION if "station" in path else FIRST_SENSOR
    return path.replace("{eui}", f"{eui:016X}").replace("{seq}", "1").replace("{file}", "ca")


def _p95(seconds: list[float]) -> float:
    return sorted(seconds)[max(0, math.ceil(len(seconds) * 0.95) - 1)] * 1000


@contextmanager
def readers(port: int, token: str) -> Iterator[Readers]:
    """Run programs that read the live stream."""
    group = Readers(port, token)
    threads = [threading.Thread(target=group.run, args=(number,), daemon=True) for number in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        yield group
    finally:
        group.stop()
        for thread in threads:
            thread.join(10)


@contextmanager
def viewers(port: int, token: str, count: int) -> Iterator[None]:
    """Run viewers of the live stream, of whom the first never reads."""
    sockets = [_watch(port, token) for _ in range(count)]
    stopped = threading.Event()
    thread = threading.Thread(target=_drain, args=(sockets[1:], stopped), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(10)
        for each in sockets:
            each.close()


def _watch(port: int, token: str) -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", port))
    opened.sendall(f"GET /api/live HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    said = b""
    while BEGIN not in said:
        data = opened.recv(4096)
        if not data:
            raise RuntimeError(f"the live stream was refused: {said[:200]!r}")
        said += data
    return opened


def _drain(sockets: list[socket.socket], stopped: threading.Event) -> None:
    """Read what comes, and throw it away."""
    buffer = bytearray(1024 * 1024)
    with selectors.DefaultSelector() as selector:
        for each in sockets:
            selector.register(each, selectors.EVENT_READ)
        while not stopped.is_set():
            for key, _ in selector.select(0.2):
                if not key.fileobj.recv_into(buffer):  # type: ignore[union-attr]
                    selector.unregister(key.fileobj)
