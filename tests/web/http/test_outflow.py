from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.python.failure import Failure

from bssci.journal import StorageError
from bssci.web.api import events
from bssci.web.http import outflow
from tests.support.journal import uplink
from tests.support.web import Browser, Connection, WebHouse, parse


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


def test_an_export_waits_for_a_client_that_reads_slowly(web: WebHouse) -> None:
    web.happen(*[uplink(number) for number in range(4 * events.SLICE)])
    export = Export(web.browser("viewer"))
    export.transport.producer.pauseProducing()
    web.advance(events.PAUSE)
    size = len(export.connection.received)
    web.advance(outflow.PATIENCE / 2)
    assert len(export.connection.received) == size
    export.transport.producer.resumeProducing()
    export.transport.producer.pauseProducing()
    web.advance(events.PAUSE)
    web.advance(outflow.PATIENCE * 0.9)
    assert not export.transport.aborted
    export.transport.producer.resumeProducing()
    assert len(export.read()) == 4 * events.SLICE


def test_a_client_that_does_not_read_is_parted_from(web: WebHouse) -> None:
    web.happen(*[uplink(number) for number in range(4 * events.SLICE)])
    export = Export(web.browser("viewer"))
    export.transport.producer.pauseProducing()
    web.advance(events.PAUSE)
    web.advance(outflow.PATIENCE)
    assert export.transport.aborted
    assert not export.connection.received.endswith(b"0\r\n\r\n")
    export.connection.lose()


def test_a_client_that_does_not_read_the_end_is_parted_from(web: WebHouse) -> None:
    web.happen(uplink(1))
    export = Export(web.browser("viewer"), buffer=Buffer(100))
    assert not export.transport.disconnecting
    web.advance(outflow.PATIENCE)
    assert export.transport.aborted
    export.connection.lose()
    assert not export.connection.received.endswith(b"0\r\n\r\n")


def test_a_client_that_reads_all_the_time_is_waited_for(web: WebHouse) -> None:
    web.happen(*[uplink(number) for number in range(events.SLICE)])
    buffer = Buffer(64 * 1024)
    export = Export(web.browser("viewer"), buffer=buffer)
    began = web.clock.seconds()
    while not export.transport.disconnecting:
        buffer.read(2000)
        web.advance(1.0)
    assert not export.transport.aborted
    assert web.clock.seconds() - began > outflow.PATIENCE
    assert len(export.read()) == events.SLICE


@pytest.mark.parametrize("fault", [None, StorageError("disk full"), ZeroDivisionError()], ids=repr)
def test_an_answer_is_broken_off_whatever_keeps_it_from_going_on(
    fault: Exception | None, expected_errors: list[Failure]
) -> None:
    broken_off: list[bool] = []
    with outflow.or_break_off(lambda: broken_off.append(True)):
        if fault is not None:
            raise fault
    assert len(broken_off) == (fault is not None)
    assert len(expected_errors) == isinstance(fault, ZeroDivisionError)
    expected_errors.clear()
