from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred
from twisted.logger import Logger

from bssci.system import logs
from bssci.web.http.errors import ApiError
from bssci.web.monitoring import logbook as logbook_module
from bssci.web.monitoring.logbook import MAX_LINES, MAX_TEXT, Logbook
from tests.support.center import result_of


@pytest.fixture
def logbook(monkeypatch: pytest.MonkeyPatch) -> Any:
    book = Logbook()
    book.start()
    yield book
    book.stop()


def read(book: Logbook, **query: Any) -> list[str]:
    return [each["text"] for each in result_of(ensureDeferred(book.read(**query)))["lines"]]


def test_lines_come_newest_first_and_can_be_chosen(logbook: Logbook) -> None:
    center, web = Logger("bssci.center.x"), Logger("bssci.web.y")
    center.info("Sensor {eui}", eui="A1")
    web.warn("refused")
    assert read(logbook) == ["refused", "Sensor A1"]
    assert read(logbook, level="warn") == ["refused"]
    assert read(logbook, logger="bssci.center") == ["Sensor A1"]
    assert read(logbook, q="sensor a1") == ["Sensor A1"]
    assert read(logbook, limit=1) == ["refused"]


def test_lists_are_told_as_people_write_them(logbook: Logbook) -> None:
    Logger("bssci").info("started, sinks {sinks}", sinks=["mqtt", "log"])
    assert read(logbook) == ["started, sinks mqtt, log"]


def test_no_more_is_kept_than_there_is_room_for() -> None:
    book = Logbook()
    for number in range(MAX_LINES + 5):
        book({"log_time": float(number), "log_format": "x"})
    book({"log_time": 9e9, "log_format": "x" * (MAX_TEXT + 5)})
    report = result_of(ensureDeferred(book.read(limit=1)))
    assert report["kept"] == MAX_LINES
    assert len(report["lines"][0]["text"]) == MAX_TEXT
    assert report["lines"][0]["number"] == MAX_LINES + 6


def test_an_unknown_level_is_refused(logbook: Logbook) -> None:
    with pytest.raises(ApiError):
        read(logbook, level="loud")


def test_what_the_level_keeps_back_is_not_here(logbook: Logbook) -> None:
    assert not logs.is_enabled("debug")
    Logger("bssci.x").debug("detail")
    assert read(logbook) == []


def test_long_lines_leave_room_for_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbook_module, "MAX_BYTES", 20_000)
    book = Logbook()
    for number in range(50):
        book({"log_time": float(number), "log_format": "{text}", "text": "x" * 3000})
    assert 3 <= result_of(ensureDeferred(book.read()))["kept"] <= 6
    book({"log_time": 99.0, "log_format": "short"})
    assert read(book, limit=1) == ["short"]


def test_a_line_that_comes_from_another_thread_while_lines_are_read_harms_nothing(logbook: Logbook) -> None:
    class Namespace(str):
        """A logger's name; whoever looks at it lets another thread log."""

        def startswith(self, *_: Any) -> bool:
            Logger("bssci.other").info("meanwhile")
            return True

    for _ in range(3):
        logbook({"log_time": 1.0, "log_format": "line", "log_namespace": Namespace("bssci.x")})
    assert read(logbook) == ["line"] * 3
