from __future__ import annotations

import pytest

from tests.support.web import WebHouse


@pytest.mark.parametrize("path", ["/api/events", "/api/events/export", "/api/live", "/live"])
def test_a_kind_that_there_is_not_is_refused(web: WebHouse, path: str) -> None:
    answer = web.browser("viewer").get(f"{path}?kind=uplink,uplinks", headers={"Accept": "application/json"})
    assert answer.status == 422 and answer.error["field"] == "kind"
