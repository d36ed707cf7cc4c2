from __future__ import annotations

from bssci.center.decoding.tallies import Tallies
from bssci.model import DecodeFailure


def test_what_went_well_and_what_went_wrong_last() -> None:
    tallies = Tallies()
    failure = DecodeFailure("too_short", "temperature: needs bits 0 to 7, the payload has 0")
    tallies.count("meter", None, 1.0, "mioty:1")
    tallies.count("meter", failure, 2.0, "mioty:2")
    tally = tallies.count("meter", None, 3.0, "mioty:1")
    assert (tally.decoded, tally.failed, tally.failing) == (2, 1, False)
    assert (tally.failure, tally.failed_at, tally.failed_with) == (failure, 2.0, "mioty:2")
    assert [key for key, _ in tallies] == ["meter"]


def test_the_one_that_was_counted_least_recently_is_forgotten() -> None:
    tallies = Tallies(most=2)
    for key in ("a", "b", "a", "c"):
        tallies.count(key, None, 0.0, "")
    assert tallies.get("b") is None
    assert [key for key, _ in tallies] == ["a", "c"]
