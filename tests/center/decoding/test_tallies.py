from __future__ import annotations

from bssci.center.decoding.tallies import Tallies
from bssci.model import DecodeFailure


def test_what_went_well_and_what_went_wrong_last() -> None:
    tallies = Tallies()
    failure = DecodeFailure("too_short", "temperature: needs bits 0 to 7; the payload has 0 bits")
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


def test_many_that_went_well_are_counted_at_once() -> None:
    tallies = Tallies(most=2)
    tallies.count("a", DecodeFailure("empty", "no bytes"), 1.0, "meter")
    tallies.count_decoded(["b", "a", "b"])
    tallies.count_decoded(["a"], 5)
    assert [(key, tally.decoded) for key, tally in tallies] == [("b", 2), ("a", 6)]
    assert not any(tally.failing for _, tally in tallies)
    tallies.count_decoded(["c"], 3)
    assert [(key, tally.decoded) for key, tally in tallies] == [("a", 6), ("c", 3)]
