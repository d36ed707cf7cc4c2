"""bssci.center.commit: those who wait for a commit that is under way."""

from __future__ import annotations

import pytest
from twisted.python.failure import Failure

from bssci.center.commit import Commit
from bssci.journal import StorageError
from tests.support.center import result_of


def test_all_who_wait_are_told_when_it_is_on_disk() -> None:
    commit = Commit()
    waits = [commit.wait(), commit.wait()]
    assert not any(wait.called for wait in waits)
    commit.end()
    assert [result_of(wait) for wait in waits] == [None, None]


def test_all_who_wait_are_told_that_it_failed() -> None:
    commit = Commit()
    waits = [commit.wait(), commit.wait()]
    commit.end(Failure(StorageError("disk full")))
    for wait in waits:
        with pytest.raises(StorageError, match="disk full"):
            result_of(wait)
