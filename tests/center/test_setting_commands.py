"""Changes of settings and their entries in the audit log; more is in ``test_commands.py``."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from twisted.internet.defer import maybeDeferred

from bssci.center.audit import AuditLog
from bssci.center.setting_commands import SettingCommands
from bssci.journal import AuditEntry, StorageError
from bssci.model.commands import Actor, CommandError
from bssci.settings.groups import Group

ANN = Actor("ann", "web", "::1")


class Parts:
    """A journal's audit log, and the settings; either may fail."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.full = self.wrong = self.crowded = False
        itself: Any = self
        self.audit = itself
        self.settings = SettingCommands(AuditLog(itself, lambda: 5.0), itself)

    async def append(self, entry: AuditEntry) -> None:
        if self.full:
            raise StorageError("disk full")
        self.done.append(f"{entry.who} {entry.action} {entry.target} {entry.detail}".strip())

    async def room(self) -> BytesIO:
        if self.crowded:
            raise CommandError("unavailable", ".env: No space left on device")
        return BytesIO()

    def texts(self, values: dict[str, str]) -> dict[str, str]:
        return values

    async def change(self, values: dict[str, str]) -> frozenset[str]:
        if self.wrong:
            raise CommandError("invalid", "no level")
        self.done.append(f"changed {sorted(values)}")
        return frozenset(values)

    def refuse_remote(self, name: str) -> None:
        assert name == "LOG_LEVEL"

    def shown(self, names: list[str], settings: Any = None) -> dict[str, Any]:
        return dict.fromkeys(names, "info" if settings is None else settings["LOG_LEVEL"])

    async def check(self, values: dict[str, str]) -> Any:
        return values

    async def draft(self, values: dict[str, str]) -> Any:
        itself: Any = self
        itself.values = lambda: values
        return itself

    def not_called(self, *values: Any) -> Any:
        raise AssertionError(values)

    async def reload(self) -> frozenset[str]:
        return frozenset() if self.wrong else frozenset({"LOG_LEVEL", "BASE_TOPIC"})


CHANGE: tuple[Any, ...] = ({"LOG_LEVEL": "debug"}, {"LOG_LEVEL": "info → debug"}, ANN)


async def test_each_change_is_written_down_before_it_happens() -> None:
    it = Parts()
    await it.settings.change(*CHANGE)
    assert it.done == ["ann config.change LOG_LEVEL info → debug", "changed ['LOG_LEVEL']"]


async def test_a_change_that_fails_says_so_after_its_entry() -> None:
    it = Parts()
    it.wrong = True
    with pytest.raises(CommandError, match="no level"):
        await it.settings.change(*CHANGE)
    assert it.done[1:] == ["ann config.change.failed LOG_LEVEL no level"]


async def test_what_cannot_be_written_down_does_not_happen() -> None:
    it = Parts()
    it.full = True
    with pytest.raises(StorageError):
        await it.settings.change(*CHANGE)
    assert it.done == []


async def test_a_change_without_room_for_its_file_is_not_written_down() -> None:
    it = Parts()
    it.crowded = True
    with pytest.raises(CommandError, match="No space left"):
        await it.settings.change(*CHANGE)
    assert it.done == []


async def test_a_change_through_a_sink_is_written_down_before_it_happens() -> None:
    it = Parts()
    wanted = {"LOG_LEVEL": "debug"}
    for it.full, it.crowded in ((True, False), (False, True)):
        with pytest.raises(CommandError) as refused:
            await it.settings.change_remotely(wanted, ANN)
        assert (refused.value.code, it.done) == ("unavailable", [])
    it.crowded = False
    assert await it.settings.change_remotely(wanted, ANN) == {"LOG_LEVEL"}
    await it.settings.change_remotely({"LOG_LEVEL": "info"}, ANN)
    assert it.done == [
        "ann config.change LOG_LEVEL info → debug",
        "changed ['LOG_LEVEL']",
        "changed ['LOG_LEVEL']",
    ]


async def test_what_was_read_again_is_written_down_if_it_changed() -> None:
    it = Parts()
    await it.settings.reload(ANN)
    it.wrong = True
    await it.settings.reload(ANN)
    assert it.done == ["ann config.reload  BASE_TOPIC, LOG_LEVEL"]


async def test_what_was_read_again_on_a_full_disk_is_written_down_later() -> None:
    it = Parts()
    it.full = True
    await it.settings.reload(ANN)
    it.full = False
    await it.settings.change(*CHANGE)
    assert it.done[:2] == [
        "ann config.change LOG_LEVEL info → debug",
        "ann config.reload  BASE_TOPIC, LOG_LEVEL",
    ]


def other_side(values: dict[str, Any]) -> str:
    return f"no answer from {values['MQTT_BROKER']}"


async def test_a_trial_is_written_down_before_it_is_made() -> None:
    it = Parts()
    group = Group("MQTT", (), chosen_by=("SINKS", "mqtt"), trial=other_side)
    draft = {"MQTT_BROKER": "broker.test"}
    assert await it.settings.try_group(group, draft, ANN, maybeDeferred) == "no answer from broker.test"
    assert it.done == ["ann config.test mqtt"]
    it.full = True
    with pytest.raises(StorageError):
        await it.settings.try_group(group, draft, ANN, it.not_called)
    with pytest.raises(CommandError, match="nothing to try"):
        await it.settings.try_group(Group("Log", ()), {}, ANN, it.not_called)
