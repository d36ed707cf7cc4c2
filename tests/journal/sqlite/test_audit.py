"""Who did what: found by name and by kind of action, and bounded."""

from __future__ import annotations

from bssci.journal import AuditEntry
from bssci.journal.sqlite import audit


async def fill(journal, *actions):
    for number, action in enumerate(actions):
        await journal.audit.append(
            AuditEntry(at=float(number), who=f"who{number % 2}", address="::1", action=action)
        )


async def test_entries_are_found_by_who_did_them_and_by_what_their_action_begins_with(journal):
    await fill(journal, "login", "sensor.add", "sensor.remove", "log%in")
    read = journal.audit.read
    assert [entry.action for entry in await read(before=None, limit=9, who="who1")] == [
        "log%in",
        "sensor.add",
    ]
    assert [entry.at for entry in await read(before=None, limit=9, action="sensor.")] == [2.0, 1.0]
    assert [entry.at for entry in await read(before=None, limit=9, action="log%")] == [3.0]


async def test_entries_are_found_by_what_their_target_or_detail_contains(journal):
    for at, target, detail in (
        (1.0, "70B3D59C", ""),
        (2.0, "", "2 sensors: 70B3D59C, x"),
        (3.0, "100 %", "a_b"),
    ):
        entry = AuditEntry(at=at, who="ann", address="::1", action="a", target=target, detail=detail)
        await journal.audit.append(entry)
    for text, found in (("70b3d5", [2.0, 1.0]), ("%", [3.0]), ("_", [3.0]), ("'", []), ("70B3D59C,", [2.0])):
        assert [entry.at for entry in await journal.audit.read(before=None, limit=9, text=text)] == found, (
            text
        )


async def test_the_oldest_make_room(journal, monkeypatch):
    monkeypatch.setattr(audit, "MAX_AUDIT", 3)
    monkeypatch.setattr(audit, "SWEEP", 1)
    await fill(journal, "a", "b", "c", "d", "e")
    assert [entry.action for entry in await journal.audit.read(before=None, limit=9)] == ["e", "d", "c"]


async def test_who_fails_to_log_in_does_not_displace_what_people_did(journal, monkeypatch):
    monkeypatch.setattr(audit, "MAX_AUDIT", 6)
    monkeypatch.setattr(audit, "MAX_REFUSED", 2)
    monkeypatch.setattr(audit, "SWEEP", 5)
    await fill(journal, "a", "b", *["login.refused"] * 98)
    assert [entry.action for entry in await journal.audit.read(before=None, limit=9)] == [
        *["login.refused"] * 2,
        "b",
        "a",
    ]
    await fill(journal, *"cdefghijkl")
    kept = [entry.action for entry in await journal.audit.read(before=None, limit=99)]
    assert kept == [*"lkjihg"]
