"""bssci.model.live_token: what a scanner finds, and a mistyped token."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bssci.model.live_token import ALPHABET, PREFIX, RANDOM, compose, fault_of

DRAWN = st.text(ALPHABET, min_size=RANDOM, max_size=RANDOM)
TOKEN = compose("abcdefghijklmnopqrstuvwxyz012345")


def test_the_form_stays() -> None:
    """What is handed out today must be known for ever."""
    assert TOKEN == "bssci_mqtt_abcdefghijklmnopqrstuvwxyz0123451nc0VA"


@given(DRAWN)
def test_what_is_composed_has_the_form(drawn: str) -> None:
    token = compose(drawn)
    assert fault_of(token) is None
    assert re.fullmatch("bssci_mqtt_[0-9A-Za-z]{38}", token)  # as docs/live.md has it for secret scanners


@given(DRAWN, st.integers(0, RANDOM - 1), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(drawn: str, place: int, other: str) -> None:
    changed = drawn[:place] + other + drawn[place + 1 :]
    token = compose(drawn).replace(drawn, changed)
    assert (fault_of(token) is None) is (changed == drawn)


@pytest.mark.parametrize(
    "token, fault",
    [
        ("", "is empty"),
        (TOKEN + "\n", "white space"),
        ("bssci_" + "x" * 43, "does not begin with"),
        (TOKEN[:-1], "characters, not 49"),
        (PREFIX + "-" * 38, "neither letters nor digits"),
        (TOKEN[:-1] + "x", "checksum"),
    ],
)
def test_faults_are_told_without_the_token(token: str, fault: str) -> None:
    told = fault_of(token)
    assert told is not None
    assert fault in told
    assert TOKEN[20:40] not in told
