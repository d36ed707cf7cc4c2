"""The handshake, and what is no handshake for MQTT."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from tests.support.web import WebHouse
from tests.web.door.live_door import (
    LiveProbe,
    the_door,
)


def test_a_handshake_is_answered_without_extensions(web: WebHouse) -> None:
    probe = LiveProbe(web)
    assert probe.status == 101
    assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in probe.head
    assert "Sec-WebSocket-Protocol: mqtt" in probe.head
    assert "Extensions" not in probe.head


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"Upgrade": ""}, 426),
        ({"Upgrade": "h2c"}, 426),
        ({"Connection": "keep-alive"}, 426),
        ({"Sec-WebSocket-Key": ""}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Version": "8"}, 400),
        ({"Sec-WebSocket-Protocol": ""}, 400),
        ({"Sec-WebSocket-Protocol": "mqttv3.1, chat"}, 400),
    ],
)
def test_what_is_no_handshake(web: WebHouse, headers: dict[str, str], status: int) -> None:
    probe = LiveProbe(web, headers)
    assert probe.status == status
    assert probe.head.startswith(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}")
    assert the_door(web).ended["handshake"] == 1


def test_a_handshake_is_a_get(web: WebHouse) -> None:
    assert web.browser().post("/mqtt").status == 405
