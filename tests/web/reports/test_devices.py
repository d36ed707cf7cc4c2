"""Reports on devices: the order of a list, and who hears one."""

from __future__ import annotations

from tests.support.telegrams import AT, telegram
from tests.support.web import WebHouse

TAG = "ble:AA:BB:CC:DD:EE:0{}"


def test_those_heard_last_come_first_a_page_at_a_time(web: WebHouse) -> None:
    for number in range(5):
        web.center.devices.heard([telegram(number, device=TAG.format(number), at=AT + number)])
    views = web.admin.views.devices
    first, second = (views.list(kind="ble", page=page, per_page=2)["devices"] for page in (1, 2))
    assert [row["id"][-1] for row in (*first, *second)] == ["4", "3", "2", "1"]


def test_every_gateway_that_hears_a_device_is_told_the_last_first(web: WebHouse) -> None:
    for number, gateway in enumerate(("roof", "cellar")):
        heard = telegram(number, device=TAG.format(1), gateway=gateway, rssi=-60.0 - number, at=AT + number)
        web.center.devices.heard([heard])
    detail = web.admin.views.devices.detail(TAG.format(1))
    assert [(each["gateway"], each["rssi"]) for each in detail["gateways"]] == [
        ("cellar", -61.0),
        ("roof", -60.0),
    ]
    assert (detail["gateway"], detail["rssi"]) == ("cellar", -61.0)
