"""What requests change: settings, and what the audit log says of all changes."""

from __future__ import annotations

import pytest
from twisted.internet.defer import fail

from bssci.journal import StorageError
from tests.sinks.mqtt.mqtt_site import CONFIG, NEW, NOBODY, Site, make_house, site
from tests.support.center import result_of

__all__ = ["make_house", "site"]


# settings


@pytest.mark.parametrize("payload", ["", "{}", " "])
def test_settings_are_told_without_credentials(site: Site, payload: str) -> None:
    site.ask("mioty/config/get", payload)
    [answer] = site.settings
    assert (answer["command"], answer["status"]) == ("config/get", "done")
    assert answer["settings"]["STATUS_INTERVAL"] == 300
    assert not {"MQTT_PASSWORD", "MQTT_USERNAME", "LISTEN_PORT"} & set(answer["settings"])


def test_settings_take_effect_at_once(site: Site) -> None:
    wanted = {"STATUS_INTERVAL": 60, "DEDUPLICATION_DELAY": "0.5", "AUTO_DETACH_ENABLED": False}
    site.ask("mioty/config/set/", wanted | {"ref": "s"})
    [answer] = site.settings
    assert (answer["status"], answer["ref"], answer["changed"]) == ("done", "s", sorted(wanted))
    assert site.house.center.registry.status_interval == 60
    assert site.house.center.deduplication.delay == 0.5
    written = (site.house.directory / ".env").read_text()
    assert "STATUS_INTERVAL=60\n" in written and "AUTO_DETACH_ENABLED=false\n" in written


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"MQTT_PASSWORD": "x"}, "not_allowed", "MQTT_PASSWORD"),
        ({"MQTT_USERNAME": "x"}, "not_allowed", "MQTT_USERNAME"),
        ({"LISTEN_PORT": 5}, "invalid", "LISTEN_PORT"),
        ({"FOO": 1}, "invalid", "FOO"),
        ({"STATUS_INTERVAL": "abc"}, "invalid", "STATUS_INTERVAL"),
        ({"STATUS_INTERVAL": {}}, "invalid", "STATUS_INTERVAL"),
        (
            {"AUTO_DETACH_TIMEOUT": 5, "AUTO_DETACH_WARNING_TIMEOUT": 6},
            "invalid",
            "AUTO_DETACH_WARNING_TIMEOUT",
        ),
        ({"STATE_DIR": "/tmp"}, "invalid", "STATE_DIR"),
        ({"STATUS_INTERVAL": 60, "MQTT_CA_FILE": "absent.pem"}, "invalid", "MQTT_CA_FILE"),
        ([], "malformed", "payload"),
    ],
)
def test_settings_that_cannot_be(site: Site, change: object, code: str, field: str) -> None:
    site.ask("mioty/config/set", change)
    [answer] = site.settings
    assert answer["status"] == "failed"
    assert (answer["error"]["code"], answer["error"]["field"]) == (code, field)
    assert site.house.center.registry.status_interval == 300
    assert not (site.house.directory / ".env").exists()


# the audit log


def audited(site: Site) -> list[tuple[str, str, str]]:
    """Action, target and detail, oldest first; all of ``mqtt``."""
    reading = site.house.journal.audit.read(before=None, limit=100)
    site.house.settle()
    entries = result_of(reading)
    assert {(entry.who, entry.address) for entry in entries} <= {("mqtt", "")}
    return [(entry.action, entry.target, entry.detail) for entry in reversed(entries)]


def test_changes_of_sensors_are_in_the_audit_log_without_keys(site: Site) -> None:
    site.ask(f"mioty/ep/{NEW}/config", CONFIG | {"name": "cellar"})
    site.obey()
    site.ask(f"mioty/ep/{NEW}/register", CONFIG | {"nwKey": "AB" * 16, "name": "attic"})
    site.obey()
    for command in ("detach", "attach", "status"):
        site.ask(f"mioty/ep/{NEW}/cmd", command)
        site.obey()
    site.ask(f"mioty/ep/{NEW}/config", {"nwKey": "short"})
    site.ask(f"mioty/ep/{NOBODY}/cmd", "attach")
    assert audited(site) == [
        ("sensor.add", NEW, "cellar"),
        ("sensor.update", NEW, "nwKey; name: cellar → attic"),
        ("sensor.detach", NEW, ""),
        ("sensor.attach", NEW, ""),
    ]


def test_changes_of_settings_are_in_the_audit_log(site: Site) -> None:
    site.ask("mioty/config/set", {"STATUS_INTERVAL": 60, "AUTO_DETACH_ENABLED": False, "MQTT_QOS": 1})
    site.ask("mioty/config/set", {"STATUS_INTERVAL": 50, "MQTT_PASSWORD": "x"})
    site.ask("mioty/config/get", "")
    assert audited(site) == [
        ("config.change", "AUTO_DETACH_ENABLED", "true → false"),
        ("config.change", "STATUS_INTERVAL", "300 → 60"),
    ]


def test_what_cannot_be_kept_in_the_audit_log_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.house.journal.audit, "append", lambda entry: fail(StorageError("disk full")))
    site.ask("mioty/config/set", {"STATUS_INTERVAL": 60})
    [answer] = site.settings
    assert answer["error"] == {
        "code": "unavailable",
        "message": "cannot be stored now, try again later: disk full",
    }
    assert site.house.center.registry.status_interval == 300
