"""Reports on devices with certificates of ours: what is found, and in which order."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred

from bssci.web.http.errors import ApiError
from tests.support.center import result_of
from tests.support.web import WebHouse


def done(work: Any) -> Any:
    """The result of something that needs no time."""
    return result_of(ensureDeferred(work))


def names(web: WebHouse, **wanted: object) -> list[str]:
    return [row["id"] for row in done(web.admin.views.provisioned.list(**wanted))["devices"]]


def test_those_that_need_somebody_come_first_then_by_name(web: WebHouse) -> None:
    admin = web.browser("admin")
    admin.post("/api/provisioned", {"id": "z-old", "serial_number": "S1"})
    web.advance(340 * 86400)
    admin = web.browser("admin")
    for name in ("b", "a", "gone", "AA:BB:CC:DD:EE:01"):
        assert admin.post("/api/provisioned", {"id": name}).status == 200
    assert admin.post("/api/provisioned/gone/revoke", b"").status == 200
    assert names(web) == ["z-old", "a", "b", "f2-aabbccddee01", "gone"]
    assert names(web, per_page=2, page=2) == ["b", "f2-aabbccddee01"]
    assert names(web, q="ccddee") == ["f2-aabbccddee01"]
    assert names(web, q="s1") == ["z-old"]
    assert names(web, state="revoked") == ["gone"]


@pytest.mark.parametrize("text", ["roof", "a/b"])
def test_who_is_not_registered_is_not_found(web: WebHouse, text: str) -> None:
    with pytest.raises(ApiError) as caught:
        done(web.admin.views.provisioned.detail(text))
    assert caught.value.status == 404
