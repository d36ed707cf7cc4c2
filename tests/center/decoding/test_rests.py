"""Decoders of plugins that hold up the reactor's thread are named, and paused when they go on."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock

from bssci.center.decoding.rests import FIRST_REST, LONGEST_REST, PAYLOAD_TIME, TIMEOUTS_IN_A_ROW, PluginRests
from bssci.decoders.interfaces import DecodeError
from bssci.system.line_limit import LOG_EVERY
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]

DECODER = SimpleNamespace(name="tank", version="2")
OTHER = SimpleNamespace(name="other", version="2")
LONG = PAYLOAD_TIME + 0.4


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rests(clock: Clock) -> PluginRests:
    return PluginRests(clock.seconds)


def is_paused(rests: PluginRests, decoder: object = DECODER) -> bool:
    try:
        rests.refuse_resting(decoder)
    except DecodeError as error:
        assert error.code == "resting"
        return True
    return False


def test_the_fifth_long_payload_in_a_row_pauses_a_decoder(
    rests: PluginRests, clock: Clock, log_lines: list[str]
) -> None:
    for _ in range(TIMEOUTS_IN_A_ROW - 1):
        rests.count(DECODER, LONG)
    assert not is_paused(rests) and rests.resting == []
    rests.count(DECODER, LONG)
    assert is_paused(rests) and not is_paused(rests, OTHER)
    [rest] = rests.resting
    assert (rest.decoder, rest.seconds) == ("tank@2", FIRST_REST)
    assert "held up the whole service" in rest.reason
    assert [line for line in log_lines if "tank@2 for 0.50 s" in line]
    assert [line for line in log_lines if "decoder paused tank@2 for 60 s" in line]
    with pytest.raises(DecodeError, match="the decoder is paused for another 60 s: it held up"):
        rests.refuse_resting(DECODER)
    clock.advance(FIRST_REST)
    assert not is_paused(rests) and rests.resting == []


def test_a_pause_is_doubled_while_it_changes_nothing(rests: PluginRests, clock: Clock) -> None:
    for _ in range(TIMEOUTS_IN_A_ROW):
        rests.count(DECODER, LONG)
    lengths = []
    for _ in range(8):
        clock.advance(LONGEST_REST)
        rests.count(DECODER, LONG)
        lengths.append(rests.resting[0].seconds)
    assert lengths == [120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_a_quick_payload_begins_the_count_anew(rests: PluginRests, clock: Clock) -> None:
    for _ in range(3):
        for _ in range(TIMEOUTS_IN_A_ROW - 1):
            rests.count(DECODER, LONG)
        rests.count(DECODER, PAYLOAD_TIME)
        rests.count(OTHER, LONG)
    assert not is_paused(rests) and not is_paused(rests, OTHER)


def test_long_payloads_are_logged_the_first_time_and_every_so_many_times(
    rests: PluginRests, log_lines: list[str]
) -> None:
    for _ in range(LOG_EVERY + 1):
        rests.count(DECODER, LONG)
        rests.count(DECODER, 0.0)
    assert len([line for line in log_lines if "held up the whole service tank@2" in line]) == 2
