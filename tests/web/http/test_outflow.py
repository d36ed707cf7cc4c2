from __future__ import annotations

import pytest
from twisted.python.failure import Failure

from bssci.journal import StorageError
from bssci.web.api import events
from bssci.web.http import outflow
from tests.support.journal import uplink
from tests.support.web import WebHouse
from tests.web.exports import Buffer, Export


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
