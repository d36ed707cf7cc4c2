"""Uplinks as a base station sends them."""

from __future__ import annotations

import gc

import pytest
from twisted.internet.defer import Deferred, fail

from bssci.journal.errors import JournalBusy
from bssci.model import Reception
from bssci.wire.messages import (
    Error,
    UlDataCmp,
    UlDataRsp,
)
from tests.support.center import House, Line, answers_to, connect_again
from tests.support.wire import uplink


def test_an_uplink_is_acknowledged_after_the_commit_and_not_before(house: House, line: Line) -> None:
    line.give(uplink(1))
    assert line.sent == []
    house.settle()
    assert line.sent == [UlDataRsp(opId=1)]


def test_uplinks_may_overlap(line: Line) -> None:
    line.say(uplink(5, packetCnt=1))
    line.say(uplink(6, packetCnt=2), UlDataCmp(opId=5))
    line.say(UlDataCmp(opId=6), uplink(7, packetCnt=3))
    assert line.sent == [UlDataRsp(opId=5), UlDataRsp(opId=6), UlDataRsp(opId=7)]


def test_an_uplink_of_an_unknown_sensor_is_kept_published_and_counted(house: House, line: Line) -> None:
    line.say(uplink(1))
    house.advance(3)
    [event] = house.uplinks()
    assert not event.known
    assert house.center.unknown_uplinks == 1


def test_an_uplink_that_the_old_connection_could_not_store_is_stored_for_the_new_one(old: Line) -> None:
    old.give(uplink(9))
    new = connect_again(old)
    old.house.journal.broken = True
    old.house.settle()
    old.house.journal.broken = False
    new.say(uplink(9))
    assert answers_to(new, 9) == [UlDataRsp(opId=9)]
    old.house.advance(3)
    assert len(old.house.uplinks()) == 1


def test_an_uplink_is_published_once_though_it_was_begun_thrice(old: Line) -> None:
    lines = [old]
    for _ in range(2):
        lines[-1].give(uplink(9))
        lines.append(connect_again(lines[-1]))
    lines[-1].give(uplink(9))
    old.house.advance(3)
    assert [len(answers_to(line, 9)) for line in lines] == [0, 0, 1]
    assert len(old.house.uplinks()) == 1


def test_a_refused_uplink_takes_no_memory_while_its_read_waits_for_other_writes(
    house: House, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[Reception] = []

    def append(receptions: list[Reception], mark: object) -> Deferred[int]:
        refused.extend(receptions)
        return fail(JournalBusy("too many wait for the disk already"))

    monkeypatch.setattr(house.journal.inbox, "append", append)
    line.give(uplink(1))
    line.give(uplink(2))  # with it, the last opId goes to the disk
    assert [error.opId for error in line.take(Error)] == [1, 2]
    assert [gc.get_referrers(reception) for reception in refused] == [[refused], [refused]]
