from __future__ import annotations

from twisted.python.failure import Failure

from bssci.center.storing import FRESH, LATELY, WRITE_TIME
from bssci.journal import StorageError
from tests.support.center import House


def attempt(house: House) -> None:
    house.advance(FRESH)
    house.center.storing.refresh()
    house.settle()


def test_a_full_disk_is_seen_and_so_is_its_end(house: House) -> None:
    storing = house.center.storing
    assert not storing.is_failing() and storing.trouble == ""
    house.journal.broken = True
    attempt(house)
    assert storing.is_failing() and storing.trouble
    house.journal.broken = False
    attempt(house)
    assert not storing.is_failing() and storing.trouble == ""


def test_a_journal_that_does_not_answer_fails(house: House) -> None:
    storing = house.center.storing
    house.journal.queues, held = [], house.journal.queues
    storing.refresh()
    house.clock.advance(WRITE_TIME)
    assert storing.is_failing()
    assert storing.trouble == "a write has not ended for 2 s"
    house.journal.queues = held
    attempt(house)
    assert not storing.is_failing()


def test_a_journal_that_refuses_uplinks_fails_although_it_takes_the_small_write(house: House) -> None:
    storing = house.center.storing
    storing.refused(Failure(StorageError("full")))
    attempt(house)
    assert storing.refusals == 1 and storing.is_failing()
    house.advance(LATELY - FRESH)
    house.journal.statistics.failed_commits += 1
    assert storing.is_failing()
    house.advance(LATELY - 1)
    assert storing.is_failing()
    house.advance(1)
    assert not storing.is_failing()


def test_the_last_commit_failed_until_one_succeeds(house: House) -> None:
    house.journal.statistics.failed_in_row = 1
    assert house.center.storing.is_failing()
    assert house.center.health()["status"] == "degraded"
    house.journal.statistics.failed_in_row = 0
    assert house.center.health()["status"] == "ok"
