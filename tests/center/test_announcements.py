"""Announcements reach every listener."""

from __future__ import annotations

from twisted.python.failure import Failure

from bssci.center.announcements import Announcements


def test_each_listener_hears_each_announcement(expected_errors: list[Failure]) -> None:
    announcements = Announcements()
    heard: list[tuple[str, bytes]] = []
    announcements.tell("before/anybody/listens", b"")
    announcements.listen(lambda topic, payload: 1 / 0)
    announcements.listen(lambda topic, payload: heard.append((topic, payload)))
    announcements.tell("mioty/config/response", b"{}")
    assert heard == [("mioty/config/response", b"{}")]
    assert [failure.type for failure in expected_errors] == [ZeroDivisionError]
    expected_errors.clear()
