from __future__ import annotations

from tests.support.web import PASSWORD, WebHouse


def test_no_hash_and_no_token_is_ever_shown(web: WebHouse) -> None:
    admin = web.browser("admin")
    token = admin.post("/api/tokens", {"name": "robot", "role": "viewer"}).json()["token"]
    for path in ("/api/accounts", "/api/tokens", "/api/audit", "/api/logs", "/api/sessions", "/accounts"):
        text = admin.get(path).text
        assert "hashed" not in text and token not in text and PASSWORD not in text, path
