"""Pages of devices with certificates of ours."""

from __future__ import annotations

import pytest

from bssci.certificates import qr_code
from tests.support.web import WebHouse
from tests.web.html import Document


def test_a_device_is_offered_what_can_be_done_with_it(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    admin = web.browser("admin")
    assert admin.post("/api/provisioned", {"id": "roof"}).status == 200

    def offered() -> list[str]:
        forms = Document(admin.get("/provisioned/roof").text).all("form")
        return [each["data-api"] or each["data-download"] for each in forms if each["data-confirm"]]

    api = "POST /api/provisioned/roof"
    assert offered() == [f"{api}/renew", f"{api}/revoke", f"{api}/bundle"]
    admin.post("/api/provisioned/roof/bundle", b"")
    assert offered() == [f"{api}/renew", f"{api}/revoke"]
    admin.post("/api/provisioned/roof/revoke", b"")
    assert offered() == [f"{api}/renew"]
    monkeypatch.setattr(qr_code, "is_installed", lambda: False)
    assert "bssci[qr]" in admin.get("/provisioned/roof").text


def test_the_list_is_filtered_by_state_and_text(web: WebHouse) -> None:
    admin = web.browser("admin")
    for name in ("roof", "wall"):
        admin.post("/api/provisioned", {"id": name})
    admin.post("/api/provisioned/wall/revoke", b"")
    page = Document(admin.get("/provisioned?state=revoked").text).one("main").text
    assert "wall" in page and "roof" not in page
    page = Document(admin.get("/provisioned?q=nobody").text).one("main").text
    assert "No device matches" in page and "Show all 2" in page
    page = Document(admin.get("/provisioned?page=7").text).one("main").text
    assert "wall" in page and "roof" in page
    assert admin.get("/provisioned?state=lost").status == 422
