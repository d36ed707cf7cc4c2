from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bssci.mqtt.settings import broker_group
from bssci.settings.rows import SettingsError

GROUP = broker_group("Plant", "PLANT_", ("SOURCES", "plant"))


def values(**changes: str) -> dict[str, Any]:
    return {row.name: row.parse(changes.get(row.name, ""), "test") for row in GROUP}


def test_every_row_begins_with_the_prefix_and_changes_while_the_service_runs() -> None:
    assert all(row.name.startswith("PLANT_") and row.live for row in GROUP)
    assert [row.name for row in GROUP if row.secret] == ["PLANT_PASSWORD"]


def test_a_broker_of_our_own_is_a_place_to_listen() -> None:
    (place,) = GROUP.places(values(PLANT_BROKER="embedded", PLANT_PORT="1900"))
    assert (place.setting, place.host, place.port) == ("PLANT_PORT", "127.0.0.1", 1900)
    assert not list(GROUP.places(values(PLANT_BROKER="broker.example")))


def test_a_certificate_without_its_key_is_refused() -> None:
    names = [row.name for row in GROUP]
    with pytest.raises(SettingsError, match="PLANT_KEY_FILE"):
        list(
            GROUP.check(values(PLANT_TLS="true", PLANT_CERT_FILE="cert.pem"), dict.fromkeys(names, "default"))
        )


def test_certificates_of_our_own_are_named() -> None:
    assert set(
        GROUP.certificates(values(PLANT_TLS="true", PLANT_CERT_FILE="c.pem", PLANT_KEY_FILE="k.pem")).values()
    ) == {Path("c.pem")}


def test_what_is_told_of_a_connection_is_no_secret() -> None:
    told = GROUP.about(values(PLANT_BROKER="broker.example", PLANT_PASSWORD="hunter2"))
    assert "broker.example" in str(told)
    assert "hunter2" not in str(told)
