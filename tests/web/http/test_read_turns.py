"""Turns: many requests of one account wait for each other, and for nobody else."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest
from twisted.internet.defer import Deferred, ensureDeferred

from bssci.journal import StorageError
from bssci.web.http.errors import ApiError
from bssci.web.http.read_turns import MAX_AT_ONCE, MAX_WAITING, ReadTurns
from tests.support.journal import uplink
from tests.support.web import Connection, WebHouse


class Reads:
    """What is read, and ends when it is told to."""

    def __init__(self) -> None:
        self.turns = ReadTurns()
        self.begun: list[tuple[str, Deferred[None]]] = []

    def ask(self, name: str) -> list[Any]:
        """Ask for something; what came of it."""
        found: list[Any] = []
        ensureDeferred(self.turns.take(name, lambda: self._read(name))).addBoth(found.append)
        return found

    async def _read(self, name: str) -> str:
        end: Deferred[None] = Deferred()
        self.begun.append((name, end))
        await end
        return name

    def end(self, number: int = 0) -> None:
        self.begun.pop(number)[1].callback(None)


def test_an_account_reads_a_few_things_at_a_time_in_its_order() -> None:
    reads = Reads()
    asked = [reads.ask("anna") for _ in range(MAX_AT_ONCE + 2)]
    assert len(reads.begun) == MAX_AT_ONCE
    other = reads.ask("bert")
    assert reads.begun[-1][0] == "bert", "who does not wait for anna"
    reads.end(MAX_AT_ONCE)
    assert other == ["bert"] and len(reads.turns) == 1
    reads.end()
    assert asked[0] == ["anna"] and asked[-1] == [] and len(reads.begun) == MAX_AT_ONCE
    while reads.begun:
        reads.end()
    assert asked == [["anna"]] * len(asked) and len(reads.turns) == 0


def test_too_many_that_wait_are_refused() -> None:
    reads = Reads()
    asked = [reads.ask("anna") for _ in range(MAX_AT_ONCE + MAX_WAITING)]
    [refused] = reads.ask("anna")
    error = refused.value
    assert isinstance(error, ApiError) and (error.status, error.retry_after) == (429, 1.0)
    assert "anna" in error.message
    reads.end()
    reads.ask("anna")
    while reads.begun:
        reads.end()
    assert asked[-1] == ["anna"]


def test_a_read_that_fails_gives_its_place_back() -> None:
    turns = ReadTurns()

    async def fail() -> None:
        raise StorageError("disk full")

    for _ in range(MAX_AT_ONCE + 1):
        failed: list[Any] = []
        asking: Coroutine[Any, Any, None] = turns.take("anna", fail)
        ensureDeferred(asking).addBoth(failed.append)
        assert failed[0].check(StorageError)
    assert len(turns) == 0


@pytest.mark.parametrize(("path", "begun"), [("/api/events", MAX_AT_ONCE), ("/api/live", MAX_AT_ONCE + 1)])
def test_requests_take_turns_and_streams_have_a_bound_of_their_own(
    web: WebHouse, path: str, begun: int
) -> None:
    web.happen(uplink(1))
    browser, other = web.browser("viewer"), web.browser("admin")
    connections = [Connection(web) for _ in range(MAX_AT_ONCE + 1)]
    for connection in connections:
        connection.protocol.dataReceived(browser.request("GET", path))
    waiting = sum(len(queue) for _, queue in web.journal.queues)
    answered = sum(bool(each.received) for each in connections)
    assert (answered or waiting) == begun
    assert other.get("/api/me").status == 200
    assert all(each.received.startswith(b"HTTP/1.1 200") for each in connections)
    for connection in connections:
        connection.lose()
