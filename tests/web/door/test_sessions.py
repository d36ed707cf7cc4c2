"""Sessions that outlive their connections."""

from __future__ import annotations

import pytest

from bssci.web.door import door, sessions
from tests.support.log_lines import log_lines
from tests.support.web import WebHouse
from tests.web.door.live_door import (
    UPLINK,
    happen,
    heard,
    inside,
    inside_again,
    live_token,
    subscribed,
    the_door,
    topics,
)

__all__ = ["log_lines"]


def test_a_session_survives_a_crash_of_the_service(web: WebHouse) -> None:
    token = live_token(web)
    subscribed(web, "mioty/ep/#", token=token, clean=False)
    web.advance(door.TICK)
    happen(web, heard(web, 1))
    web.crash()
    assert topics(inside_again(web, token)) == [UPLINK]


def test_a_clean_client_ends_its_session(web: WebHouse) -> None:
    token = live_token(web)
    subscribed(web, "mioty/ep/#", token=token, clean=False).connection.lose()
    inside(web, token, clean=True).connection.lose()
    inside_again(web, token, present=0)


def test_a_session_ends_in_time_and_with_its_token(web: WebHouse) -> None:
    subscribed(web, "mioty/ep/#", clean=False).connection.lose()
    assert the_door(web).sessions == 1
    web.advance(86400.0)
    web.advance(door.SAVE)
    assert the_door(web).sessions == 0


def test_one_token_s_sessions_do_not_displace_those_of_others(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 4)
    monkeypatch.setattr(sessions, "MAX_OF_TOKEN", 3)
    mine, others = live_token(web, "mine"), live_token(web, "others")
    subscribed(web, "mioty/ep/#", token=mine, clean=False).connection.lose()
    for number in range(6):
        inside(web, others, f"client-{number}", clean=False).connection.lose()
    assert the_door(web).sessions == 4
    happen(web, heard(web, 1))
    assert topics(inside_again(web, mine)) == [UPLINK]
    inside(web, others, "client-5", clean=False).connection.lose()
    assert the_door(web).sessions == 4


def test_a_full_disk_is_told_once_a_minute(web: WebHouse, log_lines: list[str]) -> None:
    subscribed(web, "mioty/ep/#", clean=False).connection.lose()
    web.journal.broken = True
    for _ in range(5):
        web.advance(door.SAVE)
    web.journal.broken = False
    assert len([line for line in log_lines if line.startswith("sessions of live clients not stored")]) == 1
