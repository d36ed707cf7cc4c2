"""Tokens that are let in, and those that are not."""

from __future__ import annotations

import pytest

from tests.support.web import WebHouse
from tests.web.door.live_door import (
    LiveProbe,
    connect_packet,
    inside,
    live_token,
    packet,
    refused,
    text,
    the_door,
)


@pytest.mark.parametrize("as_password", [False, True])
def test_a_token_is_user_name_or_password(web: WebHouse, as_password: bool) -> None:
    token, probe = live_token(web), LiveProbe(web)
    wish = connect_packet("me", password=token) if as_password else connect_packet(token)
    probe.send(wish)
    assert probe.take() == [b"\x20\x02\x00\x00"]
    assert len(the_door(web)) == 1


def test_whom_the_door_refuses(web: WebHouse) -> None:
    token = live_token(web)
    short = live_token(web, "short", expires_in_days=1)
    api = web.file.create_token("api", "admin")
    assert refused(web, connect_packet("bssci_mqtt_nobody")) == (5, "bad_token")
    assert refused(web, connect_packet("")) == (5, "bad_token")
    assert refused(web, connect_packet(api)) == (5, "bad_token")
    assert refused(web, connect_packet(token, will=True)) == (5, "will")
    assert refused(web, connect_packet(token, "", clean=False)) == (2, "client_id")
    assert refused(web, connect_packet(token, "x" * 257)) == (2, "client_id")
    assert refused(web, packet(0x10, text("MQTT") + b"\5\2\0\0" + text("c"))) == (1, "version")
    web.advance(86400.0)
    assert refused(web, connect_packet(short)) == (5, "expired")


def test_who_guesses_is_stopped_at_their_address(web: WebHouse) -> None:
    token = live_token(web)
    for number in range(30):
        assert refused(web, connect_packet(f"bssci_mqtt_{number}"))[0] == 5
    assert refused(web, connect_packet(token)) == (3, "too_many_attempts")
    web.advance(300.0)
    inside(web, token)


def test_an_api_token_in_the_web_admin_is_no_live_token(web: WebHouse) -> None:
    browser = web.browser()
    browser.token = live_token(web)
    assert browser.get("/api/sensors").status == 401
