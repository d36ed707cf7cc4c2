"""What is missing to a command's success."""

from __future__ import annotations

from bssci.model.commands import AWAY, DONE, UNANSWERED, Outcome, shortfall


def test_what_is_missing_to_success() -> None:
    refused = Outcome("failed", 22, "no")
    assert shortfall([]) is None and shortfall([DONE, AWAY]) is None
    partly = shortfall([DONE, refused, UNANSWERED, AWAY])
    assert partly is not None and (partly.code, partly.failed, partly.asked) == ("partially_failed", 2, 3)
    wholly = shortfall([refused, AWAY])
    assert wholly is not None and (wholly.code, wholly.failed, wholly.asked) == ("failed", 1, 1)
