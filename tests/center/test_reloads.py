"""What is read again, for whom it is written down, and what a fault of it costs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from bssci.center.reloads import RETRY_AFTER, Reloads
from bssci.model.commands import Actor, CommandError


class Parts:
    """Everything that is read again, and in which order it was."""

    def __init__(self) -> None:
        self.done: list[tuple[str, ...]] = []
        self.refused: set[str] = set()
        self.code = "invalid"
        self.trouble = ""
        self.clock = Clock()
        self.is_changed_by_hand = True
        itself: Any = self
        self.settings = SimpleNamespace(reload=self.reload_settings)
        sensors: Any = SimpleNamespace(
            path="endpoints.json", is_changed=self.is_changed, not_stored=self.not_stored
        )
        self.reloads = Reloads(
            self.clock,
            itself,
            sensors,
            lambda: [SimpleNamespace(reload=each) for each in (self.reload_stations, self.reload_web)],
        )

    async def reload_settings(self, by: Actor) -> None:
        self._note("settings", by.name)

    def reload_stations(self) -> None:
        self.done.append(("stations",))
        if "stations" in self.refused:
            raise ZeroDivisionError

    def reload_web(self) -> None:
        self.done.append(("web",))

    async def reload_sensors(self, by: Actor) -> None:
        self._note("sensors", by.name)

    async def is_changed(self) -> bool:
        return self.is_changed_by_hand

    def not_stored(self, reason: str) -> None:
        self.trouble = reason

    def _note(self, *what: str) -> None:
        self.done.append(what)
        if what[0] in self.refused:
            raise CommandError(self.code, "wrong")


def test_a_signal_has_everything_read_again_and_written_down() -> None:
    it, ended = Parts(), []
    it.reloads.on_signal(lambda: ended.append(True))
    assert it.done == [("settings", "SIGHUP"), ("stations",), ("web",), ("sensors", "SIGHUP")]
    assert ended == [True]


@pytest.mark.parametrize("refused", [{"settings", "sensors"}, {"stations"}])
def test_what_cannot_be_read_costs_nothing_else(refused: set[str], expected_errors: list[object]) -> None:
    it, ended = Parts(), []
    it.refused = refused
    it.reloads.on_signal(lambda: ended.append(True))
    assert [each[0] for each in it.done] == ["settings", "stations", "web", "sensors"]
    assert ended == [True]
    assert len(expected_errors) == len(refused & {"stations"})  # a refusal is no fault of the program
    expected_errors.clear()


def test_a_file_that_changed_is_read_for_whoever_changed_it() -> None:
    it = Parts()
    it.reloads.settings_changed()
    it.reloads.sensors_changed()
    assert it.done == [("settings", "file"), ("sensors", "file")]


def test_a_file_that_the_service_wrote_is_not_read_again() -> None:
    it = Parts()
    it.is_changed_by_hand = False
    it.reloads.sensors_changed()
    assert it.done == []


def test_the_service_manager_is_told_whatever_happens(
    monkeypatch: pytest.MonkeyPatch, expected_errors: list[object]
) -> None:
    def no_disk() -> None:
        raise OSError("no disk")

    monkeypatch.setattr("bssci.system.logs.reopen", no_disk)
    it, ended = Parts(), []
    it.reloads.on_signal(lambda: ended.append(True))
    assert ended == [True] and len(expected_errors) == 1
    expected_errors.clear()


def test_sensors_that_could_not_be_stored_are_read_again_by_themselves() -> None:
    it = Parts()
    it.refused, it.code = {"sensors"}, "unavailable"
    it.reloads.sensors_changed()
    it.reloads.sensors_changed()  # touched in between: there is one retry all the same
    assert it.trouble == "endpoints.json: wrong"
    it.clock.advance(RETRY_AFTER)
    assert len(it.done) == 3
    it.refused.clear()
    it.clock.advance(RETRY_AFTER)
    it.clock.advance(RETRY_AFTER)
    assert it.done == [("sensors", "file")] * 4


def test_a_file_that_is_wrong_or_was_put_back_is_not_read_again_by_itself() -> None:
    it = Parts()
    it.refused = {"sensors"}
    it.reloads.sensors_changed()
    it.code = "unavailable"
    it.reloads.sensors_changed()
    it.is_changed_by_hand = False
    it.clock.advance(RETRY_AFTER)
    assert len(it.done) == 2 and not it.clock.getDelayedCalls()


def test_nothing_is_read_again_after_the_stop() -> None:
    it = Parts()
    it.refused, it.code = {"sensors"}, "unavailable"
    it.reloads.sensors_changed()
    it.reloads.stop()
    it.reloads.stop()
    assert not it.clock.getDelayedCalls()


def test_nor_after_a_reading_that_was_under_way_at_the_stop() -> None:
    it = Parts()
    it.refused, it.code = {"sensors"}, "unavailable"
    it.reloads.stop()
    it.reloads.sensors_changed()
    assert it.done == [("sensors", "file")] and not it.clock.getDelayedCalls()
