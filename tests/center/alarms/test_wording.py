"""Messages about alarms in words."""

from __future__ import annotations

from bssci.center.alarms.notices import Notice
from bssci.center.alarms.wording import MAX_LINES, MAX_SUBJECT, alarm_json, as_json, subject, text
from bssci.journal import AlarmRecord

AT = 1_700_000_000.0


def record(number: int = 1, **more: object) -> AlarmRecord:
    values = {"severity": "warning", "text": f"sensor {number} is silent", "href": "/", "since": AT}
    return AlarmRecord(number=number, id=f"sensor-silent:{number}", **{**values, **more})


def test_the_worst_comes_first() -> None:
    broken = record(2, severity="error", text="mqtt\ncannot deliver")
    notice = Notice("EUI", [record(1), broken], [record(3, until=AT + 60)], 2)
    assert subject(notice) == "ERROR: mqtt cannot deliver and 1 more"
    lines = text(notice, "Europe/Berlin").splitlines()
    assert lines[0] == "New:" and lines[1].startswith("- mqtt")
    assert (
        "- sensor 3 is silent (warning, since 2023-11-14 23:13:20 CET until 2023-11-14 23:14:20 CET)" in lines
    )
    assert lines[-1].startswith("2 alarms are open now. Service center EUI")


def test_a_recovery_says_so() -> None:
    notice = Notice("EUI", [], [record(1, until=AT)], 1)
    assert subject(notice) == "Over: sensor 1 is silent"
    assert "1 alarm is open now" in text(notice, "UTC")


def test_a_return_is_told_beside_the_first_begin() -> None:
    assert "(warning, again, first since 2023-11-14 22:13:20 UTC, came back 2 times)" in text(
        Notice("EUI", [record(1, returns=2)], [], 1), "UTC"
    )
    over = text(Notice("EUI", [], [record(1, returns=1, until=AT)], 0), "UTC")
    assert "(warning, since 2023-11-14 22:13:20 UTC until" in over and "came back 1 time)" in over


def test_a_thousand_are_not_a_thousand_lines() -> None:
    notice = Notice("EUI", [record(number) for number in range(1000)], [], 1000)
    assert len(text(notice, "UTC").splitlines()) == MAX_LINES + 4
    assert f"- and {1000 - MAX_LINES} more" in text(notice, "UTC")
    assert len(subject(Notice("EUI", [record(text="x" * 500)], [], 1))) == MAX_SUBJECT


def test_lines_link_to_pages_where_the_address_of_the_web_admin_is_known() -> None:
    notice = Notice("EUI", [record(1, href="/sensors/1")], [record(2, until=AT, href="")], 1)
    lines = text(notice, "UTC", "https://sc.example/bssci/").splitlines()
    assert [line for line in lines if "https" in line] == [
        "  https://sc.example/bssci/sensors/1",
        "1 alarm is open now. Service center EUI, https://sc.example/bssci/alarms",
    ]
    assert "https" not in text(notice, "UTC")
    assert "https://sc.example/alarms" in as_json(notice, "UTC", "https://sc.example")["text"]


def test_programs_get_all_of_it() -> None:
    notice = Notice("EUI", [record(1)], [], 1)
    said = as_json(notice, "UTC")
    assert said["opened"] == [alarm_json(record(1))] and said["closed"] == []
    assert said["text"].startswith("WARNING: sensor 1 is silent")
    assert alarm_json(record(1, until=AT))["state"] == "closed"
