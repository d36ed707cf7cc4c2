"""The registry of devices in memory: how it follows its file, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred, maybeDeferred
from twisted.internet.task import Clock

from bssci.center.devices.provisioned import INTERVAL, ProvisionedDevices
from bssci.certificates.bundles import make_authority
from bssci.certificates.provisioned import Broker
from bssci.certificates.provisioning import Provisioning
from bssci.journal import StorageError
from bssci.model.commands import CommandError
from bssci.system.shell import ShellChange
from tests.support.center import result_of
from tests.support.settings import settings_with

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = 86400.0


def done(work: Any) -> Any:
    """The result of something that needs no time."""
    return result_of(ensureDeferred(work))


class House:
    """A registry, its files, and time."""

    def __init__(self, directory: Path) -> None:
        self.clock = Clock()
        list(make_authority(directory / "ca.pem", NOW))
        settings = settings_with(
            device_ca_file=directory / "devices" / "ca_cert.pem",
            ca_file=directory / "ca.pem",
            device_broker="broker.example:8883",
        )
        self.files = Provisioning(settings.device_ca_file, settings.ca_file)
        self.audited: list[ShellChange] = []
        self.disk_is_full = False
        self.devices = ProvisionedDevices(self.clock, lambda: settings, self.now, maybeDeferred, self.record)
        self.shell = Provisioning(settings.device_ca_file, settings.ca_file, who="command line me")

    def now(self) -> float:
        return NOW.timestamp() + self.clock.seconds()

    async def record(self, change: ShellChange) -> None:
        if self.disk_is_full:
            raise StorageError("disk full")
        self.audited.append(change)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_what_changes_outside_is_read_by_and_by(house: House) -> None:
    house.devices.start()
    assert house.devices.entries == {}
    house.files.add("roof", Broker("b"), NOW)
    house.clock.advance(INTERVAL)
    assert set(house.devices.entries) == {"roof"}
    house.devices.stop()


def test_what_the_command_line_changes_is_in_the_audit_log_once(house: House) -> None:
    house.shell.add("roof", Broker("b"), NOW)
    house.shell.revoke("roof", NOW)
    house.disk_is_full = True
    house.devices.start()
    assert house.audited == []
    house.disk_is_full = False
    for _ in range(2):
        house.clock.advance(INTERVAL)
    assert [(each.who, each.action, each.target, each.at) for each in house.audited] == [
        ("command line me", action, "roof", NOW.timestamp())
        for action in ("provisioned.add", "provisioned.revoke")
    ]
    assert house.files.changes() == ()
    house.devices.stop()


def test_a_damaged_file_of_changes_is_said_and_costs_nothing_else(house: House) -> None:
    house.shell.add("roof", Broker("b"), NOW)
    (house.files.registry_file.parent / "changes.json").write_text("[")
    done(house.devices.refresh())
    assert "changes.json: is damaged" in house.devices.trouble
    assert set(house.devices.entries) == {"roof"}
    (house.files.registry_file.parent / "changes.json").unlink()
    done(house.devices.refresh())
    assert house.devices.trouble == ""


def test_states_follow_the_time(house: House) -> None:
    for name in ("roof", "wall"):
        done(house.devices.add(name, "", force=False))
    done(house.devices.revoke("wall"))
    roof, wall = (house.devices.entries[name] for name in ("roof", "wall"))
    seen = []
    for days in (0, 336, 30):
        house.clock.advance(days * DAY)
        seen.append((house.devices.state(roof), house.devices.state(wall), house.devices.counts()))
    nothing = {"active": 0, "ending": 0, "ended": 0, "revoked": 1}
    assert seen == [(state, "revoked", {**nothing, state: 1}) for state in ("active", "ending", "ended")]
    assert [name for _, name in house.devices.ends(30)] == ["roof"]
    assert house.devices.next_end() is None


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda it: it.add("roof", "", force=False), "conflict"),
        (lambda it: it.add("a/b", "", force=False), "invalid"),
        (lambda it: it.renew("wall"), "unknown_device"),
        (lambda it: it.configuration_of("wall"), "unknown_device"),
    ],
)
def test_a_refusal_has_the_fitting_code(
    house: House, ask: Callable[[ProvisionedDevices], object], code: str
) -> None:
    done(house.devices.add("roof", "", force=False))
    with pytest.raises(CommandError) as caught:
        done(ask(house.devices))
    assert caught.value.code == code


def test_an_authority_without_its_key_is_said(house: House) -> None:
    done(house.devices.add("roof", "", force=False))
    (house.files.ca_file.parent / "ca_key.pem").unlink()
    with pytest.raises(CommandError, match="only the owner of the CA"):
        done(house.devices.renew("roof"))
    assert house.devices.outcomes == {("add", "done"): 1, ("renew", "refused"): 1}


def test_a_registry_that_cannot_be_read_is_told_until_it_can(house: House) -> None:
    done(house.devices.add("roof", "", force=False))
    content = house.files.registry_file.read_bytes()
    house.files.registry_file.write_bytes(b"{")
    done(house.devices.refresh())
    assert "is damaged" in house.devices.trouble
    assert set(house.devices.entries) == {"roof"}
    house.files.registry_file.write_bytes(content)
    done(house.devices.refresh())
    assert house.devices.trouble == ""
