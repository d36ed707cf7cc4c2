"""Clients that export all events, at their own pace."""

from __future__ import annotations

import json
from typing import Any

from bssci.web.api import events
from tests.support.web import Browser, Connection, parse


class Buffer:
    """What a transport of Twisted keeps until its client reads it: full at some size, has room when empty."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept = 0
        self._is_full = False

    def hold(self, transport: Any) -> None:
        self._transport = transport
        transport.write, self._write = self.write, transport.write
        transport.writeSequence = lambda parts: self.write(b"".join(parts))

    def write(self, data: bytes) -> None:
        if self._transport.aborted:
            return
        self._write(data)
        self._kept += len(data)
        if self._kept > self._size:
            self._is_full = True
            self._transport.producer.pauseProducing()

    def read(self, size: int) -> None:
        """The client reads so many bytes."""
        self._kept = max(0, self._kept - size)
        if self._is_full and not self._kept:
            self._is_full = False
            self._transport.producer.resumeProducing()


class Export:
    """A client that asks for all."""

    def __init__(
        self, browser: Browser, query: str = "", method: str = "GET", buffer: Buffer | None = None
    ) -> None:
        self.house = browser.house
        self.connection = Connection(self.house)
        if buffer is not None:
            buffer.hold(self.connection.transport)
        self.connection.send(browser.request(method, f"/api/events/export{query}"))

    @property
    def transport(self) -> Any:
        return self.connection.transport

    def read(self) -> list[dict[str, Any]]:
        """All that comes."""
        while not self.transport.disconnecting:
            self.house.advance(events.PAUSE)
        answer = parse(self.connection.received)
        assert answer.headers["content-type"] == "application/x-ndjson; charset=utf-8"
        assert 'filename="events.ndjson"' in answer.headers["content-disposition"]
        return [json.loads(line) for line in answer.text.splitlines()]
