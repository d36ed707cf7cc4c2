"""Clients of the live stream, in a process of their own: many, of whom some subscribe to everything.

``python -m bench.live_door`` connects, says ``ready`` on a line, and tells what arrived as JSON when its
standard input ends.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import selectors
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import processes
from bssci.mqtt.server.packets import encoded_length
from bssci.simulator.configuration import FIRST_SENSOR

_RX_TIME = re.compile(rb'"rxTime":(\d+)')
_ONCE = b'"dlOpen":'
"""stands once in each uplink"""
_UNMASKED = b"\0\0\0\0"


class Client:
    """One client: frames and packets taken apart as far as the figures need it.

    :param reads: false for one that never reads.
    :param counts: it subscribes with QoS 0 and only counts, so that many of them cost little beside the
        service that is measured; false: it takes packets apart and acknowledges them.
    """

    def __init__(self, port: int, reads: bool = True, counts: bool = False) -> None:
        self.reads = reads
        self._counts = counts
        self.messages = 0
        self.latencies = array("d")
        self.is_closed = False
        self._buffer = b""
        self._left = b""
        self.socket = socket.socket()
        if not reads:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def enter(self, token: str, name: str, topic: str) -> None:
        """Shake hands, connect, subscribe; blocks."""
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /mqtt HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: mqtt\r\n\r\n".encode()
        )
        said = b""
        while b"\r\n\r\n" not in said:
            said += self._more()
        head, _, self._buffer = said.partition(b"\r\n\r\n")
        if b" 101 " not in head:
            raise RuntimeError(f"refused: {head[:100]!r}")
        body = _text("MQTT") + b"\4\x82" + (3600).to_bytes(2) + _text(name) + _text(token)
        self._send(b"\x10" + encoded_length(len(body)) + body)
        while len(self._buffer) < 6:
            self._buffer += self._more()
        if self._buffer[5]:
            raise RuntimeError(f"CONNACK {self._buffer[5]}")
        self._buffer = self._buffer[6:]
        if topic:
            body = b"\0\1" + _text(topic) + bytes((not self._counts,))
            self._send(b"\x82" + encoded_length(len(body)) + body)

    def read(self, began: int) -> None:
        """Take what came, acknowledge it, and measure how late the first message of it is.

        :param began: ns; what is older is a last value, and was not late.
        """
        try:
            data = self.socket.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            self.is_closed = True
            return
        found = _RX_TIME.search(data)
        if found and int(found[1]) >= began:
            self.latencies.append(time.time() - int(found[1]) / 1e9 - DELAY)
        if self._counts:
            self.messages += data.count(_ONCE)
            return
        acknowledged = self._walk(self._buffer + data)
        if acknowledged:
            self._send(b"".join(acknowledged))

    def _walk(self, data: bytes) -> list[bytes]:
        acknowledged: list[bytes] = []
        position, size = 0, len(data)
        while size - position >= 4:
            length, header = data[position + 1], 2
            if length == 126:
                length, header = int.from_bytes(data[position + 2 : position + 4]), 4
            end = position + header + length
            if end > size:
                break
            if data[position] & 0x0F == 2:
                self._left = self._packets(self._left + data[position + header : end], acknowledged)
            position = end
        self._buffer = data[position:]
        return acknowledged

    def _packets(self, data: bytes, acknowledged: list[bytes]) -> bytes:
        position, size = 0, len(data)
        while position + 2 <= size:
            length, shift, at = 0, 0, position + 1
            while at < size:
                byte = data[at]
                length |= (byte & 0x7F) << shift
                shift += 7
                at += 1
                if byte < 0x80:
                    break
            if at + length > size:
                break
            first = data[position]
            if first >> 4 == 3:
                self.messages += 1
                if first & 0x02:
                    place = at + 2 + int.from_bytes(data[at : at + 2])
                    acknowledged.append(b"\x40\x02" + data[place : place + 2])
            position = at + length
        return data[position:]

    def _more(self) -> bytes:
        data = self.socket.recv(4096)
        if not data:
            raise RuntimeError("closed")
        return data

    def _send(self, packet: bytes) -> None:
        size = len(packet)
        header = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2)
        self.socket.sendall(b"\x82" + header + _UNMASKED + packet)


DELAY = 2.0
"""s: the window, without which a message cannot be there"""


def _text(value: str) -> bytes:
    return len(value).to_bytes(2) + value.encode()


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Connect, read until standard input ends, and return what arrived."""
    clients = []
    for number in range(options.clients):
        reads = number >= options.silent
        # Those of everything come last: until all are in, nobody reads.
        counts = number >= options.clients - options.everything
        client = Client(options.port, reads, counts)
        topic = "#" if counts or not reads else f"mioty/ep/{_sensor(number)}/ul"
        client.enter(options.token, f"c{number}", "" if options.idle else topic)
        clients.append(client)
    time.sleep(1.0)
    began = time.time_ns()
    print("ready", flush=True)
    with selectors.DefaultSelector() as selector:
        for client in clients:
            if client.reads:
                selector.register(client.socket, selectors.EVENT_READ, client)
        selector.register(sys.stdin, selectors.EVENT_READ, None)
        ended = False
        while not ended:
            for key, _ in selector.select():
                if key.data is None:
                    ended = True
                else:
                    key.data.read(began)
                    if key.data.is_closed:
                        selector.unregister(key.fileobj)
    latencies = sorted(latency for client in clients for latency in client.latencies)
    return {
        "messages": sum(client.messages for client in clients),
        "closed": sum(client.is_closed for client in clients),
        "samples": len(latencies),
        "p50": _at(latencies, 0.5),
        "p99": _at(latencies, 0.99),
    }


def _sensor(number: int) -> str:
    """Return the EUI of one of the sensors that the load generator sends for."""
    return f"{FIRST_SENSOR + number:016X}"


def _at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


class Clients:
    """The clients' process, as the benchmark sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def end(self) -> dict[str, Any]:
        """Have the clients go; return what arrived."""
        out, _ = self._process.communicate()
        result: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
        return result


@contextmanager
def clients(port: int, token: str, count: int, *more: object) -> Iterator[Clients]:
    """Clients that are in."""
    command = [sys.executable, "-m", "bench.live_door", "--port", port, "--token", token, "--clients", count]
    with subprocess.Popen(
        [str(each) for each in (*command, *more)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=processes.environment(),
        cwd=processes.ROOT,
    ) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("the live clients did not get in")
            yield Clients(process)
        finally:
            process.kill()


def make_token(directory: Path) -> str:
    """Return a token for live streams with room for every client."""
    (directory / "data").mkdir(mode=0o700, exist_ok=True)  # commands refuse what is no installation
    command = [
        sys.executable,
        "-m",
        "bssci.cli",
        "token",
        "create",
        "live",
        "--live",
        "--connections",
        "10000",
    ]
    made = subprocess.run(
        command, cwd=directory, check=True, capture_output=True, text=True, env=processes.environment()
    )
    return made.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--everything", type=int, default=0, help="clients that subscribe to everything")
    parser.add_argument(
        "--silent", type=int, default=0, help="clients that subscribe to everything, and never read"
    )
    parser.add_argument("--idle", action="store_true", help="nobody subscribes")
    print(json.dumps(run(parser.parse_args())))


if __name__ == "__main__":
    main()
