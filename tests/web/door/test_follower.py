"""New events for the live stream."""

from __future__ import annotations

import json

import pytest

from bssci.web.live import feed
from tests.support.web import WebHouse
from tests.web.door.live_door import (
    OTHER,
    UPLINK,
    gap_of,
    happen,
    heard,
    inside_again,
    live_token,
    subscribed,
)


def test_events_that_go_by_too_fast_are_a_gap(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MAX_BEHIND", 3)
    monkeypatch.setattr(feed, "BATCH", 2)
    probe = subscribed(web, "mioty/ep/#")
    happen(web, *(heard(web, number) for number in range(5)))
    told, rest = gap_of(probe)
    assert (told["events"], rest) == (3, [3, 4])


def test_what_was_passed_over_is_looked_up_as_the_last_value(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MAX_BEHIND", 2)
    monkeypatch.setattr(feed, "BATCH", 1)
    happen(web, heard(web, 1))
    happen(web, heard(web, 2), heard(web, 3), heard(web, 1, OTHER))
    [told] = subscribed(web, UPLINK).messages()
    assert json.loads(told.payload)["cnt"] == 3


def test_what_went_by_comes_to_a_client_that_was_lost_before_the_gap(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MAX_BEHIND", 3)
    monkeypatch.setattr(feed, "BATCH", 2)
    token = live_token(web)
    probe = subscribed(web, "mioty/ep/#", token=token, clean=False)
    happen(web, *(heard(web, number) for number in range(5)))
    assert probe.take()[0].topic == "mioty/service/gap"
    probe.connection.lose()
    back = inside_again(web, token)
    assert [json.loads(message.payload)["cnt"] for message in back.messages()] == [0, 1, 2, 3, 4]
