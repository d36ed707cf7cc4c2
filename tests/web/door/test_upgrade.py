"""From a request to a WebSocket."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.web import WebHouse
from tests.web.door.live_door import LiveProbe


def test_the_door_may_be_switched_off(make_web_house: Callable[..., WebHouse]) -> None:
    assert LiveProbe(make_web_house(**{"live-clients": "0"})).status == 404
