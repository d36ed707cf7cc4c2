"""Accounts and tokens: changed and audited, or not changed; people log in also on a full disk."""

from __future__ import annotations

from tests.support.web import WebHouse


def test_on_a_full_disk_people_log_in_and_nothing_is_changed_unseen(web: WebHouse) -> None:
    web.browser("admin").post("/api/tokens", {"name": "old", "role": "viewer"})
    before, environment = web.file.read(), web.configuration.current
    web.journal.broken = True
    admin = web.browser("admin")
    assert [
        admin.post("/api/accounts", {"name": "eve", "role": "admin", "password": "long enough 123"}).status,
        admin.post("/api/accounts/viewer", {"role": "admin"}).status,
        admin.ask("DELETE", "/api/accounts/viewer").status,
        admin.post("/api/tokens", {"name": "new", "role": "admin"}).status,
        admin.ask("DELETE", "/api/tokens/old").status,
        admin.post("/api/config", {"STATUS_INTERVAL": 60}).status,
    ] == [503] * 6
    assert admin.post("/api/logout").status == 200
    web.journal.broken = False
    assert web.file.read() == before
    assert web.configuration.current == environment
    assert [action for _, action, _ in web.audit()] == ["login", "token.create"]


def test_a_change_that_fails_is_told_as_such(web: WebHouse) -> None:
    admin = web.browser("admin")
    assert (
        admin.post("/api/accounts", {"name": "admin", "role": "viewer", "password": "x" * 20}).status >= 400
    )
    assert web.audit()[1:] == [
        ("admin", "account.add", "admin"),
        ("admin", "account.add.failed", "admin"),
    ]


def test_all_other_sessions_of_oneself_end_at_once(web: WebHouse) -> None:
    mine, others, stranger = (
        web.browser("viewer"),
        [web.browser("viewer") for _ in range(2)],
        web.browser("operator"),
    )
    assert mine.delete("/api/sessions").json() == {"success": True, "ended": 2}
    assert [each.get("/api/me").status for each in (mine, *others, stranger)] == [200, 401, 401, 200]
    assert ("viewer", "session.end", "viewer") in web.audit()
    assert mine.delete("/api/sessions").json()["ended"] == 0
    program = web.browser()
    program.token = web.file.create_token("robot", "viewer")
    assert program.delete("/api/sessions").status == 403
