from __future__ import annotations

from typing import Any

import pytest

from bssci.sinks.mqtt.settings import GROUP, LIVE, NAMES, OFFLINE, client_settings


def values(**changes: str) -> dict[str, Any]:
    rows = {row.name: row.parse(changes.get(row.name, ""), "test") for row in GROUP}
    return rows | {"SC_EUI": None, "SINKS": ("mqtt",)}


@pytest.mark.parametrize(
    ("given", "eui", "client"),
    [("", "", ""), ("", "0200000000000001", "bssci-0200000000000001"), ("own", "0200000000000001", "own")],
)
def test_the_name_of_the_client_is_that_of_the_installation(given: str, eui: str, client: str) -> None:
    assert client_settings(values(MQTT_CLIENT_ID=given), eui).client_id == client


def test_the_will_stands_below_the_base_topic_unless_there_is_none() -> None:
    assert client_settings(values(BASE_TOPIC="plant/")).will == ("plant/service/status", OFFLINE)
    assert client_settings(values(MQTT_WILL="false")).will is None
    assert not client_settings(values(MQTT_RETAIN="false")).retained_will


def test_all_but_the_base_topic_changes_while_the_service_runs() -> None:
    assert set(NAMES) - set(LIVE) == {"BASE_TOPIC"}
